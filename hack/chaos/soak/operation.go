package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// operation is something that happens in the cluster. What it is to do is chosen before; do returns what came of it, where
// that is not what its text says.
type operation struct {
	text string
	do   func(ctx context.Context) (result string, err error)
}

// kind chooses an operation of one kind, or none where there is nothing to do it to.
type kind struct {
	weight int
	choose func(s *soak, r *rand.Rand) *operation
}

var kinds = slices.Concat(policyKinds, namespaceKinds, sourceKinds, accountKinds, copyKinds, programKinds)

// choose chooses the next operation.
func (s *soak) choose(r *rand.Rand) *operation {
	total := 0
	for _, k := range kinds {
		total += k.weight
	}
	for {
		n := r.IntN(total)
		for _, k := range kinds {
			if n -= k.weight; n < 0 {
				if op := k.choose(s, r); op != nil {
					return op
				}
				break
			}
		}
	}
}

func pick[T any](r *rand.Rand, list []T) (none T) {
	if len(list) == 0 {
		return none
	}
	return list[r.IntN(len(list))]
}

func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

// What an operation found that it had nothing to do about.
const (
	nothing = "there is nothing"
	already = "it is there already"
	tooMuch = "left out, because it was done often"
)

// get returns an object, or nil where there is none.
func (s *soak) get(ctx context.Context, resource schema.GroupVersionResource, k key) (*unstructured.Unstructured, error) {
	u, err := s.client.Resource(resource).Namespace(k.ns).Get(ctx, k.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return u, err
}

// change reads an object, changes it and writes it, as often as somebody else is faster. change returns false where there is
// nothing to do. What was before and after is returned; nil where nothing was written.
func (s *soak) change(ctx context.Context, resource schema.GroupVersionResource, k key, who string,
	change func(u *unstructured.Unstructured) bool) (before, after *object, err error) {
	for range 50 {
		u, err := s.get(ctx, resource, k)
		if err != nil || u == nil || u.GetDeletionTimestamp() != nil {
			return nil, nil, err
		}
		before := newObject(u.DeepCopy())
		if !change(u) {
			return nil, nil, nil
		}
		u, err = s.client.Resource(resource).Namespace(k.ns).Update(ctx, u, metav1.UpdateOptions{FieldManager: who})
		if apierrors.IsConflict(err) {
			continue
		}
		if apierrors.IsNotFound(err) {
			return nil, nil, nil
		}
		if err != nil {
			return nil, nil, err
		}
		return before, newObject(u), nil
	}
	return nil, nil, fmt.Errorf("somebody was faster 50 times: %s", k)
}

// remove deletes what is there now, and returns false where there is nothing.
func (s *soak) remove(ctx context.Context, resource schema.GroupVersionResource, k key, which func(*object) bool) (bool, error) {
	for range 50 {
		u, err := s.get(ctx, resource, k)
		if err != nil || u == nil {
			return false, err
		}
		o := newObject(u)
		if which != nil && !which(o) {
			return false, nil
		}
		err = s.client.Resource(resource).Namespace(k.ns).Delete(ctx, k.name, metav1.DeleteOptions{
			Preconditions: &metav1.Preconditions{UID: ptr(u.GetUID()), ResourceVersion: ptr(u.GetResourceVersion())},
		})
		switch {
		case apierrors.IsNotFound(err):
			return false, nil
		case apierrors.IsConflict(err):
			continue
		}
		if err == nil { // events are judged later
			s.world.deleted[o.uid] = true
		}
		return err == nil, err
	}
	return false, fmt.Errorf("somebody was faster 50 times: %s", k)
}

func ptr[T any](v T) *T { return &v }

// until tries again until something is as it should be, for a while.
func until(ctx context.Context, patience time.Duration, try func() (bool, error)) error {
	for end := time.Now().Add(patience); ; {
		ok, err := try()
		if ok && err == nil {
			return nil
		}
		if time.Now().After(end) {
			return errors.Join(errors.New("it took too long"), err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(250 * time.Millisecond):
		}
	}
}

func list(names ...string) []any {
	out := []any{}
	for _, n := range names {
		out = append(out, map[string]any{"name": n})
	}
	return out
}

var (
	namespaces = api.Namespaces
	secrets    = api.Secrets
	accounts   = api.Accounts
	configMaps = api.ConfigMaps
)
