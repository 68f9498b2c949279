package soak

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

var copyKinds = []kind{
	{4, editCopy},
	{4, deleteCopy},
	{3, stripCopy},
	{2, annotateCopy},
	{5, putForeign},
	{3, seizeCopy},
	{5, removeForeign},
}

// pickCopy picks a place where a copy is asked for by the policies that were accepted last, as far as operations know.
func (s *soak) pickCopy(r *rand.Rand) (key, bool) {
	home := pickHome(r)
	at := s.model()
	for range 10 {
		ns := pick(r, s.world.spaces())
		if chance(r, 15) {
			return key{ns, pick(r, copyNames)}, true // perhaps nobody asks for it
		}
		copies := want(home, s.world.rules[home], at, at.namespaces[ns], false).copies
		if len(copies) > 0 {
			return key{ns, pick(r, slices.Sorted(maps.Keys(copies)))}, true
		}
	}
	return key{}, false
}

// model is what operations know of the cluster, as if it was seen.
func (s *soak) model() *seen {
	var all []*object
	for name, ns := range s.world.namespaces {
		o := &object{key: key{name: name}, labels: ns.labels}
		if ns.optedOut {
			o.annotations = map[string]string{"pullsecrets/exclude": "true"}
		}
		all = append(all, o)
	}
	return newSeen(all, nil, nil)
}

// changeCopy changes a secret that is there.
func (s *soak) changeCopy(text string, k key, change func(u *unstructured.Unstructured)) *operation {
	if !s.world.mayHarm(k.String()) {
		return &operation{text, leftOut}
	}
	return &operation{text, func(ctx context.Context) (string, error) {
		_, after, err := s.change(ctx, secrets, k, "people", func(u *unstructured.Unstructured) bool {
			change(u)
			return true
		})
		if after == nil {
			return nothing, err
		}
		s.world.noteSecret(after)
		return "", err
	}}
}

func setContent(u *unstructured.Unstructured, content string) {
	typ, _, _ := unstructured.NestedString(u.Object, "type")
	data, _, _ := unstructured.NestedMap(u.Object, "data")
	if data == nil {
		data = map[string]any{}
	}
	data[dataKey(typ)] = base64.StdEncoding.EncodeToString([]byte(content))
	u.Object["data"] = data
}

// editCopy changes what a copy holds. A copy that is edited three times is given up, so that is done less often.
func editCopy(s *soak, r *rand.Rand) *operation {
	k, ok := s.pickCopy(r)
	if !ok {
		return nil
	}
	text, password := fmt.Sprintf("secret %s gets other content by hand", k), s.world.next("hand")
	w := s.world
	w.serial++
	for range 2 {
		if !w.mayHarm("content of " + k.String()) {
			return &operation{text, leftOut}
		}
	}
	edit := s.changeCopy(text, k, func(u *unstructured.Unstructured) {
		typ, _, _ := unstructured.NestedString(u.Object, "type")
		setContent(u, credential(typ, "hand.example", password, false))
	})
	return &operation{text, func(ctx context.Context) (string, error) {
		result, err := edit.do(ctx)
		w.edited[k] = w.edited[k] || result == "" && err == nil // only what was written excuses other content
		return result, err
	}}
}

func deleteCopy(s *soak, r *rand.Rand) *operation {
	k, ok := s.pickCopy(r)
	if !ok {
		return nil
	}
	text := fmt.Sprintf("secret %s is deleted by hand, if it is a copy", k)
	if !s.world.mayHarm(k.String()) {
		return &operation{text, leftOut}
	}
	return &operation{text, func(ctx context.Context) (string, error) {
		s.world.touched[k] = true
		ok, err := s.remove(ctx, secrets, k, func(o *object) bool { return o.installation() != "" })
		return unless(ok, nothing), err
	}}
}

// stripCopy takes all marks off.
func stripCopy(s *soak, r *rand.Rand) *operation {
	k, ok := s.pickCopy(r)
	if !ok {
		return nil
	}
	return s.changeCopy(fmt.Sprintf("secret %s loses its labels and annotations", k), k, func(u *unstructured.Unstructured) {
		u.SetLabels(nil)
		u.SetAnnotations(nil)
		s.world.bare[string(u.GetUID())] = true
	})
}

func annotateCopy(s *soak, r *rand.Rand) *operation {
	k, ok := s.pickCopy(r)
	if !ok {
		return nil
	}
	return s.changeCopy(fmt.Sprintf("secret %s gets an annotation of somebody else", k), k, func(u *unstructured.Unstructured) {
		annotations := u.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations["people/owner"] = "us"
		u.SetAnnotations(annotations)
	})
}

// seizeCopy makes a copy somebody else's secret: its marks go, and it gets other content.
func seizeCopy(s *soak, r *rand.Rand) *operation {
	k, ok := s.pickCopy(r)
	if !ok {
		return nil
	}
	password := s.world.next("seized")
	return s.changeCopy(fmt.Sprintf("secret %s becomes somebody else's, without marks and with other content", k), k, func(u *unstructured.Unstructured) {
		typ, _, _ := unstructured.NestedString(u.Object, "type")
		u.SetLabels(nil)
		u.SetAnnotations(nil)
		setContent(u, credential(typ, "seized.example", password, false))
	})
}

// putForeign puts a secret of somebody else in the place of a copy, where there is none: where its namespace is new, or opted out,
// or where the source is missing.
func putForeign(s *soak, r *rand.Rand) *operation {
	k := key{pick(r, s.world.spaces()), pick(r, copyNames[:5])}
	u := api.Object("v1", "Secret", k.ns, k.name)
	data := map[string]any{}
	what, equal := "", ""
	switch r.IntN(4) {
	case 0:
		u.Object["type"], what = "Opaque", "of another type"
		data["key"] = base64.StdEncoding.EncodeToString([]byte("value"))
	case 1:
		what, equal = "that means the same as the source", pick(r, registries)
	case 2:
		what = "with another key too"
		data["also"] = base64.StdEncoding.EncodeToString([]byte("value"))
		fallthrough
	default:
		u.Object["type"] = typeConfigJSON
		data[".dockerconfigjson"] = base64.StdEncoding.EncodeToString([]byte(credential(typeConfigJSON, "foreign.example", s.world.next("f"), false)))
	}
	u.Object["data"] = data
	text := fmt.Sprintf("secret %s of somebody else is created, if there is none, %s", k, what)
	return &operation{text, func(ctx context.Context) (string, error) {
		if equal != "" {
			src, err := s.get(ctx, secrets, key{first, equal})
			if err != nil || src == nil {
				return nothing, err
			}
			u.Object["type"], u.Object["data"] = src.Object["type"], src.Object["data"]
		}
		made, err := s.client.Resource(secrets).Namespace(k.ns).Create(ctx, u, metav1.CreateOptions{FieldManager: "team"})
		if apierrors.IsAlreadyExists(err) {
			return already, nil
		}
		if err == nil {
			s.world.noteSecret(newObject(made))
		}
		return "", err
	}}
}

// removeForeign deletes a secret of somebody else. Which there are depends on timing, so it is looked for when it is done.
func removeForeign(s *soak, r *rand.Rand) *operation {
	n := r.IntN(1000)
	return &operation{"a secret of somebody else is deleted", func(ctx context.Context) (string, error) {
		w := s.world
		all := slices.Collect(maps.Keys(w.foreign))
		slices.SortFunc(all, func(a, b key) int { return strings.Compare(a.String(), b.String()) })
		if len(all) == 0 {
			return nothing, nil
		}
		k := all[n%len(all)]
		ok, err := s.remove(ctx, secrets, k, func(o *object) bool { return o.uid == w.foreign[k].uid && o.installation() == "" })
		delete(w.foreign, k)
		w.touched[k] = true
		return k.String() + " " + unless(ok, "is not there"), err
	}}
}
