package oracle

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/kubernetes/pkg/credentialprovider"
	"k8s.io/kubernetes/pkg/credentialprovider/secrets"
	"k8s.io/kubernetes/pkg/util/parsers"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// tried is one credential that is sent to a registry, with the secret that it is from.
type tried struct {
	secret string
	credential
}

// pod is what a pod names: secrets in order. Their names are s0, s1 and so on.
type pod []shape

// kubeletTries is what the kubelet sends for an image, in its order.
func (p pod) kubeletTries(t *testing.T, image string) (out []tried, ok bool) {
	t.Helper()
	var list []v1.Secret
	for i, s := range p {
		list = append(list, v1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("s", i)},
			Type:       v1.SecretType(s.secretType), Data: map[string][]byte{cluster.DataKey(s.secretType): s.value},
		})
	}
	ring, err := secrets.MakeDockerKeyring(list, credentialprovider.UnionDockerKeyring{})
	if err != nil {
		return nil, false
	}
	found, _ := ring.Lookup(image)
	for _, c := range found {
		if c.Source == nil || c.Source.Secret == nil {
			t.Fatal("the kubelet does not say which secret a credential is from")
		}
		out = append(out, tried{c.Source.Secret.Name, credential{c.Username, c.Password}})
	}
	return out, true
}

// weTry is what cluster.Tried says of the same. ok is false where a host is not remembered, because it cannot be printed, or two
// hosts of one secret differ for people alone: the kubelet takes those in no certain order.
func (p pod) weTry(image string) (out []tried, ok bool) {
	projector := cluster.NewProjector([]byte("oracle"))
	var list []cluster.PullSecret
	entries := map[string]map[string]credential{}
	for i, s := range p {
		content, _, _ := projector.Content(s.secretType, s.value)
		name := fmt.Sprint("s", i)
		list = append(list, cluster.PullSecret{Name: name, Content: content})
		entries[name] = askKubelet(s.secretType, s.value).entries
		keys := map[string]bool{}
		for host := range entries[name] {
			bare := strings.TrimPrefix(strings.TrimPrefix(host, "https://"), "http://")
			bare = strings.TrimSuffix(strings.Replace(strings.Replace(bare, "/v1/", "/", 1), "/v2/", "/", 1), "/")
			if keys[bare] || content == nil || !slices.ContainsFunc(content.Registries, func(r cluster.Registry) bool { return r.Host == host }) {
				return nil, false
			}
			keys[bare] = true
		}
	}
	for _, e := range cluster.Tried(list, image) {
		c := entries[e.Secret][e.Host]
		if e.Empty != (c == credential{}) {
			return nil, true
		}
		out = append(out, tried{e.Secret, c})
	}
	return out, true
}

func (p pod) check(t *testing.T, image string) (n int) {
	t.Helper()
	want, ok := p.kubeletTries(t, image)
	got, certain := p.weTry(image)
	if !ok || !certain {
		return 0
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: tried %v, and the kubelet tries %v", image, got, want)
	}
	return len(want)
}

// TestTheKubeletTriesTheSameEntriesInTheSameOrder pairs the secrets of the corpus with others: a pod may name several.
func TestTheKubeletTriesTheSameEntriesInTheSameOrder(t *testing.T) {
	several := manyEntries(t)
	all := append(corpus(t), several...)
	compared, tries := 0, 0
	for _, a := range all {
		for _, b := range append(several, a, all[0]) {
			asked := slices.Clone(images)
			for host := range askKubelet(a.secretType, a.value).entries {
				asked = append(asked, imageOf(host))
			}
			for _, image := range asked {
				n := max(pod{a, b}.check(t, image), pod{b, a}.check(t, image))
				compared++
				if n > 1 {
					tries++
				}
			}
			if t.Failed() {
				t.Fatalf("the pod names %s and %s", a.name, b.name)
			}
		}
	}
	t.Logf("%d comparisons, %d with several entries", compared, tries)
	if tries < 500 {
		t.Errorf("%d have several entries: it does not try what it is for", tries)
	}
}

// manyEntries are secrets of several entries for one registry.
func manyEntries(t *testing.T) (out []shape) {
	t.Helper()
	for i, hosts := range [][]string{
		{"registry.example", "registry.example/team", "*.example", "registry.example/team/shop", "reg*.example"},
		{"registry.example:5000", "registry.example/te", "index.docker.io", "docker.io/team"},
		{"https://index.docker.io/v1/", "docker.io"},
		{"a.registry.example", "*.registry.example", "a.*.example", "registry.example:5000/shop"},
	} {
		auths := map[string]map[string]string{}
		for j, host := range hosts {
			auths[host] = map[string]string{"username": fmt.Sprintf("u%d-%d", i, j), "password": "p"}
		}
		value, err := json.Marshal(map[string]any{"auths": auths})
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, shape{fmt.Sprint("many/", i), cluster.TypeDockerConfigJSON, value})
	}
	return out
}

func FuzzTheKubeletTriesTheSameEntries(f *testing.F) {
	for _, host := range []string{"registry.example", "https://registry.example/v1/", "*.example/team", "index.docker.io", "[::1]:5000", "docker.io/team"} {
		for _, image := range []string{"registry.example/team/shop", "nginx", "localhost:5000/x:1@sha256:abc"} {
			f.Add(host, "registry.example/te", image)
		}
	}
	f.Fuzz(func(t *testing.T, one, other, image string) {
		config, err := json.Marshal(map[string]any{"auths": map[string]any{
			one: map[string]string{"username": "one", "password": "p"}, other: map[string]string{"username": "other", "password": "p"},
		}})
		if err != nil {
			t.Fatal(err) // text of any bytes becomes JSON
		}
		repository, _, ours := cluster.Repository(image)
		theirs, _, _, err := parsers.ParseImageName(image)
		if (ours == nil) != (err == nil) || repository != theirs {
			t.Errorf("the repository of %q is %q (%v), and to the kubelet %q (%v)", image, repository, ours, theirs, err)
		}
		if err == nil {
			second := shape{"second", cluster.TypeDockerConfigJSON, []byte(`{"auths":{"registry.example":{"username":"u","password":"p"}}}`)}
			pod{{"first", cluster.TypeDockerConfigJSON, config}, second}.check(t, repository)
		}
	})
}

// A secret that the kubelet cannot read keeps every image of a pod from being pulled; one that it takes for empty does not.
func TestWhatTheKubeletFailsOnIsBroken(t *testing.T) {
	broken := 0
	for _, s := range corpus(t) {
		secret := cluster.NewProjector([]byte("oracle")).Secret(&unstructured.Unstructured{Object: map[string]any{
			"type": s.secretType, "data": map[string]any{cluster.DataKey(s.secretType): base64.StdEncoding.EncodeToString(s.value)},
		}})
		_, ok := pod{s}.kubeletTries(t, "registry.example/shop")
		if secret.Broken == ok {
			t.Errorf("%s is broken: %t, and the kubelet can go on: %t", s.name, secret.Broken, ok)
		}
		if secret.Broken {
			broken++
		}
	}
	if broken < 20 {
		t.Errorf("%d of the corpus are broken: it does not try what it is for", broken)
	}
}
