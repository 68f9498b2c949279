package inspect

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/inspect/coverage"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// TestCoverageScenarios reports on each file of coverage/testdata. The comment says why the case matters; policy.yaml and
// cluster.yaml are what is given, and deny what may not be read: a resource in a line, or a resource and a name. report is what has
// to come of it.
func TestCoverageScenarios(t *testing.T) {
	files, err := filepath.Glob("coverage/testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
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
			got := lines(coverageScenario(t, archive))
			if want := section(archive, "report"); *update && got != want {
				archive.Files = slices.DeleteFunc(archive.Files, func(f txtar.File) bool { return f.Name == "report" })
				archive.Files = append(archive.Files, txtar.File{Name: "report", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the report differs (-want +got):\n%s", diff)
			}
		})
	}
}

func coverageScenario(t *testing.T, archive *txtar.Archive) *coverage.Report {
	t.Helper()
	objects := documents(t, section(archive, "cluster.yaml"))
	for _, u := range objects {
		if u.GetKind() == "Secret" {
			encode(u)
		}
	}
	from := deniedObjects{dumpObjects{objects}, strings.Fields(section(archive, "deny"))}
	report, err := coverageOf(from, Place{Namespace: "pullsecrets", PolicyName: "pullsecrets-policy", StatusName: "pullsecrets-status"}, CoverageQuery{
		Documents: map[string]string{"policy.yaml": section(archive, "policy.yaml")}, Options: policy.Options{Namespace: "pullsecrets"},
		Namespaces: strings.Fields(section(archive, "namespaces")),
	})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// deniedObjects are those of a dump, of which somebody may not read all: resources, or names of secrets after a dash.
type deniedObjects struct {
	dumpObjects
	denied []string
}

func (d deniedObjects) list(what kube.Target, f func(*unstructured.Unstructured) error) error {
	for _, denied := range d.denied {
		resource, name, named := strings.Cut(denied, "/")
		if what.Resource.Resource == resource && (!named || what.Name == name) {
			return apierrors.NewForbidden(what.Resource.GroupResource(), what.Name, errors.New("not for you"))
		}
	}
	return d.dumpObjects.list(what, f)
}

func (d deniedObjects) get(resource schema.GroupVersionResource, key types.NamespacedName) (*unstructured.Unstructured, error) {
	if slices.Contains(d.denied, resource.Resource) {
		return nil, apierrors.NewForbidden(resource.GroupResource(), key.Name, errors.New("not for you"))
	}
	return d.dumpObjects.get(resource, key)
}

// lines word a report for a person who compares.
func lines(r *coverage.Report) string {
	var b strings.Builder
	for _, i := range r.Images {
		later := ""
		if i.Later != "" {
			later = ", later " + string(i.Later)
		}
		fmt.Fprintf(&b, "image %s %s %s %s: %s%s %s pods %d waiting %s\n", i.Namespace, i.Workload, i.Container, i.Image, i.State, later, i.Secrets, i.Pods, i.Waiting)
	}
	for _, s := range r.Sources {
		fmt.Fprintf(&b, "source %s: %s, images %d", s.Source, s.Status, s.Images)
		for _, h := range s.Holders {
			fmt.Fprintf(&b, ", %s/%s %s %d", h.Namespace, h.Secret, h.Kind, h.Images)
		}
		b.WriteByte('\n')
	}
	for _, f := range r.Findings {
		mark := "notice"
		if f.Alarm {
			mark = "ALARM"
		}
		fmt.Fprintf(&b, "%s %s: %s\n    %s\n", mark, f.Kind, strings.Join(slices.DeleteFunc([]string{f.Namespace, f.Workload, f.Container, f.Image, f.Source, f.Registry,
			strings.Join(f.Namespaces, " ")}, func(s string) bool { return s == "" }), " "), f.Text)
		if f.Advice != "" {
			fmt.Fprintf(&b, "    %s\n", f.Advice)
		}
	}
	for _, u := range r.Unread {
		fmt.Fprintf(&b, "unread %s: %s\n", u.What, u.Text)
	}
	return b.String()
}

// TestCoverageHoldsNoCredential looks for one in all that the scenarios say.
func TestCoverageHoldsNoCredential(t *testing.T) {
	files, _ := filepath.Glob("coverage/testdata/*.txtar")
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(coverageScenario(t, archive))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(section(archive, "cluster.yaml"), "canary") {
			t.Errorf("%s has no credential to look for", file)
		}
		if strings.Contains(string(text), "canary") || strings.Contains(string(text), "eyJ") { // which begins a token
			t.Errorf("%s: the report holds it: %s", file, text)
		}
	}
}
