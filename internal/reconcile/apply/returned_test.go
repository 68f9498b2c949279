package apply

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
)

// newWriter is an Executor without an API server.
func newWriter() *Executor {
	return New(Options{Projector: state.NewProjector(), Writes: state.NewOwnWrites()})
}

// account is a service account as the API server returns it.
func account(ledger string, names ...string) *unstructured.Unstructured {
	list := []any{}
	for _, name := range names {
		list = append(list, map[string]any{"name": name})
	}
	u := accountObject("a", "default", "uid", "2")
	u.Object["imagePullSecrets"] = list
	u.SetAnnotations(map[string]string{cluster.AnnotationAdded: ledger})
	return u
}

func TestAListThatCameBackIsHeldAgainstTheOneThatWasWritten(t *testing.T) {
	meant := &plan.List{Names: []string{"theirs", "", "hub", "hub", "ghcr"}, Ledger: []string{"hub", "ghcr"}, Added: []string{"ghcr"}, Removed: []string{"old"}}
	for _, c := range []struct {
		why  string
		kept *unstructured.Unstructured
		want []string // the differences
	}{
		{"all of it", account("hub,ghcr", "theirs", "", "hub", "hub", "ghcr"), nil},
		{"in another order, once, and without an entry that names nothing", account("ghcr,hub", "ghcr", "hub", "theirs"), nil},
		{"more names", account("hub,ghcr", "corp", "theirs", "hub", "ghcr"), nil},
		{"more names, which our admission policy added and noted", account("hub,ghcr,more", "theirs", "hub", "ghcr", "more"), nil},
		{"without the new name", account("hub,ghcr", "theirs", "hub"), []string{"names missing from imagePullSecrets: ghcr"}},
		{"without a name of somebody else", account("hub,ghcr", "hub", "ghcr"), []string{"names missing from imagePullSecrets: theirs"}},
		{"another list", account("hub,ghcr", "corp"), []string{"names missing from imagePullSecrets: theirs, hub, hub, ghcr"}},
		{"no ledger", account("", "theirs", "hub", "ghcr"), []string{"names missing from the annotation pullsecrets/added, without which they are never removed: hub, ghcr"}},
		{"an older ledger", account("hub,ghcr,old", "theirs", "hub", "ghcr"), []string{"names left in the annotation pullsecrets/added: old"}},
		{"a ledger that claims what is somebody else's", account("hub,ghcr,theirs", "theirs", "hub", "ghcr"), []string{"names left in the annotation pullsecrets/added: theirs"}},
	} {
		t.Run(c.why, func(t *testing.T) {
			err := checkList(cluster.Installation{Home: "pullsecrets"}, c.kept, meant)
			var got []string
			if e := AsAltered(err); e != nil {
				got = e.Differs
			} else if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
	if err := checkList(cluster.Installation{Home: "pullsecrets"}, account("hub,ghcr", "old", "theirs"), meant); !errors.Is(err, ErrCameBack) {
		t.Errorf("a removed name that is back is %v", err)
	}
}

func TestACopyThatCameBackIsHeldAgainstTheOneThatWasWritten(t *testing.T) {
	c := newWriter()
	const auths = `{"auths":{"hub.example":{"username":"robot","password":"canary-one"}}}`
	a := plan.Action{Verb: plan.Create, Kind: plan.KindSecret, Name: "reg", Copy: &plan.Copy{
		Type: cluster.TypeDockerConfigJSON, Credential: cluster.NewCredential([]byte(auths)),
		Marks: cluster.Marks{ManagedBy: cluster.FieldManager, Rule: "hub", Source: "pullsecrets/hub"},
	}}
	for _, one := range []struct {
		why    string
		change func(u *unstructured.Unstructured)
		want   string // one of the differences; empty for none
	}{
		{"as it was written", func(*unstructured.Unstructured) {}, ""},
		{"with more labels, annotations, finalizers and data", func(u *unstructured.Unstructured) {
			u.SetLabels(map[string]string{cluster.LabelManagedBy: cluster.FieldManager, "team": "a"})
			u.SetFinalizers([]string{"example.com/hold"})
			u.Object["data"].(map[string]any)["extra"] = "eA=="
		}, ""},
		{"without its label", func(u *unstructured.Unstructured) { u.SetLabels(nil) }, "label app.kubernetes.io/managed-by: removed"},
		{"without its annotations", func(u *unstructured.Unstructured) { u.SetAnnotations(nil) }, "annotation pullsecrets/rule: removed"},
		{"of another type", func(u *unstructured.Unstructured) { u.Object["type"] = "Opaque" }, `type: "kubernetes.io/dockerconfigjson" becomes "Opaque"`},
		{"without its data", func(u *unstructured.Unstructured) { delete(u.Object, "data") }, "registry hub.example: removed"},
		{"with other data", func(u *unstructured.Unstructured) {
			u.Object["data"] = map[string]any{cluster.KeyDockerConfigJSON: "eyJhdXRocyI6eyJodWIuZXhhbXBsZSI6eyJ1c2VybmFtZSI6InJvYm90IiwicGFzc3dvcmQiOiJjYW5hcnktdHdvIn19fQ=="}
		}, "registry hub.example: password changed"},
	} {
		t.Run(one.why, func(t *testing.T) {
			meant, kept := copyObject("a", a), copyObject("a", a)
			one.change(kept)
			err := checkCopy(c.projector.Secret(meant), c.projector.Secret(kept))
			e := AsAltered(err)
			switch {
			case one.want == "" && err != nil:
				t.Errorf("it differs: %v", err)
			case one.want != "" && (e == nil || !slices.Contains(e.Differs, one.want)):
				t.Errorf("%v, want %s", err, one.want)
			case err != nil && strings.Contains(kube.Redact(err), "canary"):
				t.Errorf("leaked: %s", kube.Redact(err))
			}
		})
	}
}

// alteredWrites tries an action again and again for a while, as often as something happens in its namespace, and has
// admission alter each write. It returns when the writes were made.
func alteredWrites(t *testing.T, c *Executor, a plan.Action, every, lasting time.Duration, change func(a *plan.Action)) (at []time.Duration) {
	t.Helper()
	began := time.Now()
	for time.Since(began) < lasting {
		key, meant := kube.KeyOf("a", a), func() intent { return c.intent(a) }
		if c.alterations.wait(key, a, meant, time.Now()) == nil {
			at = append(at, time.Since(began).Round(time.Second))
			err := c.alterations.note(key, a, meant, &Altered{Differs: []string{"it differs"}, version: a.ResourceVersion}, time.Now())
			if e := AsAltered(err); e == nil || e.wait <= 0 {
				t.Fatalf("the next try waits for nothing: %v", err)
			}
		}
		time.Sleep(every)
		change(&a)
	}
	return at
}

func TestWhatAdmissionAltersIsTriedSlowly(t *testing.T) {
	seconds := func(list ...int) (out []time.Duration) {
		for _, s := range list {
			out = append(out, time.Duration(s)*time.Second)
		}
		return out
	}
	for _, c := range []struct {
		why    string
		change func(a *plan.Action)
		want   []time.Duration
	}{
		{"nothing changes", func(*plan.Action) {}, seconds(0, 1, 3, 7, 15, 31)},
		{"somebody writes the object all the time", func(a *plan.Action) { a.ResourceVersion += "1" },
			seconds(0, 0, 0, 0, 1, 1, 1, 1, 3, 3, 3, 3, 7, 7, 7, 7, 15, 15, 15, 15, 31, 31, 31, 31)},
		{"the decision goes to and fro", func(a *plan.Action) {
			other := *a.List
			other.Added = slices.Clone(other.Added)
			slices.Reverse(other.Added)
			a.List = &other
		}, seconds(0, 0, 0, 0, 1, 1, 1, 1, 3, 3, 3, 3, 7, 7, 7, 7, 15, 15, 15, 15, 31, 31, 31, 31)},
	} {
		t.Run(c.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got := alteredWrites(t, newWriter(), addNames("one", "hub", "ghcr"), 10*time.Millisecond, time.Minute, c.change)
				if !slices.Equal(got, c.want) {
					t.Errorf("written after %v, want %v", got, c.want)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) { // at last every five minutes
		got := alteredWrites(t, newWriter(), addNames("one", "hub"), time.Second, 2*time.Hour, func(*plan.Action) {})
		if n := len(got); got[n-1]-got[n-2] != longest {
			t.Errorf("written after %v", got[n-2:])
		}
	})
}

func TestWhatWAsAlteredIsForgotten(t *testing.T) {
	differs := &Altered{Differs: []string{"it differs"}, version: "2"}
	a := addNames("one", "hub")
	a.ResourceVersion = "2"
	inSync := a
	inSync.Verb, inSync.List, inSync.Reason = plan.None, nil, plan.InSync
	touched, anew, other := inSync, a, a
	touched.ResourceVersion = "3"
	anew.UID = "two"
	other.Name = "other"
	for _, c := range []struct {
		why  string
		next func(c *Executor) (problems []Standing)
		told int
		kept bool
	}{
		{"it stands as it is", func(c *Executor) []Standing {
			return c.alterations.stand(plan.Plan{Namespace: "a", Actions: []plan.Action{inSync}})
		}, 1, true},
		{"somebody wrote the object", func(c *Executor) []Standing {
			return c.alterations.stand(plan.Plan{Namespace: "a", Actions: []plan.Action{touched}})
		}, 0, false},
		{"it is to be written again, and is told then", func(c *Executor) []Standing {
			return c.alterations.stand(plan.Plan{Namespace: "a", Actions: []plan.Action{a}})
		}, 0, true},
		{"the object is gone", func(c *Executor) []Standing {
			return c.alterations.stand(plan.Plan{Namespace: "a", Actions: []plan.Action{other}})
		}, 0, false},
		{"the next write is kept", func(c *Executor) []Standing {
			_ = c.alterations.note(kube.KeyOf("a", a), a, func() intent { return c.intent(a) }, nil, time.Now())
			return nil
		}, 0, false},
		{"the namespace is gone", func(c *Executor) []Standing {
			c.Forget("a")
			return nil
		}, 0, false},
	} {
		t.Run(c.why, func(t *testing.T) {
			control := newWriter()
			_ = control.alterations.note(kube.KeyOf("a", a), a, func() intent { return control.intent(a) }, differs, time.Now())
			if err := control.alterations.wait(kube.KeyOf("a", anew), anew, func() intent { return control.intent(anew) }, time.Now()); err != nil {
				t.Errorf("a new object of the same name waits: %v", err)
			}
			if told := c.next(control); len(told) != c.told {
				t.Errorf("%d problems are told, want %d", len(told), c.told)
			}
			if kept := control.alterations.known(kube.KeyOf("a", a)); kept != c.kept {
				t.Errorf("remembered is %v", kept)
			}
		})
	}
}
