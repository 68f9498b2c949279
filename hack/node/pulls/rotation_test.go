package pulls

import (
	"net/http"
	"path/filepath"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pullsecrets/pullsecrets/hack/node/image"
	"github.com/pullsecrets/pullsecrets/hack/node/registry"
)

// A registry's password is changed, and then the source. The copies stay the same objects, so the kubelet trusts them as
// it trusted them before: it asks nobody about an image that it has, even while the registry is down.
func TestARotation(t *testing.T) {
	r := rotating(t)
	install(t, beside)
	source(t, "rotating", registry.Credential(r.Host, "first"))
	startController(t)
	namespace(t, "rotated")
	eventually(t, "the account of rotated has the names", func() bool {
		return field("rotated", "serviceaccount/default", "{.imagePullSecrets[*].name}") == names
	})
	cachedImage, freshImage := r.Host+"/private/cached:1", r.Host+"/private/fresh:1"
	before := pod{t: t, namespace: "rotated", name: "before", images: []string{cachedImage}}
	before.create()
	before.runs()
	rotate(t, r, "rotated")

	pulls := pod{t: t, namespace: "rotated", name: "pulls", images: []string{freshImage}}
	pulls.create()
	pulls.runs()

	r.Stop()
	cached := pod{t: t, namespace: "rotated", name: "cached", images: []string{cachedImage}}
	cached.create()
	cached.runs()
	if restarts := before.field("{.status.containerStatuses[0].restartCount}"); !before.isRunning() || restarts != "0" {
		t.Errorf("the pod of before the rotation did not go on running: %s restarts", restarts)
	}

	// What has neither the copy nor its password has to ask: the image alone is not enough.
	namespace(t, "without-credential")
	stranger := pod{t: t, namespace: "without-credential", name: "stranger", images: []string{cachedImage}}
	stranger.create()
	stranger.isRefused()
	cached.isExplained("the pod's pull secret rotating has an entry for it")
	cached.isExplained("already present on machine and can be accessed by the pod")
	stranger.isExplained("connection refused")
	stranger.isExplained("no pull secret of the pod has an entry for " + r.Host)
}

// rotate changes the registry's password and the source, in the order in which people do, and waits for the copy of a
// namespace. It stays the same object.
func rotate(t *testing.T, r *registry.Registry, namespace string) {
	t.Helper()
	uid := field(namespace, "secret/rotating", "{.metadata.uid}")

	if err := r.SetPassword("second"); err != nil {
		t.Fatal(err)
	}
	if status := login(t, r, "first"); status != http.StatusUnauthorized {
		t.Fatalf("the registry still takes the old password: %d", status)
	}
	old := field(namespace, "secret/rotating", "{.data}")
	source(t, "rotating", registry.Credential(r.Host, "second"))
	eventually(t, "the copy has the new password", func() bool {
		now := field(namespace, "secret/rotating", "{.data}")
		return now != "" && now != old
	})
	if now := field(namespace, "secret/rotating", "{.metadata.uid}"); now != uid {
		t.Errorf("the copy was made anew: %s, before %s", now, uid)
	}
}

// rotating is a registry that the test itself can stop, with two images.
func rotating(t *testing.T) *registry.Registry {
	t.Helper()
	program := filepath.Join(node(t), "program")
	r, err := registry.Start("127.0.0.1:0", t.TempDir(), "first")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Stop)
	for _, name := range []string{"cached", "fresh"} {
		made, err := image.New(program, v1.Config{Labels: map[string]string{"name": name}})
		if err != nil {
			t.Fatal(err)
		}
		if err := image.Push(t.Context(), r.Host+"/private/"+name+":1", made, registry.User, "first"); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// login asks the registry whether it takes a password.
func login(t *testing.T, r *registry.Registry, password string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.Host+"/v2/", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth(registry.User, password)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}
