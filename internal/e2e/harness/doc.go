// Package harness is what the tests on a real API server share, those of internal/e2e and of the modules below hack. A
// test takes a Sandbox: namespaces of its own in the cluster that PULLSECRETS_TEST_KUBECONFIG names. It does there what
// people do, starts a controller or the program, and waits for what has to come of it.
//
//	cluster.go     the API server that a test is given
//	needs.go       what an API server has to have for a test
//	sandbox.go     one test's part of it
//	write.go       what people do there: create, edit and delete objects
//	policy.go      the policies that tests use, and how they come into force
//	controller.go  a controller in the test's process
//	program.go     the program, with its command line
//	buffer.go      what a controller or a program prints
//	wait.go        waiting for a condition
//	want.go        what accounts and copies have to become
//	status.go      what the policy and the status ConfigMap have to say
//	metrics.go     what the metrics have to say
//	transport.go   requests of the controller that are counted, changed, held up or fail
//	refusal.go     an API server that refuses copies, with the credential in its answer
//	rights.go      the roles that pullsecrets rbac prints, and a token that has them
//	component.go   the admission component
//	evict.go       pullsecrets evict in the test's process, and pods that wait for their image
//	kubectl.go     kubectl and other appliers
//	kustomize.go   what the repository's kustomizations build
package harness
