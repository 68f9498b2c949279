package gitops

import (
	"bytes"
	"encoding/base64"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/Masterminds/sprig/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

const (
	registries     = "../../examples/registries/"
	registriesPage = "../../docs/registries.md"
)

// issued is when the credentials of these tests were.
var issued = time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)

func unix(at time.Time) string { return fmt.Sprint(at.Unix()) }

// jwt is a JSON Web Token that ends so long after it was issued.
func jwt(life time.Duration) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256"}`)) + "." + encode(fmt.Appendf(nil, `{"iat":%d,"exp":%d}`, issued.Unix(), issued.Add(life).Unix())) + ".c2ln"
}

// A password may have whatever JSON has to quote.
const awkward = `p"a\s'{$s}<&>`

// recipes are the examples: what External Secrets has for each template, with the keys of its generators' documentation, and
// what has to come of it.
var recipes = map[string]struct {
	values   map[string]string
	image    string // that the credential has to be for
	username string
	life     time.Duration // of the credential
}{
	"ecr": {map[string]string{"username": "AWS", "proxy_endpoint": "https://111122223333.dkr.ecr.eu-central-1.amazonaws.com", "expires_at": unix(issued.Add(12 * time.Hour)),
		"password": base64.StdEncoding.EncodeToString(fmt.Appendf(nil, `{"payload":"x","datakey":"x","version":"2","type":"DATA_KEY","expiration":%d}`, issued.Add(12*time.Hour).Unix()))},
		"111122223333.dkr.ecr.eu-central-1.amazonaws.com/team/app", "AWS", 12 * time.Hour},
	"gar": {map[string]string{"username": "oauth2accesstoken", "password": "ya29.opaque", "expiry": unix(issued.Add(time.Hour))},
		"europe-west3-docker.pkg.dev/my-project/images/app", "oauth2accesstoken", time.Hour},
	"acr": {map[string]string{"username": "00000000-0000-0000-0000-000000000000", "password": jwt(3 * time.Hour)},
		"example.azurecr.io/team/app", "00000000-0000-0000-0000-000000000000", 3 * time.Hour},
	"quay": {map[string]string{"registry": "quay.io", "auth": base64.StdEncoding.EncodeToString([]byte("my-org+puller:" + jwt(time.Hour))), "expiry": unix(issued.Add(time.Hour))},
		"quay.io/my-org/app", "my-org+puller", time.Hour},
	"ghcr":      {inVault("octocat"), "ghcr.io/my-org/app", "octocat", 90 * 24 * time.Hour},
	"dockerhub": {inVault("my-org"), "docker.io/my-org/app", "my-org", 90 * 24 * time.Hour},
	"harbor":    {inVault("robot$my-project+puller"), "harbor.example.com/my-project/app", "robot$my-project+puller", 90 * 24 * time.Hour},
	"gitlab":    {inVault("gitlab+deploy-token-1234567"), "registry.gitlab.com/my-group/app", "gitlab+deploy-token-1234567", 90 * 24 * time.Hour},
	"vault":     {inVault("robot"), "registry.example.com/app", "robot", 90 * 24 * time.Hour},
}

// inVault are the properties of a secret in a vault.
func inVault(username string) map[string]string {
	return map[string]string{"username": username, "password": awkward, "expires": issued.AddDate(0, 0, 90).Format(time.RFC3339)}
}

// externalSecret is what counts of an ExternalSecret here.
type externalSecret struct {
	Kind     string
	Metadata struct{ Name, Namespace string }
	Spec     struct {
		RefreshInterval string
		Target          struct {
			Name     string
			Template struct {
				Type     string
				Metadata struct{ Annotations map[string]string }
				Data     map[string]string
			}
		}
	}
}

// TestEachRecipeMakesASource renders the template of each example as External Secrets does, and has it judged as a source.
// Whether the manifests are what External Secrets takes, internal/e2e has an API server say.
func TestEachRecipeMakesASource(t *testing.T) {
	files, err := filepath.Glob(registries + "*.yaml")
	if err != nil || len(files) != len(recipes) {
		t.Fatalf("%d files and %d recipes: %v", len(files), len(recipes), err)
	}
	for name, recipe := range recipes {
		t.Run(name, func(t *testing.T) {
			es := readRecipe(t, name)
			refresh, err := time.ParseDuration(es.Spec.RefreshInterval)
			if err != nil || es.Metadata.Name != name || es.Metadata.Namespace != "pullsecrets" || es.Spec.Target.Name != name {
				t.Fatalf("%v: %+v", err, es)
			}
			source := es.source(t, recipe.values)
			switch {
			case source.Defect != "" || len(source.Content.Warnings) > 0 || source.BadExpires:
				t.Fatalf("as a source it is %s, %s, %v", source.Defect, source.Cause, source.Content.Warnings)
			case !source.Content.Covers(recipe.image):
				t.Errorf("it is not for %s: %v", recipe.image, source.Content.Registries)
			}
			want := cluster.NewProjector([]byte("key"))
			other, _, _ := want.Content(cluster.TypeDockercfg, fmt.Appendf(nil, `{%q: {"username": %q, "password": "x"}}`, source.Content.Registries[0].Host, recipe.username))
			if got := source.Content.Registries[0].Fields; len(got) != 2 || !got[1].SameValue(other.Registries[0].Fields[1]) {
				t.Errorf("its username is not %s", recipe.username)
			}
			ends := source.Ends()
			if len(ends) != 1 || !ends[0].Until.Equal(issued.Add(recipe.life)) {
				t.Fatalf("it ends %v, want %s", ends, issued.Add(recipe.life))
			}
			if warn := ends[0].WarnAt(plan.ExpiryWarning); recipe.life < 24*time.Hour && !issued.Add(refresh).Before(warn) {
				t.Errorf("it is renewed every %s, and warned of after %s", refresh, warn.Sub(issued))
			}
		})
	}
}

// readRecipe reads the ExternalSecret of an example.
func readRecipe(t *testing.T, name string) (es externalSecret) {
	t.Helper()
	text, err := os.ReadFile(registries + name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	for doc := range strings.SplitSeq(string(text), "\n---\n") {
		es = externalSecret{}
		if err := yaml.Unmarshal([]byte(doc), &es); err != nil {
			t.Fatal(err)
		}
		if es.Kind == "ExternalSecret" {
			return es
		}
	}
	t.Fatal("there is no ExternalSecret")
	return es
}

// source is the Secret that External Secrets makes, written when its credential was issued.
func (es externalSecret) source(t *testing.T, values map[string]string) *cluster.Source {
	t.Helper()
	of := es.Spec.Target.Template
	u := &unstructured.Unstructured{Object: map[string]any{"type": of.Type, "data": map[string]any{}, "metadata": map[string]any{
		"name": es.Spec.Target.Name, "creationTimestamp": issued.Format(time.RFC3339),
	}}}
	annotations := map[string]string{}
	for key, text := range of.Metadata.Annotations {
		annotations[key] = rendered(t, text, values)
	}
	u.SetAnnotations(annotations)
	for key, text := range of.Data {
		u.Object["data"].(map[string]any)[key] = base64.StdEncoding.EncodeToString([]byte(rendered(t, text, values)))
	}
	return cluster.NewProjector([]byte("key")).Source(u)
}

// rendered is a template of External Secrets: sprig's functions without those for the environment, values that are text, and
// an error for one that is missing. Source: external-secrets, runtime/template/v2/template.go.
func rendered(t *testing.T, text string, values map[string]string) string {
	t.Helper()
	functions := sprig.TxtFuncMap()
	delete(functions, "env")
	delete(functions, "expandenv")
	parsed, err := template.New("").Option("missingkey=error").Funcs(functions).Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := parsed.Execute(&b, values); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var shown = regexp.MustCompile("(?s)<!-- examples/registries/([a-z]+)\\.yaml -->\n```yaml\n.*?```\n")

// TestThePageShowsTheRecipes holds docs/registries.md against the examples. To write it anew: go test . -run ThePageShows -update
func TestThePageShowsTheRecipes(t *testing.T) {
	page, err := os.ReadFile(registriesPage)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	want := shown.ReplaceAllStringFunc(string(page), func(block string) string {
		name := shown.FindStringSubmatch(block)[1]
		seen[name] = true
		text, err := os.ReadFile(registries + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("<!-- examples/registries/%s.yaml -->\n```yaml\n%s```\n", name, text)
	})
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(registriesPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(page) {
		t.Errorf("%s does not show the examples as they are: run go test . -run ThePageShows -update", registriesPage)
	}
	for name := range recipes {
		if !seen[name] {
			t.Errorf("%s does not show %s", registriesPage, name)
		}
	}
}

// TestNodesThatLogInByThemselves holds the globs for nodeCredentials that the page names.
func TestNodesThatLogInByThemselves(t *testing.T) {
	page, err := os.ReadFile(registriesPage)
	if err != nil {
		t.Fatal(err)
	}
	for name, glob := range map[string]string{"ecr": "*.dkr.ecr.*.amazonaws.com", "gar": "*-docker.pkg.dev", "acr": "*.azurecr.io"} {
		if !strings.Contains(string(page), "| `"+glob+"` |") || !cluster.IsImageGlob(glob) || !cluster.ForImagesOf(glob, recipes[name].image) {
			t.Errorf("%s: %s is not named, or does not match %s", name, glob, recipes[name].image)
		}
	}
}
