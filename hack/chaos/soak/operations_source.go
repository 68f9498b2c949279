package soak

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

var sourceKinds = []kind{
	{8, rotateSource},
	{3, deleteSource},
	{3, breakSource},
	{7, restoreSource},
	{1, retypeSource},
}

// pickSource picks a source in one of these states, or none.
func (s *soak) pickSource(r *rand.Rand, states ...string) (home, name string, src *source) {
	home, name = pickHome(r), pick(r, registries)
	src = s.world.sources[home][name]
	for _, state := range states {
		if src.state == state {
			return home, name, src
		}
	}
	return "", "", nil
}

func rotateSource(s *soak, r *rand.Rand) *operation {
	home, name, src := s.pickSource(r, "good")
	if src == nil {
		return nil
	}
	return s.putSource(home, name, src, "is rotated", "")
}

func breakSource(s *soak, r *rand.Rand) *operation {
	home, name, src := s.pickSource(r, "good")
	if src == nil {
		return nil
	}
	src.state = "broken"
	bad := pick(r, []string{`{"nothing": true}`, `{"auths": {}}`, `{"auths": {"registry.example": "text"}}`})
	return s.putSource(home, name, src, "is broken", bad)
}

func restoreSource(s *soak, r *rand.Rand) *operation {
	home, name, src := s.pickSource(r, "broken", "missing")
	if src == nil {
		return nil
	}
	src.state = "good"
	return s.putSource(home, name, src, "is restored", "")
}

// putSource writes a source, with a new password where no content is given.
func (s *soak) putSource(home, name string, src *source, what, content string) *operation {
	typ := src.typ
	if content == "" {
		content = credential(typ, name+".example", s.world.next("p"), false)
	}
	return &operation{fmt.Sprintf("source %s/%s %s", home, name, what), func(ctx context.Context) (string, error) {
		s.world.contents[content] = true
		return "", s.writeSource(ctx, key{home, name}, typ, content)
	}}
}

func (s *soak) writeSource(ctx context.Context, k key, typ, content string) error {
	data := map[string]any{dataKey(typ): base64.StdEncoding.EncodeToString([]byte(content))}
	u := api.Object("v1", "Secret", k.ns, k.name)
	u.SetAnnotations(map[string]string{"soak/of-the-source": "true"})
	u.Object["type"], u.Object["data"] = typ, data
	made, err := s.client.Resource(secrets).Namespace(k.ns).Create(ctx, u, metav1.CreateOptions{FieldManager: "people"})
	if err == nil {
		s.world.wrote(newObject(made))
	}
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	_, after, err := s.change(ctx, secrets, k, "people", func(u *unstructured.Unstructured) bool {
		u.Object["data"] = data
		return true
	})
	if after != nil {
		s.world.wrote(after)
	}
	return err
}

func deleteSource(s *soak, r *rand.Rand) *operation {
	home, name, src := s.pickSource(r, "good", "broken")
	if src == nil {
		return nil
	}
	src.state = "missing"
	return &operation{fmt.Sprintf("source %s/%s is deleted", home, name), func(ctx context.Context) (string, error) {
		_, err := s.remove(ctx, secrets, key{home, name}, nil)
		return "", err
	}}
}

// retypeSource makes a source anew in the other form.
func retypeSource(s *soak, r *rand.Rand) *operation {
	home, name, src := s.pickSource(r, "good")
	if src == nil {
		return nil
	}
	if src.typ == typeConfig {
		src.typ = typeConfigJSON
	} else {
		src.typ = typeConfig
	}
	put := s.putSource(home, name, src, "is made anew as "+src.typ, "")
	return &operation{put.text, func(ctx context.Context) (string, error) {
		if _, err := s.remove(ctx, secrets, key{home, name}, nil); err != nil {
			return "", err
		}
		return put.do(ctx)
	}}
}
