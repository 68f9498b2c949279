// Package cases is what happens to people who run pullsecrets next to a GitOps tool, told once for all tools: the
// policy is edited, accounts have or lack a list of their own, namespaces come, sources are replaced, the policy is
// pruned by mistake. The tests in the folders around it tell it to each tool's own engine, on a real API server with
// the real program, with and without the admission component, and write what came of it into docs/gitops.md. Before all
// that comes the first install: a newcomer, who follows that page step by step.
//
// It is a module of its own because Argo CD's engine and the others need different versions of Kubernetes' libraries. For
// the same reason it has a small harness of its own: internal/e2e/harness comes with the versions that pullsecrets needs.
package cases
