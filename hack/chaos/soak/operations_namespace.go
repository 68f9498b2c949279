package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

var namespaceKinds = []kind{
	{6, createNamespace},
	{4, deleteNamespace},
	{6, relabelNamespace},
	{5, optNamespace},
}

// pool are the names that namespaces may have. Both installations may select those that begin with both.
var pool = func() (all []string) {
	for _, group := range []struct {
		prefix string
		n      int
	}{{"team", 16}, {"dev", 8}, {"both", 8}, {"two", 6}} {
		for i := range group.n {
			all = append(all, fmt.Sprintf("%s-%02d", group.prefix, i+1))
		}
	}
	return all
}()

func newSpace(r *rand.Rand) *space {
	ns := &space{labels: map[string]string{}, accounts: map[string]*account{"default": {}}, optedOut: chance(r, 8)}
	if team := pick(r, []string{"", "red", "blue", "green"}); team != "" {
		ns.labels["team"] = team
	}
	return ns
}

func createNamespace(s *soak, r *rand.Rand) *operation {
	free := slices.DeleteFunc(slices.Clone(pool), func(n string) bool { return s.world.namespaces[n] != nil })
	if len(free) == 0 {
		return nil
	}
	name := pick(r, free)
	return s.newNamespace(name, newSpace(r))
}

func (s *soak) newNamespace(name string, ns *space) *operation {
	s.world.namespaces[name] = ns
	text := fmt.Sprintf("namespace %s is created, with labels %v", name, ns.labels)
	if ns.optedOut {
		text += ", opted out"
	}
	return &operation{text, func(ctx context.Context) (string, error) {
		err := until(ctx, time.Minute, func() (bool, error) { // one of that name may be ending
			u, err := s.get(ctx, namespaces, key{name: name})
			return u == nil, err
		})
		if err != nil {
			return "", err
		}
		u := api.Object("v1", "Namespace", "", name)
		u.SetLabels(ns.labels)
		if ns.optedOut {
			u.SetAnnotations(map[string]string{"pullsecrets/exclude": "true"})
		}
		_, err = s.client.Resource(namespaces).Create(ctx, u, metav1.CreateOptions{FieldManager: "people"})
		return "", err
	}}
}

func deleteNamespace(s *soak, r *rand.Rand) *operation {
	if len(s.world.namespaces) < 24 {
		return nil
	}
	name := pick(r, s.world.spaces())
	delete(s.world.namespaces, name)
	return &operation{"namespace " + name + " is deleted", func(ctx context.Context) (string, error) {
		s.world.swept[name] = true
		for k := range s.world.foreign {
			if k.ns == name {
				delete(s.world.foreign, k)
			}
		}
		return "", s.client.Resource(namespaces).Delete(ctx, name, metav1.DeleteOptions{})
	}}
}

func relabelNamespace(s *soak, r *rand.Rand) *operation {
	name := pick(r, s.world.spaces())
	ns := s.world.namespaces[name]
	team := pick(r, []string{"", "red", "blue", "green"})
	ns.labels = map[string]string{}
	text := fmt.Sprintf("namespace %s has no team", name)
	if team != "" {
		ns.labels["team"] = team
		text = fmt.Sprintf("namespace %s is of team %s", name, team)
	}
	return &operation{text, func(ctx context.Context) (string, error) {
		_, _, err := s.change(ctx, namespaces, key{name: name}, "people", func(u *unstructured.Unstructured) bool {
			labels := u.GetLabels()
			delete(labels, "team")
			if team != "" {
				labels["team"] = team
			}
			u.SetLabels(labels)
			return true
		})
		return "", err
	}}
}

func optNamespace(s *soak, r *rand.Rand) *operation {
	name := pick(r, s.world.spaces())
	ns := s.world.namespaces[name]
	if !ns.optedOut && chance(r, 40) { // or too many would be
		return nil
	}
	ns.optedOut = !ns.optedOut
	out, text := ns.optedOut, "namespace "+name+" opts in"
	if out {
		text = "namespace " + name + " opts out"
	}
	return &operation{text, func(ctx context.Context) (string, error) {
		_, _, err := s.change(ctx, namespaces, key{name: name}, "people", func(u *unstructured.Unstructured) bool {
			setOut(u, out)
			return true
		})
		return "", err
	}}
}

// setOut opts an object out or in.
func setOut(u *unstructured.Unstructured, out bool) {
	annotations := u.GetAnnotations()
	delete(annotations, "pullsecrets/exclude")
	if out {
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations["pullsecrets/exclude"] = "true"
	}
	u.SetAnnotations(annotations)
}
