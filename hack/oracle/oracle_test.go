package oracle

import (
	"encoding/json"
	"flag"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/credentialprovider"
	"k8s.io/kubernetes/pkg/credentialprovider/secrets"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

func TestMain(m *testing.M) {
	flags := flag.NewFlagSet("klog", flag.PanicOnError)
	klog.InitFlags(flags)
	_ = flags.Set("logtostderr", "false")
	_ = flags.Set("stderrthreshold", "FATAL")
	klog.SetOutput(io.Discard) // the kubelet logs each host that it cannot parse
	os.Exit(m.Run())
}

// shape is a value of the corpus: a file of testdata/TYPE.
type shape struct {
	name, secretType string
	value            []byte
}

var folders = map[string]string{"dockerconfigjson": cluster.TypeDockerConfigJSON, "dockercfg": cluster.TypeDockercfg}

func corpus(t testing.TB) (shapes []shape) {
	t.Helper()
	for _, folder := range slices.Sorted(maps.Keys(folders)) {
		files, err := filepath.Glob(filepath.Join("testdata", folder, "*"))
		if err != nil || len(files) < 20 {
			t.Fatalf("%s has %d files, and at least 20 are there: %v", folder, len(files), err)
		}
		for _, file := range files {
			value, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			shapes = append(shapes, shape{folder + "/" + filepath.Base(file), folders[folder], value})
		}
	}
	return shapes
}

// credential is what the kubelet sends to a registry.
type credential struct{ username, password string }

// kubelet is what the kubelet makes of a secret: an error, with which no image of the pod is pulled, or the entries by
// host, and those of them that it finds for an image of that host.
type kubelet struct {
	err     error
	entries map[string]credential
	found   int // entries that are not empty, and found
}

func askKubelet(secretType string, value []byte) (k kubelet) {
	ring, err := secrets.MakeDockerKeyring([]v1.Secret{{
		Type: v1.SecretType(secretType), Data: map[string][]byte{cluster.DataKey(secretType): value},
	}}, credentialprovider.UnionDockerKeyring{})
	if err != nil {
		return kubelet{err: err}
	}
	config := credentialprovider.DockerConfigJSON{}
	if secretType == cluster.TypeDockercfg {
		_ = json.Unmarshal(value, &config.Auths) // an empty value is no error of the keyring
	} else {
		_ = json.Unmarshal(value, &config)
	}
	k.entries = map[string]credential{}
	for host, entry := range config.Auths {
		k.entries[host] = credential{entry.Username, entry.Password}
		found, _ := ring.Lookup(imageOf(host))
		if slices.ContainsFunc(found, func(c credentialprovider.TrackedAuthConfig) bool { return c.Username != "" || c.Password != "" }) {
			k.found++
		}
	}
	return k
}

// imageOf is an image for which an entry has to be found.
func imageOf(host string) string {
	bare, _ := strings.CutPrefix(host, "https://")
	bare, _ = strings.CutPrefix(bare, "http://")
	parsed, err := url.Parse("https://" + bare)
	if err != nil || parsed.Host == "" || strings.Contains(bare, "://") { // no image is written so
		return "nobody.invalid/image"
	}
	path := parsed.Path
	if strings.HasPrefix(path, "/v1/") || strings.HasPrefix(path, "/v2/") {
		path = path[3:]
	}
	return strings.ReplaceAll(parsed.Host, "*", "any") + strings.TrimSuffix(path, "/") + "/image"
}

// exceptions are the defects for which a value may be refused that the kubelet takes: it would send what stands for a
// credential.
var exceptions = []cluster.Defect{cluster.DefectNotRendered, cluster.DefectEncrypted}

// check holds the two judgements against each other.
func check(t *testing.T, secretType string, value []byte) {
	t.Helper()
	content, defect, cause := cluster.NewProjector([]byte("oracle")).Content(secretType, value)
	kubelet := askKubelet(secretType, value)
	switch {
	case (defect == "") != (content != nil) || (defect == "") != (cause == ""):
		t.Errorf("defect %q with content %v and cause %q", defect, content, cause)
	case defect == "" && kubelet.err != nil:
		t.Errorf("accepted, and the kubelet refuses it, and with it every image of the pod: %v", kubelet.err)
	case defect == "" && kubelet.found == 0:
		t.Error("accepted, and the kubelet finds no credential in it")
	case defect != "" && kubelet.found > 0 && !slices.Contains(exceptions, defect):
		t.Errorf("%s (%s), and the kubelet finds %d credentials in it", defect, cause, kubelet.found)
	}
}

func TestTheCorpusIsJudgedAsByTheKubelet(t *testing.T) {
	refused := 0
	for _, s := range corpus(t) {
		t.Run(s.name, func(t *testing.T) {
			check(t, s.secretType, s.value)
			if askKubelet(s.secretType, s.value).err != nil {
				refused++
			}
		})
	}
	if refused < 20 {
		t.Errorf("the kubelet refuses %d of the corpus: it does not try what it is for", refused)
	}
}

// Equal is what the kubelet sends the same credentials for, and nothing else.
func TestContentsAreEqualWhereTheKubeletSendsTheSame(t *testing.T) {
	projector := cluster.NewProjector([]byte("oracle"))
	shapes := corpus(t)
	equal := 0
	for i, a := range shapes {
		for _, b := range shapes[i+1:] {
			one, _, _ := projector.Content(a.secretType, a.value)
			other, _, _ := projector.Content(b.secretType, b.value)
			if one == nil || other == nil {
				continue
			}
			same := a.secretType == b.secretType &&
				maps.Equal(askKubelet(a.secretType, a.value).entries, askKubelet(b.secretType, b.value).entries)
			if one.Equal(other) != same {
				t.Errorf("%s and %s: equal %t, and the kubelet sends the same: %t", a.name, b.name, one.Equal(other), same)
			}
			if same {
				equal++
			}
		}
	}
	if equal < 20 {
		t.Errorf("%d pairs of the corpus are equal: it does not try what it is for", equal)
	}
}

// images are tried with every credential of the corpus.
var images = []string{
	"docker.io/library/nginx", "docker.io/team/app", "registry.example/shop", "registry.example:5000/shop", "registry.example/team/shop",
	"a.registry.example/shop", "hub.example/x", "ghcr.io/org/app", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/app", "localhost:5000/x", "index.docker.io/x",
}

// TestTheKubeletTriesACredentialForTheImagesThatItCovers asks for images of the entries themselves too. A host that is not
// printed is not remembered either, so of those it may say that they cover nothing.
func TestTheKubeletTriesACredentialForTheImagesThatItCovers(t *testing.T) {
	projector := cluster.NewProjector([]byte("oracle"))
	covered := 0
	for _, s := range corpus(t) {
		content, _, _ := projector.Content(s.secretType, s.value)
		if content == nil {
			continue
		}
		asked := slices.Clone(images)
		for host := range askKubelet(s.secretType, s.value).entries {
			asked = append(asked, imageOf(host))
		}
		ring, err := secrets.MakeDockerKeyring([]v1.Secret{{
			Type: v1.SecretType(s.secretType), Data: map[string][]byte{cluster.DataKey(s.secretType): s.value},
		}}, credentialprovider.UnionDockerKeyring{})
		if err != nil {
			t.Fatal(err)
		}
		for _, image := range asked {
			tried, _ := ring.Lookup(image)
			want := slices.ContainsFunc(tried, func(c credentialprovider.TrackedAuthConfig) bool { return c.Username != "" || c.Password != "" })
			if got := content.Covers(image); got && !want || want && !got && slices.Contains(images, image) {
				t.Errorf("%s covers %s: %t, and the kubelet tries it: %t", s.name, image, got, want)
			}
			if want {
				covered++
			}
		}
	}
	if covered < 50 {
		t.Errorf("%d images are covered: it does not try what it is for", covered)
	}
}

func FuzzAcceptedImpliesAKubeletCredential(f *testing.F) {
	for _, s := range corpus(f) {
		f.Add(s.secretType == cluster.TypeDockercfg, s.value)
	}
	f.Fuzz(func(t *testing.T, old bool, value []byte) {
		secretType := cluster.TypeDockerConfigJSON
		if old {
			secretType = cluster.TypeDockercfg
		}
		check(t, secretType, value)
	})
}

// TestALoginIsWhatTheKubeletSends holds the logins that check and verify make against the entries of the kubelet, and the
// images that they are tried for.
func TestALoginIsWhatTheKubeletSends(t *testing.T) {
	tried := 0
	for _, s := range corpus(t) {
		kubelet := askKubelet(s.secretType, s.value)
		logins := cluster.Logins(s.secretType, cluster.NewCredential(s.value))
		var want, got []credential
		for _, entry := range kubelet.entries {
			if entry != (credential{}) {
				want = append(want, entry)
			}
		}
		ring, err := secrets.MakeDockerKeyring([]v1.Secret{{
			Type: v1.SecretType(s.secretType), Data: map[string][]byte{cluster.DataKey(s.secretType): s.value},
		}}, credentialprovider.UnionDockerKeyring{})
		for _, login := range logins {
			sent := credential{string(login.Username.Reveal()), string(login.Password.Reveal())}
			got = append(got, sent)
			if err != nil || login.Key == "" || strings.Contains(login.Key, "*") {
				continue
			}
			tried++
			found, _ := ring.Lookup(strings.TrimSuffix(login.Key, "/") + "/image")
			if !slices.ContainsFunc(found, func(c credentialprovider.TrackedAuthConfig) bool { return credential{c.Username, c.Password} == sent }) {
				t.Errorf("%s: the kubelet does not try the entry of %s for an image of %s", s.name, login.Host, login.Key)
			}
		}
		order := func(a, b credential) int {
			return strings.Compare(a.username+"\x00"+a.password, b.username+"\x00"+b.password)
		}
		slices.SortFunc(want, order)
		slices.SortFunc(got, order)
		if !slices.Equal(want, got) {
			t.Errorf("%s: the logins are %d, and the kubelet's entries %d, or they differ", s.name, len(got), len(want))
		}
	}
	if tried < 40 {
		t.Errorf("%d logins were tried: it does not try what it is for", tried)
	}
}
