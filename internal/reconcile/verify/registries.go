package verify

import (
	"context"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/verify/decide"
	"github.com/pullsecrets/pullsecrets/internal/registry"
)

// Registries asks by the network. checker is called for each question, and not before the first.
func Registries(checker func() *registry.Checker) Ask {
	return func(ctx context.Context, source *cluster.Source) (out []decide.Answer) {
		for _, a := range checker().Ask(ctx, source.Type, source.Credential) {
			out = append(out, decide.Answer{Host: a.Host, Verdict: verdict(a.Verdict), Detail: a.Detail})
		}
		return out
	}
}

// verdict says what a registry's answer means here. What is no registry, asks for no credential or cannot be asked will not say
// more by being asked again, so nobody waits for it.
func verdict(v registry.Verdict) decide.Verdict {
	switch v {
	case registry.Accepted:
		return decide.Accepted
	case registry.Refused:
		return decide.Refused
	case registry.NoRegistry, registry.Anonymous, registry.NotAsked:
		return decide.Untold
	}
	return decide.Unreachable
}
