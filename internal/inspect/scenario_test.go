package inspect

import (
	"encoding/base64"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/pullsecrets/pullsecrets/internal/admission"
	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
)

var update = flag.Bool("update", false, "write the plans of the scenarios as they are")

// TestScenarios decides each file of testdata/scenarios, the cases that have a story, and of testdata/table, the whole
// decision table of copies. The comment says why the case matters, policy.yaml and cluster.yaml are what is given, and
// admission.yaml the admission parameters, if the controller keeps any; coming.yaml those of a policy that is about to come in force; plan is what has to come of it.
func TestScenarios(t *testing.T) {
	var files []string
	for _, folder := range []string{"scenarios", "table"} {
		found, err := filepath.Glob("testdata/" + folder + "/*.txtar")
		if err != nil || len(found) == 0 {
			t.Fatalf("no %s: %v", folder, err)
		}
		files = append(files, found...)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.TrimSpace(string(archive.Comment)) == "" {
				t.Error("the comment has to say why")
			}
			w := newWorld(t, section(archive, "policy.yaml"), section(archive, "cluster.yaml"))
			w.kept = w.parameters(t, section(archive, "admission.yaml"))
			w.coming = w.parameters(t, section(archive, "coming.yaml"))
			got := w.plans()
			want := section(archive, "plan")
			if *update && got != want {
				archive.Files = slices.DeleteFunc(archive.Files, func(f txtar.File) bool { return f.Name == "plan" })
				archive.Files = append(archive.Files, txtar.File{Name: "plan", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the plan differs (-want +got):\n%s", diff)
			}
		})
	}
}

// TestTheTableIsComplete holds that no cell of the decision table is left out.
func TestTheTableIsComplete(t *testing.T) {
	live := []string{"absent"}
	for _, whose := range []string{"ours", "foreign"} {
		for _, content := range []string{"equal", "other-data", "other-type", "immutable"} {
			live = append(live, whose+"-"+content)
		}
	}
	for _, l := range live {
		for _, source := range []string{"fine", "missing", "invalid"} {
			archive, err := txtar.ParseFile("testdata/table/" + l + "_source-" + source + ".txtar")
			if err != nil {
				t.Error(err)
				continue
			}
			for _, cell := range []string{"force-wanted", "plain-wanted", "force-prune-off", "plain-prune-off",
				"force-several", "plain-several", "gone", "gone-marked-keep"} {
				if !strings.Contains(section(archive, "plan"), " "+cell+"/default: ") {
					t.Errorf("%s, source %s: the cell %s is missing", l, source, cell)
				}
			}
		}
	}
}

func section(a *txtar.Archive, name string) string {
	for _, f := range a.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

// world is a policy and a cluster that is only a list of objects.
type world struct {
	*Snapshot
	policy   *policy.Policy
	hold     bool
	promised func(*cluster.ServiceAccount, string) bool
	kept     *admission.Parameters // by the API server; nil: no admission
	coming   *admission.Parameters // of a policy that is about to come in force
}

func newWorld(t *testing.T, policyText, clusterText string) *world {
	t.Helper()
	objects := documents(t, clusterText)
	for _, u := range objects {
		if u.GetKind() == "Secret" {
			encode(u)
		}
	}
	by := cluster.Installation{Home: "pullsecrets", Sources: []string{"vault"}}
	s, err := newSnapshot(cluster.NewProjector([]byte("scenario")), by, objects)
	if err != nil {
		t.Fatal(err)
	}
	s.recover()
	return &world{Snapshot: s, policy: policyOf(t, by, policyText)}
}

func policyOf(t *testing.T, by cluster.Installation, text string) *policy.Policy {
	t.Helper()
	p, problems := policy.Parse(map[string]string{"policy.yaml": text}, policy.Options{Namespace: by.Home, SourceNamespaces: by.Sources})
	if p == nil {
		t.Fatal(problems)
	}
	return p
}

// of is the same cluster as the installation in the namespace home sees it.
func (w *world) of(t *testing.T, home, policyText string) *world {
	t.Helper()
	by := cluster.Installation{Home: home}
	s := emptySnapshot(by)
	s.namespaces, s.byName, s.accounts, s.secrets = w.namespaces, w.byName, w.accounts, w.secrets
	s.recover()
	return &world{Snapshot: s, policy: policyOf(t, by, policyText)}
}

func documents(t *testing.T, text string) (objects []*unstructured.Unstructured) {
	t.Helper()
	for i, doc := range strings.Split(text, "\n---\n") {
		u := &unstructured.Unstructured{}
		if err := yaml.UnmarshalStrict([]byte(doc), &u.Object); err != nil {
			t.Fatalf("object %d: %v", i, err)
		}
		objects = append(objects, u)
	}
	return objects
}

// parameters are admission parameters; none are no admission.
func (w *world) parameters(t *testing.T, text string) *admission.Parameters {
	t.Helper()
	if text == "" {
		return nil
	}
	specs := map[string]any{}
	for _, u := range documents(t, text) {
		specs[u.GetName()] = u.Object["spec"]
	}
	return admission.NewParameters("pullsecrets", specs)
}

// encode turns stringData into data, as the API server does.
func encode(u *unstructured.Unstructured) {
	text, _, _ := unstructured.NestedStringMap(u.Object, "stringData")
	data := map[string]any{}
	for k, v := range text {
		data[k] = base64.StdEncoding.EncodeToString([]byte(v))
	}
	delete(u.Object, "stringData")
	u.Object["data"] = data
}

func (w *world) plans() string {
	var b strings.Builder
	for _, ns := range w.namespaces {
		b.WriteString(w.plan(ns).String())
	}
	return b.String()
}

func (w *world) plan(ns *cluster.Namespace) plan.Plan {
	todo, _ := state.Decide(w.view(), w.policy, ns.Name, w.circumstances())
	return todo
}

// view is the world as it is by now: tests write it by hand.
func (w *world) view() state.View {
	w.states = nil
	return w.Snapshot
}

func (w *world) circumstances() state.Circumstances {
	now := state.Circumstances{HoldPrune: w.hold}
	if w.kept != nil {
		now.Guaranteed = w.kept.Add
	}
	if w.coming != nil {
		now.Promised = w.coming.Add
	}
	if w.promised != nil {
		now.Guaranteed = func(_ *cluster.Namespace, sa *cluster.ServiceAccount, name string) bool { return w.promised(sa, name) }
	}
	return now
}
