package soak

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

var accountKinds = []kind{
	{6, createAccount},
	{4, deleteAccount},
	{4, remakeAccount},
	{3, relabelAccount},
	{3, optAccount},
	{5, addPolitely},
	{5, applyPolitely},
	{3, removePolitely},
	{4, replaceRudely},
	{4, applyRudely},
}

var (
	accountNames = []string{"ci-build", "ci-test", "deployer"}
	theirNames   = []string{"theirs-1", "theirs-2", "theirs-3", "regcred", "quay"} // the last are names of copies too
)

// pickAccount picks an account that is there, as far as operations know.
func (s *soak) pickAccount(r *rand.Rand) (key, *account) {
	ns := pick(r, s.world.spaces())
	all := s.world.namespaces[ns].accounts
	name := pick(r, slices.Sorted(maps.Keys(all)))
	return key{ns, name}, all[name]
}

func newAccount(r *rand.Rand) (*account, []string) {
	a := &account{labels: map[string]string{}}
	if sa := pick(r, []string{"", "build", "deploy"}); sa != "" {
		a.labels["sa"] = sa
	}
	a.optedOut = chance(r, 10)
	var entries []string
	if chance(r, 40) {
		entries = []string{pick(r, theirNames)}
	}
	return a, entries
}

func createAccount(s *soak, r *rand.Rand) *operation {
	ns, name := pick(r, s.world.spaces()), pick(r, accountNames)
	if s.world.namespaces[ns].accounts[name] != nil {
		return nil
	}
	a, entries := newAccount(r)
	s.world.namespaces[ns].accounts[name] = a
	text := fmt.Sprintf("account %s/%s is created with labels %v and the list %v", ns, name, a.labels, entries)
	return &operation{text, func(ctx context.Context) (string, error) { return s.makeAccount(ctx, key{ns, name}, a, entries) }}
}

func (s *soak) makeAccount(ctx context.Context, k key, a *account, entries []string) (string, error) {
	u := api.Object("v1", "ServiceAccount", k.ns, k.name)
	u.SetLabels(a.labels)
	if a.optedOut {
		setOut(u, true)
	}
	if len(entries) > 0 {
		u.Object["imagePullSecrets"] = list(entries...)
	}
	made, err := s.client.Resource(accounts).Namespace(k.ns).Create(ctx, u, metav1.CreateOptions{FieldManager: "people"})
	if apierrors.IsAlreadyExists(err) {
		return already, nil
	}
	if err == nil {
		s.world.noteList(nil, newObject(made), entries)
	}
	return "", err
}

func deleteAccount(s *soak, r *rand.Rand) *operation {
	k, _ := s.pickAccount(r)
	if k.name == "default" { // is made anew by Kubernetes itself
		s.world.namespaces[k.ns].accounts["default"] = &account{}
	} else {
		delete(s.world.namespaces[k.ns].accounts, k.name)
	}
	return &operation{fmt.Sprintf("account %s is deleted", k), func(ctx context.Context) (string, error) {
		ok, err := s.remove(ctx, accounts, k, nil)
		return unless(ok, nothing), err
	}}
}

func unless(ok bool, result string) string {
	if ok {
		return ""
	}
	return result
}

func remakeAccount(s *soak, r *rand.Rand) *operation {
	k, _ := s.pickAccount(r)
	a, entries := newAccount(r)
	if k.name == "default" {
		a, entries = &account{}, nil // Kubernetes may be faster
	}
	s.world.namespaces[k.ns].accounts[k.name] = a
	text := fmt.Sprintf("account %s is deleted and made anew with labels %v and the list %v", k, a.labels, entries)
	return &operation{text, func(ctx context.Context) (string, error) {
		if _, err := s.remove(ctx, accounts, k, nil); err != nil {
			return "", err
		}
		return s.makeAccount(ctx, k, a, entries)
	}}
}

func relabelAccount(s *soak, r *rand.Rand) *operation {
	k, a := s.pickAccount(r)
	sa := pick(r, []string{"build", "deploy", "other"})
	a.labels = map[string]string{"sa": sa}
	return s.changeAccount(fmt.Sprintf("account %s gets the label sa=%s", k, sa), k, func(u *unstructured.Unstructured) {
		u.SetLabels(map[string]string{"sa": sa})
	})
}

func optAccount(s *soak, r *rand.Rand) *operation {
	k, a := s.pickAccount(r)
	a.optedOut = !a.optedOut
	out, text := a.optedOut, "account "+k.String()+" opts in"
	if out {
		text = "account " + k.String() + " opts out"
	}
	return s.changeAccount(text, k, func(u *unstructured.Unstructured) { setOut(u, out) })
}

func (s *soak) changeAccount(text string, k key, change func(u *unstructured.Unstructured)) *operation {
	return &operation{text, func(ctx context.Context) (string, error) {
		before, after, err := s.change(ctx, accounts, k, "people", func(u *unstructured.Unstructured) bool {
			change(u)
			return true
		})
		if after == nil {
			return nothing, err
		}
		s.world.noteList(before, after, before.list)
		return "", err
	}}
}

// addPolitely adds an entry to the list as it is, by an update.
func addPolitely(s *soak, r *rand.Rand) *operation {
	k, _ := s.pickAccount(r)
	name := pick(r, theirNames)
	return s.relist(fmt.Sprintf("account %s politely gets the entry %s", k, name), k, func(had []string) []string { return add(slices.Clone(had), name) })
}

func removePolitely(s *soak, r *rand.Rand) *operation {
	k, _ := s.pickAccount(r)
	name := pick(r, theirNames[:3])
	return s.relist(fmt.Sprintf("account %s loses the entry %s to its owner", k, name), k, func(had []string) []string {
		return slices.DeleteFunc(slices.Clone(had), func(n string) bool { return n == name })
	})
}

// replaceRudely replaces the whole list, by an update.
func replaceRudely(s *soak, r *rand.Rand) *operation {
	k, _ := s.pickAccount(r)
	rude := s.rudeList(r)
	text := fmt.Sprintf("account %s rudely gets the list %v", k, rude)
	if !s.world.mayHarm(k.String()) {
		return &operation{text, leftOut}
	}
	return s.relist(text, k, func([]string) []string { return rude })
}

func leftOut(context.Context) (string, error) { return tooMuch, nil }

func (s *soak) rudeList(r *rand.Rand) []string {
	return pick(r, [][]string{{}, {"theirs-1"}, {"theirs-2", "theirs-3"}, {"theirs-1", "regcred"}})
}

// relist changes the list with an update.
func (s *soak) relist(text string, k key, next func(had []string) []string) *operation {
	return &operation{text, func(ctx context.Context) (string, error) {
		var asked []string
		before, after, err := s.change(ctx, accounts, k, "people", func(u *unstructured.Unstructured) bool {
			had := newObject(u).list
			if asked = next(had); slices.Equal(asked, had) {
				return false
			}
			u.Object["imagePullSecrets"] = list(asked...)
			return true
		})
		if after == nil {
			return nothing, err
		}
		s.world.noteList(before, after, asked)
		return "", err
	}}
}

// applyPolitely applies the list as it is, and an entry more.
func applyPolitely(s *soak, r *rand.Rand) *operation {
	k, _ := s.pickAccount(r)
	name := pick(r, theirNames)
	return s.apply(fmt.Sprintf("account %s politely gets the entry %s by apply", k, name), k,
		func(had []string) []string { return add(slices.Clone(had), name) })
}

// applyRudely applies a list of its own, as a GitOps tool does that owns the list.
func applyRudely(s *soak, r *rand.Rand) *operation {
	k, _ := s.pickAccount(r)
	rude := s.rudeList(r)
	text := fmt.Sprintf("account %s rudely gets the list %v by apply", k, rude)
	if !s.world.mayHarm(k.String()) {
		return &operation{text, leftOut}
	}
	return s.apply(text, k, func([]string) []string { return rude })
}

// apply applies a list to the version that was read, so that it is known what was taken away.
func (s *soak) apply(text string, k key, next func(had []string) []string) *operation {
	return &operation{text, func(ctx context.Context) (string, error) {
		for range 50 {
			live, err := s.get(ctx, accounts, k)
			if err != nil || live == nil {
				return nothing, err
			}
			before := newObject(live)
			asked := next(before.list)
			u := api.Object("v1", "ServiceAccount", k.ns, k.name)
			u.SetUID(live.GetUID())
			u.SetResourceVersion(live.GetResourceVersion())
			u.Object["imagePullSecrets"] = list(asked...)
			u, err = s.client.Resource(accounts).Namespace(k.ns).Apply(ctx, k.name, u, metav1.ApplyOptions{FieldManager: "gitops", Force: true})
			switch {
			case apierrors.IsConflict(err):
				continue
			case apierrors.IsNotFound(err):
				return nothing, nil
			case err != nil:
				return "", err
			}
			s.world.noteList(before, newObject(u), asked)
			return "", nil
		}
		return "", fmt.Errorf("somebody was faster 50 times: %s", k)
	}}
}
