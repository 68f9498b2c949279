// Package health evaluates the health checks of examples/argocd and examples/flux as the tools themselves do, and tests
// that they tell the truth about the policy: Argo CD's by the Lua interpreter that it has built in, Flux's by its own
// packages. The checks are read from the examples, so what is shown is what is tested.
package health
