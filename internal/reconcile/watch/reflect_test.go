package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// mirrored is a mirror, and what it told.
func mirrored() (m *mirror, told func() []string) {
	var all []string
	w := &Informer{group: NewGroup(Options{OnState: func() { all = append(all, "settled") }}), Spec: Spec{
		Target: kube.Target{Resource: kube.Secrets, Name: "reg"},
		OnEvent: func(e Event) {
			word := "changed"
			switch {
			case e.Initial:
				word = "initial"
			case e.New == nil:
				word = "gone"
			case e.Old == nil:
				word = "new"
			case e.Unchanged():
				word = "unchanged"
			}
			all = append(all, word+" "+e.Object().GetNamespace()+"@"+e.Object().GetResourceVersion())
		},
		Project: func(o metav1.Object) cluster.Object { return regMeta(o.GetNamespace(), o.GetResourceVersion()) },
	}}
	return &mirror{w: w, objects: NewObjects()}, func() []string {
		slices.Sort(all)
		defer func() { all = nil }()
		return all
	}
}

// TestOnlyAListThatCannotBeReadIsTold in words of its own: a connection that ends is told as an API server that does not answer, once.
func TestOnlyAListThatCannotBeReadIsTold(t *testing.T) {
	for _, err := range []error{io.EOF, fmt.Errorf("read: %w", io.ErrUnexpectedEOF)} {
		if words := kube.Redact(unreadable(err)); !strings.Contains(words, "ended early") {
			t.Errorf("%v is told as %s", err, words)
		}
	}
	for _, err := range []error{nil, errors.New("another"), &url.Error{Op: "Get", Err: io.EOF}, &url.Error{Op: "Get", Err: io.ErrUnexpectedEOF}} {
		if got := unreadable(err); got != err {
			t.Errorf("%v became %v", err, got)
		}
	}
}

// TestAMirrorTellsEachChangeOnce, and what a list after a pause shows to be gone; of what is not known to be there it tells no end.
func TestAMirrorTellsEachChangeOnce(t *testing.T) {
	m, told := mirrored()
	list := func(version string, objs ...cluster.Object) func() error {
		return func() error {
			var all []any
			for _, o := range objs {
				all = append(all, o)
			}
			return m.Replace(all, version)
		}
	}
	add := func(namespace, version string) func() error {
		return func() error {
			return m.Add(&metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "reg", ResourceVersion: version}})
		}
	}
	for _, step := range []struct {
		why     string
		do      func() error
		tells   []string
		version string
	}{
		{"the first list", list("5", regMeta("a", "1"), regMeta("b", "2")), []string{"initial a@1", "initial b@2", "settled"}, "5"},
		{"an event", add("c", "6"), []string{"new c@6"}, "6"},
		{"another of it", add("c", "7"), []string{"changed c@7"}, "7"},
		{"an end, as it was at last", func() error { return m.Delete(regMeta("a", "8")) }, []string{"gone a@8"}, "8"},
		{"an end of what is not there", func() error { return m.Delete(regMeta("a", "9")) }, nil, "9"},
		{"a bookmark", func() error { return m.Bookmark("12") }, nil, "12"},
		{"a list after a pause", list("20", regMeta("b", "2"), regMeta("c", "15"), regMeta("d", "16")), []string{"changed c@15", "new d@16", "unchanged b@2"}, "20"},
		{"a list without some", list("30", regMeta("d", "16")), []string{"gone b@2", "gone c@15", "unchanged d@16"}, "30"},
		{"an empty list", list("31"), []string{"gone d@16"}, "31"},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if got := told(); !slices.Equal(got, step.tells) {
			t.Errorf("%s: it tells %q, want %q", step.why, got, step.tells)
		}
		if _, version := m.w.GetWithVersion(kube.NameOf(regMeta("a", ""))); version != step.version {
			t.Errorf("%s: it holds everything up to %s, want %s", step.why, version, step.version)
		}
	}
}

// TestAMirrorRefusesWhatIsNoObject in place of keeping it.
func TestAMirrorRefusesWhatIsNoObject(t *testing.T) {
	m, told := mirrored()
	for _, err := range []error{m.Add("x"), m.Update(nil), m.Delete(7), m.Replace([]any{regMeta("a", "1"), "x"}, "1")} {
		if err == nil {
			t.Error("it takes what is no object")
		}
	}
	if got := told(); got != nil || m.w.Settled() {
		t.Errorf("it tells %q", got)
	}
}

// TestAWatchThatFollowsListingGoesOnFromIt: what is told of is there by then, and what went in between is told to be gone.
func TestAWatchThatFollowsListingGoesOnFromIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &served{secrets: map[string]string{"a": "1", "b": "1"}, noWatch: notPermitted("watch")}
		g := s.group(Options{ListEvery: time.Hour})
		var one *Informer
		spec := s.spec()
		said := spec.OnEvent
		listed := false
		spec.OnEvent = func(e Event) {
			said(e)
			if e.New != nil && listed && one.Get(kube.NameOf(e.New)) != e.New {
				t.Errorf("%s is told of before it is there", e.New.GetNamespace())
			}
		}
		one = g.Add(spec)
		ctx, cancel := context.WithCancel(t.Context())
		g.Start(ctx)
		defer func() {
			cancel()
			g.Wait(time.Minute)
		}()
		time.Sleep(30 * time.Second)
		synctest.Wait()
		s.told()
		listed = true
		s.change(func() { s.secrets, s.noWatch = map[string]string{"a": "7", "c": "8"}, nil })
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if got, _, _ := s.told(); !slices.Equal(got, []string{"changed a", "gone b", "new c"}) {
			t.Errorf("told are %q", got)
		}
	})
}
