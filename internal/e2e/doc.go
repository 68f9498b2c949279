// Package e2e tests the controller against a real API server: make test starts one and sets
// PULLSECRETS_TEST_KUBECONFIG.
//
// Two controllers on one cluster would prune each other's work, so the tests run one after the other, each with a
// controller and namespaces of its own.
package e2e
