package helm

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// TestALengthIsRefused has what is too long for the program, and for no schema.
func TestALengthIsRefused(t *testing.T) {
	key := strings.Repeat("a", 254) + "/b"
	rules := func(change values) []any { r := rule("hub", "a"); overlay(r, change); return []any{r} }
	many := []any{}
	for range 2200 {
		many = append(many, strings.Repeat("a", 240))
	}
	for word, list := range map[string][]any{
		"matchLabels":      rules(values{"namespaces": values{"selector": values{"matchLabels": values{key: "a"}}}}),
		"matchExpressions": rules(values{"serviceAccounts": values{"selector": values{"matchExpressions": []any{values{"key": key, "operator": "Exists"}}}}}),
		"512 KiB":          rules(values{"namespaces": values{"exclude": many}}),
	} {
		document, err := yaml.Marshal(values{"apiVersion": "pullsecrets/v1alpha1", "kind": "Policy", "rules": list})
		harness.Must(t, err)
		if p, _ := policy.Parse(map[string]string{"policy.yaml": string(document)}, policy.Options{Namespace: home}); p != nil {
			t.Errorf("%s: the program takes it", word)
		}
		eachEngine(t, func(t *testing.T, h engine) {
			if _, err := h.Template(here, values{"policy": values{"rules": list}}); err == nil || !strings.Contains(err.Error(), "the values are refused, nothing was changed") {
				t.Errorf("%s: %v", word, err)
			}
		})
	}
}

// TestValuesThatDoNotFitAreRefused has what is wrong with the values beside the policy.
func TestValuesThatDoNotFitAreRefused(t *testing.T) {
	with := func(change values) values { given := one(); overlay(given, change); return given }
	elsewhere := func(change values) values {
		given := values{"policy": values{"create": false}}
		overlay(given, change)
		return given
	}
	older := here
	older.kubeVersion = "v1.35.0"
	oldest := here
	oldest.kubeVersion = "v1.29.0"
	eachEngine(t, func(t *testing.T, h engine) {
		for _, c := range []struct {
			word  string
			at    target
			given values
		}{
			{"rbac.copies", here, elsewhere(nil)},
			{"polcy", here, elsewhere(values{"wideRbac": values{"enabled": true}, "polcy": 1.0})},
			{"there is another source", here, with(values{"sources": []any{source("hub"), source("hub")}})},
			{"either dockerconfigjson, or", here, with(values{"sources": []any{values{"name": "a", "dockerconfigjson": "{}", "registry": "r"}}})},
			{"needs Kubernetes 1.36", older, with(nil)},
			{"kubeVersion", oldest, with(values{"admission": values{"enabled": false}})},
			{"rbac.alos: there is no such value", here, with(values{"rbac": values{"alos": []any{"a"}}})},
			{"monitoring.podMonitor.intreval", here, with(values{"monitoring": values{"podMonitor": values{"intreval": "1s"}}})},
			{"has a line break", here, with(values{"sources": []any{values{"name": "a", "registry": "r", "username": "u", "password": "p\n"}}})},
			{"image.tag: is a number", here, with(values{"image": values{"tag": 1.1}})},
			{"enable", here, with(values{"ha": values{"enable": true}})},
			{"digest", here, with(values{"image": values{"digest": "latest"}})},
		} {
			if _, err := h.Template(c.at, c.given); err == nil || !strings.Contains(err.Error(), c.word) {
				t.Errorf("%v, want %q", err, c.word)
			}
		}
	})
}

// TestTheReadmesValuesAreTaken renders what the README shows.
func TestTheReadmesValuesAreTaken(t *testing.T) {
	_, rest, _ := strings.Cut(read(t, chartFolder+"/README.md"), "```yaml\n")
	example, _, ok := strings.Cut(rest, "```")
	given := values{}
	if harness.Must(t, yaml.Unmarshal([]byte(example), &given)); !ok || given["policy"] == nil {
		t.Fatal("the README has no policy")
	}
	eachEngine(t, func(t *testing.T, h engine) {
		r, err := h.Template(here, given)
		harness.Must(t, err)
		if want := "kubectl -n pullsecrets create secret docker-registry dockerhub"; !strings.Contains(r.notes, want) {
			t.Errorf("NOTES do not say %s:\n%s", want, r.notes)
		}
	})
}
