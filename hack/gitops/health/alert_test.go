package health

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
)

const alertsFile = "../../../examples/flux/notifications.yaml"

// alert is an Alert of Flux as far as it says which events are sent.
type alert struct {
	Kind     string
	Metadata struct{ Name string }
	Spec     struct {
		EventSeverity string
		InclusionList []string
		EventSources  []struct{ Kind, Name, Namespace string }
		ProviderRef   struct{ Name string }
	}
}

func readAlerts(t *testing.T) (alerts []alert, providers []string) {
	t.Helper()
	text, err := os.ReadFile(alertsFile)
	harness.Must(t, err)
	for doc := range strings.SplitSeq(string(text), "\n---\n") {
		var a alert
		harness.Must(t, yaml.Unmarshal([]byte(doc), &a))
		if a.Kind == "Provider" {
			providers = append(providers, a.Metadata.Name)
		} else {
			alerts = append(alerts, a)
		}
	}
	return alerts, providers
}

// sends judges an event as notification-controller does: info is any severity; one expression of the list has to match.
func (a alert) sends(kustomization, severity, message string) bool {
	matches := func(e string) bool { return regexp.MustCompile(e).MatchString(message) }
	return (a.Spec.EventSeverity == severity || a.Spec.EventSeverity == "info") &&
		(len(a.Spec.InclusionList) == 0 || slices.ContainsFunc(a.Spec.InclusionList, matches)) &&
		slices.ContainsFunc(a.Spec.EventSources, func(s struct{ Kind, Name, Namespace string }) bool {
			return s.Kind == "Kustomization" && s.Name == kustomization
		})
}

// TestTheAlertsTellOfThePolicy holds the Alerts of examples/flux against what kustomize-controller says, and against the
// Kustomizations of the example. That the API server takes them is tested with all other manifests.
func TestTheAlertsTellOfThePolicy(t *testing.T) {
	alerts, providers := readAlerts(t)
	for _, c := range []struct {
		why, kustomization, severity, message string
		want                                  []string
	}{
		{"refused", policyName, "error", "health check failed after 31.2ms: failed early due to stalled resources: [ConfigMap/pullsecrets/pullsecrets-policy status: 'Failed']", []string{"pullsecrets-degraded"}},
		{"not in force in time", policyName, "error", "health check failed after 2m0s: timeout waiting for: [ConfigMap/pullsecrets/pullsecrets-policy status: 'InProgress']", []string{"pullsecrets-degraded"}},
		{"git cannot be built", policyName, "error", "kustomize build failed: no such file", []string{"pullsecrets-degraded"}},
		{"in force again", policyName, "info", "Health check passed in 1.2s", []string{"pullsecrets-recovered"}},
		{"an edit was applied", policyName, "info", "ConfigMap/pullsecrets/pullsecrets-policy configured", nil},
		{"the controller does not come up", "pullsecrets", "error", "health check failed after 3m0s: timeout waiting for: [Deployment/pullsecrets/pullsecrets status: 'InProgress']", []string{"pullsecrets-degraded"}},
		{"the source cannot be decrypted", "pullsecrets-sources", "error", "decryption failed", []string{"pullsecrets-degraded"}},
		{"a team's own trouble", "shop", "error", "health check failed", nil},
	} {
		var got []string
		for _, a := range alerts {
			if a.sends(c.kustomization, c.severity, c.message) {
				got = append(got, a.Metadata.Name)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v are sent, want %v", c.why, got, c.want)
		}
	}
	for _, file := range []string{fluxFile, ociFile} {
		text, err := os.ReadFile(file)
		harness.Must(t, err)
		for _, a := range alerts {
			if !slices.Contains(providers, a.Spec.ProviderRef.Name) {
				t.Errorf("there is no provider %s", a.Spec.ProviderRef.Name)
			}
			for _, s := range a.Spec.EventSources {
				if !strings.Contains(string(text), "\n  name: "+s.Name+"\n") {
					t.Errorf("%s has no Kustomization %s", file, s.Name)
				}
			}
		}
	}
}

// TestFluxSaysItInTheseWords holds the words above against the source of kustomize-controller.
func TestFluxSaysItInTheseWords(t *testing.T) {
	fetch := exec.Command("go", "mod", "download", "-json", "github.com/fluxcd/kustomize-controller@v1.9.6")
	fetch.Dir = t.TempDir() // no module's: nothing here requires it
	out, err := fetch.Output()
	harness.Must(t, err)
	var where struct{ Dir string }
	harness.Must(t, json.Unmarshal(out, &where))
	source, err := os.ReadFile(filepath.Join(where.Dir, "internal/controller/kustomization_controller.go"))
	harness.Must(t, err)
	for _, words := range []string{`"Health check passed in %s"`, `"health check failed after %s: %w"`, "eventv1.EventSeverityInfo, msg", "if !wasHealthy || (isNewRevision && drifted)"} {
		if !strings.Contains(string(source), words) {
			t.Errorf("kustomize-controller does not say %s", words)
		}
	}
}
