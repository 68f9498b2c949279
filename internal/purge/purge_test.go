package purge

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/inspect"
)

var home = inspect.Place{Namespace: "pullsecrets", PolicyName: "the-policy", StatusName: "the-status"}

func object(kind, namespace, name string, more map[string]any) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": kind}}
	u.SetNamespace(namespace)
	u.SetName(name)
	for key, value := range more {
		u.Object[key] = value
	}
	return u
}

// secret is a copy of ours, for a namespace.
func secret(namespace, name, of string) *unstructured.Unstructured {
	u := object("Secret", namespace, name, map[string]any{
		"type": cluster.TypeDockerConfigJSON,
		"data": map[string]any{cluster.KeyDockerConfigJSON: "eyJhdXRocyI6eyJodWIuZXhhbXBsZSI6eyJ1c2VybmFtZSI6InUiLCJwYXNzd29yZCI6InAifX19"},
	})
	u.SetLabels(map[string]string{cluster.LabelManagedBy: cluster.FieldManager})
	u.SetAnnotations(map[string]string{cluster.AnnotationSource: "pullsecrets/hub", cluster.AnnotationFor: of})
	return u
}

// account has these names in its list, and notes one as ours.
func account(namespace string, noted string, names ...any) *unstructured.Unstructured {
	list := []any{}
	for _, name := range names {
		list = append(list, map[string]any{"name": name})
	}
	u := object("ServiceAccount", namespace, "default", map[string]any{"imagePullSecrets": list})
	u.SetAnnotations(map[string]string{cluster.AnnotationAdded: "pullsecrets/" + namespace + ": " + noted})
	u.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: cluster.FieldManager, Operation: metav1.ManagedFieldsOperationApply,
		FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(`{"f:imagePullSecrets":{}}`)}})
	return u
}

// installed is a cluster where the status names the copies regcred, and one more carries our label.
func installed() *server {
	status := object("ConfigMap", "pullsecrets", "the-status", map[string]any{"data": map[string]any{"names": "regcred"}})
	return newServer(
		object("Namespace", "", "a", nil), object("Namespace", "", "b", nil), object("Namespace", "", "pullsecrets", nil),
		status, object("AdmissionRule", "pullsecrets", "hub", nil),
		account("a", "regcred", "theirs", "regcred"), secret("a", "regcred", "pullsecrets/a"), secret("a", "forgotten", "pullsecrets/a"),
		secret("b", "regcred", "other/b"), secret("b", "foreign", "pullsecrets/a"),
	)
}

func begin(t *testing.T, s *server) *Purge {
	t.Helper()
	p, err := New(t.Context(), s, home, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAPurgeRemovesWhatIsOursAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := installed()
		p := begin(t, s)
		if n := p.Count(); n != (Count{Copies: 2, Accounts: 1, Namespaces: 1}) || len(s.writes) > 0 {
			t.Errorf("it would remove %+v, and wrote %q", n, s.writes)
		}
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := p.Count(); n != (Count{}) {
			t.Errorf("%+v are left", n)
		}
		for key, want := range map[string]bool{
			"secrets/a/regcred": false, "secrets/a/forgotten": false, "admissionrules/pullsecrets/hub": false,
			"secrets/b/regcred": true, "secrets/b/foreign": true, "configmaps/pullsecrets/the-status": true,
		} {
			if there := s.get(key) != nil; there != want {
				t.Errorf("%s is there: %t", key, there)
			}
		}
		sa := cluster.NewServiceAccount(s.get("serviceaccounts/a/default"))
		if !slices.Equal(sa.PullSecrets, []string{"theirs"}) || len(cluster.ParseLedger(sa.Ledger).Names) > 0 || sa.Applied {
			t.Errorf("the account is %+v", sa)
		}
	})
}

// TestReferencesGoBeforeCopiesAndParametersBeforeBoth: the API server would put back what is removed.
func TestReferencesGoBeforeCopiesAndParametersBeforeBoth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := installed()
		if err := begin(t, s).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		first := func(words string) int {
			return slices.IndexFunc(s.writes, func(w string) bool { return strings.HasPrefix(w, words) })
		}
		if p, a, c := first("delete admissionrules/"), first("patch serviceaccounts/"), first("delete secrets/"); p != 0 || a < p || c < a {
			t.Errorf("written are %q", s.writes)
		}
	})
}

// TestAPurgeRefusesWhileAControllerIsAtWork, which is who holds the Lease.
func TestAPurgeRefusesWhileAControllerIsAtWork(t *testing.T) {
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // of each bubble
	lease := func(holder string, age time.Duration) *unstructured.Unstructured {
		return object("Lease", "pullsecrets", "pullsecrets", map[string]any{"spec": map[string]any{
			"holderIdentity": holder, "leaseDurationSeconds": int64(15), "renewTime": start.Add(-age).UTC().Format(metav1.RFC3339Micro),
		}})
	}
	for _, c := range []struct {
		why     string
		lease   *unstructured.Unstructured
		renewed *unstructured.Unstructured // what it is some seconds later; nil: the same
		err     error                      // of reading it
		want    string                     // part of the error; empty for none
	}{
		{"no Lease", nil, nil, nil, ""},
		{"one that is held", lease("pod-1", 0), nil, nil, "the controller pod-1 is at work"},
		{"one that expired", lease("pod-1", time.Minute), nil, nil, ""},
		{"one that was given up", lease("", 0), nil, nil, ""},
		{"one that nobody renewed", object("Lease", "pullsecrets", "pullsecrets", nil), nil, nil, ""},
		{"one that may not be read", nil, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "leases"}, "", nil), "read the lease"},
		{"one that is held, by a clock that is an hour behind", lease("pod-1", time.Hour), lease("pod-1", time.Hour-10*time.Second), nil,
			"the controller pod-1 is at work"},
		{"one that is given up meanwhile", lease("pod-1", time.Hour), lease("", time.Hour-10*time.Second), nil, ""},
		{"one that somebody else takes meanwhile", lease("pod-1", time.Hour), lease("pod-2", 0), nil, "the controller pod-2 is at work"},
		{"one that expired, by a clock that is an hour ahead", lease("pod-1", -time.Hour), nil, nil, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := installed()
			if c.lease != nil {
				s.put(c.lease)
			}
			if c.renewed != nil {
				time.AfterFunc(10*time.Second, func() { s.put(c.renewed) })
			}
			s.refuse = func(_, resource, _ string) error {
				if resource == "leases" {
					return c.err
				}
				return nil
			}
			_, err := New(t.Context(), s, home, zerolog.Nop())
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%s: %v", c.why, err)
			}
		})
	}
}

// TestWhatIsLeftOrComesBackIsTold, because a controller may still run.
func TestWhatIsLeftOrComesBackIsTold(t *testing.T) {
	for _, c := range []struct {
		why    string
		change func(s *server)
		want   string
	}{
		{"it comes back at once", func(s *server) { s.deletes = false }, "left after 5 tries"},
		{"it comes back later", func(s *server) {
			time.AfterFunc(watchFor-time.Second, func() { s.put(secret("b", "regcred", "pullsecrets/b")) })
		}, "1 copies and the references of 0 service accounts came back"},
	} {
		t.Run(c.why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := installed()
				s.refuse = func(verb, resource, _ string) error {
					if verb == "list" && resource == "admissionrules" {
						return apierrors.NewNotFound(schema.GroupResource{Resource: resource}, "") // and the component is absent
					}
					return nil
				}
				c.change(s)
				if err := begin(t, s).Run(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%v", err)
				}
			})
		})
	}
}

func TestWhatCannotBeDoneIsToldWithoutTheObject(t *testing.T) {
	for _, c := range []struct {
		verb, resource string
		want           string
		writes         int // of accounts and copies, that succeeded nevertheless
	}{
		{"list", "admissionrules", "list the admission parameters: ", 0},
		{"delete", "admissionrules", "delete the admission parameters: hub: ", 0},
		{"patch", "serviceaccounts", "ServiceAccount a/default: ", 0},
		{"delete", "secrets", "Secret a/regcred: ", 2},
	} {
		s := installed()
		p := begin(t, s)
		s.refuse = func(verb, resource, _ string) error {
			if verb == c.verb && resource == c.resource {
				return apierrors.NewForbidden(schema.GroupResource{Resource: resource}, "x", errors.New("canary"))
			}
			return nil
		}
		err := p.Run(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(fmt.Sprint(err), "canary") {
			t.Errorf("%s %s: %v", c.verb, c.resource, err)
		}
		if got := s.written(" serviceaccounts/", " secrets/"); len(got) != c.writes {
			t.Errorf("%s %s: written are %q", c.verb, c.resource, got)
		}
	}
	for _, resource := range []string{"namespaces", "serviceaccounts", "secrets"} {
		s := installed()
		s.refuse = func(verb, of, _ string) error {
			if of == resource {
				return apierrors.NewForbidden(schema.GroupResource{Resource: resource}, "", nil)
			}
			return nil
		}
		if _, err := New(t.Context(), s, home, zerolog.Nop()); err == nil || !strings.Contains(err.Error(), "look for what may be ours") {
			t.Errorf("%s may not be listed: %v", resource, err)
		}
	}
}
