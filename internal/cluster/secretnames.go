package cluster

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// SecretNames reads names of secrets from a text, in which white space separates them. They are sorted, each once.
// Somebody may have edited the text: what no secret can be called is left out.
func SecretNames(text string) []string {
	names := slices.DeleteFunc(strings.Fields(text), func(name string) bool {
		return len(validation.IsDNS1123Subdomain(name)) > 0
	})
	slices.Sort(names)
	return slices.Compact(names)
}

// Union returns the names of two lists, sorted, each once.
func Union(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}

// SecretsNotedOn returns the names that the installation noted on an account, without those that no secret can have.
func (i Installation) SecretsNotedOn(sa *ServiceAccount) []string {
	return SecretNames(strings.Join(i.NotedOn(sa), " "))
}
