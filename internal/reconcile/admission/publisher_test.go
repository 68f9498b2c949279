package admission

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
)

// deleter counts the deletions that are sent, by name.
type deleter struct {
	kube.Client
	sent []string
	err  error
}

func (d *deleter) Delete(_ context.Context, _ schema.GroupVersionResource, obj cluster.Object) error {
	d.sent = append(d.sent, obj.GetName())
	return d.err
}

// TestADeletionIsSentAndSaidOnce while the watch does not show it yet.
func TestADeletionIsSentAndSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		api := &deleter{}
		p := New(Options{Enabled: true, Client: api, Held: func() bool { return false }, Log: zerolog.New(&out)})
		shows := func(uid types.UID) map[string]*cluster.AdmissionRule {
			return map[string]*cluster.AdmissionRule{"hub": {Meta: cluster.Meta{Name: "hub", UID: uid}, Ours: true}}
		}
		wants := func(why string, live map[string]*cluster.AdmissionRule, sent, said int) {
			t.Helper()
			api.sent = nil
			out.Reset()
			for range 5 {
				p.write(t.Context(), &policy.Policy{}, nil, live, nil)
			}
			if n := strings.Count(out.String(), "admission parameter: delete"); len(api.sent) != sent || n != said {
				t.Errorf("%s: sent %d times, said %d times, want %d and %d", why, len(api.sent), n, sent, said)
			}
		}
		wants("at first", shows("a"), 1, 1)
		wants("another one of the name", shows("b"), 1, 1)
		time.Sleep(deleteAgain)
		wants("it is still there", shows("b"), 1, 1)
		wants("the watch shows it", nil, 0, 0)
		if n := len(p.deleted); n > 0 {
			t.Errorf("%d are remembered", n)
		}
		api.err = errors.New("no")
		wants("it fails", shows("c"), 5, 0)
	})
}

// TestWhatIsComingIsOfAnotherPolicy than the one that is asked for, and only while that is so.
func TestWhatIsComingIsOfAnotherPolicy(t *testing.T) {
	now, next := &policy.Policy{}, &policy.Policy{Rules: []*policy.Rule{}}
	p := New(Options{Enabled: true, Cluster: state.New(state.Config{StatusName: "the-status"})})
	if p.Coming(now) != nil {
		t.Error("something is coming at first")
	}
	rule := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"namespaces": map[string]any{"include": "^a$"}, "serviceAccounts": map[string]any{"include": "^app$"},
		"names": []any{map[string]any{"name": "hub", "add": true, "ledger": true}},
	}}}
	rule.SetName("hub")
	p.announce(next, []*unstructured.Unstructured{rule})
	p.announce(next, nil) // it is written again, under the same policy
	coming := p.Coming(now)
	if coming == nil || p.Coming(next) != nil {
		t.Fatalf("of the policy before it is %v, of itself %v", coming, p.Coming(next))
	}
	ns, app := &cluster.Namespace{Meta: cluster.Meta{Name: "a"}}, &cluster.ServiceAccount{Meta: cluster.Meta{Namespace: "a", Name: "app"}}
	if !coming.Add(ns, app, "hub") || coming.Add(ns, app, "other") {
		t.Error("it adds something else than its parameter says")
	}
	p.Begin(t.Context(), now, p.NewSurvey()) // whether there are parameters is not known yet, so it writes none
	if p.Coming(next) != nil {
		t.Error("what cannot be written is coming")
	}
}

// TestASourceThatChangesDuringASurvey has all namespaces looked at anew, or the parameters would lack, for a moment, names
// whose source has just gone.
func TestASourceThatChangesDuringASurvey(t *testing.T) {
	for _, during := range []bool{true, false} {
		p := New(Options{Enabled: true, Cluster: state.New(state.Config{StatusName: "the-status"})})
		p.SourcesChanged()
		all := p.NewSurvey()
		if during {
			p.SourcesChanged()
		}
		p.Begin(t.Context(), &policy.Policy{}, all) // whether there are parameters is not known yet, so it writes none
		if changed, sources, _ := p.due(); !changed || sources != during {
			t.Errorf("during it is %t: changed is %t, looked at anew is %t", during, changed, sources)
		}
	}
}
