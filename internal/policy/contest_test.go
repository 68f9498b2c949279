package policy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// TestWarningsHoldWhatHappens holds what is said of rules that win and lose against what happens to them in every namespace of a
// small world: whoever loses where that is not meant was warned of, and whoever is said to have no effect never wins.
func TestWarningsHoldWhatHappens(t *testing.T) {
	names := words("ab", 3)
	pick := func(from ...string) string { return from[rand.N(len(from))] }
	meant, notMeant, without := 0, 0, 0
	for range 1000 {
		var text strings.Builder
		for i := range 2 + rand.N(4) {
			fmt.Fprintf(&text, "- {name: r%d, secrets: [{source: {name: %s}, name: %s}, {source: {name: %s}, name: z}], override: %t, namespaces: {include: [%q, %q]%s}}\n",
				i, pick("s1", "s2"), pick("p", "q"), pick("s1", "s2"), rand.N(2) == 0, pick("a", "*", "a*", "b?", "?"), pick("b", "ab*", "*a", "b??"),
				pick("", "", ", exclude: [a]", `, exclude: ["*b"]`)+pick("", "", ", selector: {matchLabels: {team: a}}", ", selector: {matchExpressions: [{key: team, operator: NotIn, values: [a]}]}",
					", selector: {matchExpressions: [{key: team, operator: In, values: [a, b]}]}", ", selector: {matchExpressions: [{key: team, operator: DoesNotExist}]}",
					", selector: {matchLabels: {kubernetes.io/metadata.name: ab}}"))
		}
		p, problems := Parse(map[string]string{"a.yaml": "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n" + text.String()}, options)
		if p == nil {
			t.Fatal(problems)
		}
		at := func(path string) string {
			for _, w := range problems {
				if w.Path == path && !strings.Contains(w.Message, "kube-system") {
					return w.Message
				}
			}
			return ""
		}
		index := map[*Rule]int{}
		for i, r := range p.Rules {
			index[r] = i
			if strings.Contains(at(fmt.Sprintf("rules[%d].override", i)), "has no effect") {
				without++
			}
		}
		for _, name := range names {
			in := inputs(name)
			in.Namespace.Labels = cluster.Labels{{Key: nameLabel, Value: name}}
			if team := pick("a", "b", ""); team != "" {
				in.Namespace.Labels = append(in.Namespace.Labels, cluster.Label{Key: "team", Value: team})
			}
			for _, c := range p.Desired(in).Conflicts {
				winner, loser := index[c.Winner], index[c.Rule]
				if c.Meant() {
					meant++
					if said := at(fmt.Sprintf("rules[%d].override", winner)); said != "" {
						t.Fatalf("in %s rule %d wins over rule %d, and it is said: %s\n%s", name, winner, loser, said, text.String())
					}
					continue
				}
				notMeant++
				secret := 0
				if c.Name == "z" {
					secret = 1
				}
				if at(fmt.Sprintf("rules[%d].secrets[%d]", loser, secret)) == "" {
					t.Fatalf("in %s rule %d loses to rule %d, and nothing is said: %v\n%s", name, loser, winner, problems, text.String())
				}
			}
		}
	}
	if meant < 500 || notMeant < 500 || without < 50 {
		t.Errorf("only %d conflicts that are meant, %d that are not, %d rules without effect: the world is too small", meant, notMeant, without)
	}
}
