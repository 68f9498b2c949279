// Package argocd holds the tests that drive Argo CD's engine against a real API server where pullsecrets runs. What
// happens to it is in the package cases, next to this folder. It is a module of its own because the engine needs older
// versions of Kubernetes' libraries than the program.
package argocd
