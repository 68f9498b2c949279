// Package helm holds the tests of charts/pullsecrets. Helm 3's and Helm 4's own libraries render it, which is held against
// kustomize and against internal/rbac object by object, and install, upgrade, roll back and uninstall it on a real API
// server where pullsecrets runs.
package helm
