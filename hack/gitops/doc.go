// Package gitops holds the tests that drive the engines of Flux and Helm against a real API server where pullsecrets
// runs. What happens to them is in the package cases; Argo CD's engine is in the folder argocd. A newcomer, also of that
// package, follows docs/gitops.md with each tool. What External Secrets makes of examples/registries is tested here too,
// because its template functions are of a library that only this module has.
package gitops
