package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile"
)

const (
	home    = "pullsecrets"
	patient = 30 * time.Second // how long a condition may take before it counts as never
)

var (
	namespaces = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	accounts   = schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}
	secrets    = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	configMaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	leases     = schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
	events     = schema.GroupVersionResource{Version: "v1", Resource: "events"}
)

// sandbox is one test's part of the cluster: namespaces whose names start with a prefix of its own, and the
// controller's namespace, emptied.
type sandbox struct {
	t         *testing.T
	ctx       context.Context
	config    *rest.Config
	client    dynamic.Interface
	admission bool // controllers are started with -admission
	mutates   func(context.Context) (bool, error)
	prefix    string
	// sources are other namespaces that sources may be in, for the controllers that are started from now on.
	sources []string
}

var sandboxes int

func newSandbox(t *testing.T) *sandbox {
	t.Helper()
	kubeconfig := os.Getenv("PULLSECRETS_TEST_KUBECONFIG")
	if kubeconfig == "" {
		t.Skip("needs an API server: run make test")
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	must(t, err)
	config.QPS = -1
	client, err := dynamic.NewForConfig(config)
	must(t, err)
	sandboxes++
	s := &sandbox{
		t: t, ctx: context.Background(), config: config, client: client,
		prefix: fmt.Sprintf("t%d-%s-", sandboxes, strings.ToLower(fmt.Sprintf("%04x", time.Now().UnixNano()&0xffff))),
	}
	s.ensureHome()
	t.Cleanup(s.clean)
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *sandbox) ensureHome() {
	s.t.Helper()
	_, err := s.client.Resource(namespaces).Create(s.ctx, object("v1", "Namespace", "", home), metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		s.t.Fatal(err)
	}
	for _, resource := range []schema.GroupVersionResource{configMaps, secrets, events} {
		must(s.t, s.client.Resource(resource).Namespace(home).DeleteCollection(s.ctx, metav1.DeleteOptions{}, metav1.ListOptions{}))
	}
}

// clean deletes the namespaces. It does not wait until they are gone: a namespace that terminates is left alone by
// the next test's controller.
func (s *sandbox) clean() {
	for _, ns := range s.ownNamespaces() {
		_ = s.client.Resource(namespaces).Delete(s.ctx, ns, metav1.DeleteOptions{})
	}
}

func (s *sandbox) ownNamespaces() (names []string) {
	list, err := s.client.Resource(namespaces).List(s.ctx, metav1.ListOptions{})
	must(s.t, err)
	for _, ns := range list.Items {
		if strings.HasPrefix(ns.GetName(), s.prefix) {
			names = append(names, ns.GetName())
		}
	}
	return names
}

func object(apiVersion, kind, namespace, name string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetAPIVersion(apiVersion)
	u.SetKind(kind)
	u.SetNamespace(namespace)
	u.SetName(name)
	return u
}

// name returns a name of this sandbox.
func (s *sandbox) name(short string) string { return s.prefix + short }

// expand replaces PREFIX by the sandbox's prefix.
func (s *sandbox) expand(text string) string { return strings.ReplaceAll(text, "PREFIX", s.prefix) }

// namespace creates a namespace with labels (key=value) and waits for its default service account.
func (s *sandbox) namespace(short string, labels ...string) string {
	s.t.Helper()
	ns := object("v1", "Namespace", "", s.name(short))
	ns.SetLabels(pairs(labels))
	_, err := s.client.Resource(namespaces).Create(s.ctx, ns, metav1.CreateOptions{})
	must(s.t, err)
	s.eventually("the default service account is born", func() error {
		_, err := s.client.Resource(accounts).Namespace(ns.GetName()).Get(s.ctx, "default", metav1.GetOptions{})
		return err
	})
	return ns.GetName()
}

func pairs(list []string) map[string]string {
	out := map[string]string{}
	for _, kv := range list {
		k, v, _ := strings.Cut(kv, "=")
		out[k] = v
	}
	return out
}

func (s *sandbox) account(ns, name string, labels ...string) {
	s.t.Helper()
	sa := object("v1", "ServiceAccount", ns, name)
	sa.SetLabels(pairs(labels))
	_, err := s.client.Resource(accounts).Namespace(ns).Create(s.ctx, sa, metav1.CreateOptions{FieldManager: "somebody"})
	must(s.t, err)
}

// credential returns the bytes of a .dockerconfigjson for one host.
func credential(host, password string) string {
	text, _ := json.Marshal(map[string]any{"auths": map[string]any{host: map[string]any{
		"username": "robot", "password": password,
		"auth": base64.StdEncoding.EncodeToString([]byte("robot:" + password)),
	}}})
	return string(text)
}

func secret(ns, name, content string) *unstructured.Unstructured {
	u := object("v1", "Secret", ns, name)
	u.Object["type"] = "kubernetes.io/dockerconfigjson"
	u.Object["data"] = map[string]any{".dockerconfigjson": base64.StdEncoding.EncodeToString([]byte(content))}
	return u
}

// create writes an object as somebody else.
func (s *sandbox) create(resource schema.GroupVersionResource, u *unstructured.Unstructured) *unstructured.Unstructured {
	s.t.Helper()
	out, err := s.client.Resource(resource).Namespace(u.GetNamespace()).Create(s.ctx, u, metav1.CreateOptions{FieldManager: "somebody"})
	must(s.t, err)
	return out
}

// source creates or rotates a source in the controller's namespace.
func (s *sandbox) source(name, content string) {
	s.t.Helper()
	_, err := s.client.Resource(secrets).Namespace(home).Apply(s.ctx, name, secret(home, name, content),
		metav1.ApplyOptions{FieldManager: "somebody", Force: true})
	must(s.t, err)
}

// merge patches an object as somebody else.
func (s *sandbox) merge(resource schema.GroupVersionResource, ns, name, patch string) *unstructured.Unstructured {
	s.t.Helper()
	var scoped dynamic.ResourceInterface = s.client.Resource(resource)
	if ns != "" {
		scoped = s.client.Resource(resource).Namespace(ns)
	}
	u, err := scoped.Patch(s.ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "somebody"})
	must(s.t, err)
	return u
}

func (s *sandbox) delete(resource schema.GroupVersionResource, ns, name string) {
	s.t.Helper()
	must(s.t, s.client.Resource(resource).Namespace(ns).Delete(s.ctx, name, metav1.DeleteOptions{}))
}

func (s *sandbox) get(resource schema.GroupVersionResource, ns, name string) *unstructured.Unstructured {
	s.t.Helper()
	u, err := s.client.Resource(resource).Namespace(ns).Get(s.ctx, name, metav1.GetOptions{})
	must(s.t, err)
	return u
}

// policy puts rules into the policy ConfigMap, as kubectl apply --server-side would.
func (s *sandbox) policy(rules string, annotations ...string) {
	s.t.Helper()
	s.policyText("apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n"+s.expand(rules), annotations...)
}

func (s *sandbox) policyText(text string, annotations ...string) {
	s.t.Helper()
	cm := object("v1", "ConfigMap", home, "pullsecrets-policy")
	cm.Object["data"] = map[string]any{"policy.yaml": text}
	cm.SetAnnotations(pairs(annotations))
	_, err := s.client.Resource(configMaps).Namespace(home).Apply(s.ctx, cm.GetName(), cm, metav1.ApplyOptions{FieldManager: "gitops", Force: true})
	must(s.t, err)
}

// oneRule is the usual policy: the source "hub" as PREFIXreg in all of the sandbox's namespaces.
const oneRule = `
- name: hub
  secrets: [{source: {name: hub}, name: PREFIXreg}]
  namespaces: {include: ["PREFIX*"]}
`

// noRules is a policy that wants nothing.
const noRules = "  []"

// running is a controller that runs.
type running struct {
	s    *sandbox
	c    *reconcile.Controller
	log  *lockedBuffer
	stop func()
}

// start runs a controller until the test ends or it is stopped.
func (s *sandbox) start(change ...func(*rest.Config)) *running {
	s.t.Helper()
	return s.startIn(home, change...)
}

// startIn runs the controller of an installation that lives in a namespace.
func (s *sandbox) startIn(home string, change ...func(*rest.Config)) *running {
	s.t.Helper()
	config := rest.CopyConfig(s.config)
	for _, f := range change {
		f(config)
	}
	client, err := dynamic.NewForConfig(config)
	must(s.t, err)
	r := &running{s: s, log: &lockedBuffer{}}
	r.c = reconcile.New(reconcile.Config{
		Client: client, Namespace: home, PolicyName: "pullsecrets-policy", StatusName: "pullsecrets-status", Workers: 8, MaxPrune: 50,
		SourceNamespaces: s.sources, Admission: s.admission, Mutates: s.mutates, Log: zerolog.New(zerolog.SyncWriter(r.log)).Level(zerolog.TraceLevel),
	})
	ctx, cancel := context.WithCancel(s.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.c.Run(ctx)
	}()
	r.stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	s.t.Cleanup(func() {
		r.stop()
		for line := range strings.Lines(r.log.String()) {
			if len(line) > maxLine {
				s.t.Errorf("a line of the log has %d bytes: %.200s", len(line), line)
			}
		}
		if s.t.Failed() {
			s.t.Logf("the controller's log:\n%s", r.log)
		}
	})
	return r
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// lines returns the log's lines that contain all of the words.
func (r *running) lines(words ...string) (out []string) {
	for line := range strings.SplitSeq(r.log.String(), "\n") {
		if line != "" && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
			out = append(out, line)
		}
	}
	return out
}

// reported returns the warnings and errors of the log, but for the wait for a policy that a test writes only later.
func (r *running) reported() []string {
	all := append(r.lines(`"level":"error"`), r.lines(`"level":"warn"`)...)
	return slices.DeleteFunc(all, func(line string) bool { return strings.Contains(line, "there is no policy ConfigMap") })
}

// eventually waits for a condition. It is the only thing that waits.
func (s *sandbox) eventually(what string, condition func() error) {
	s.t.Helper()
	var err error
	for deadline := time.Now().Add(patient); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if err = condition(); err == nil {
			return
		}
	}
	s.t.Fatalf("not within %s: %s: %v", patient, what, err)
}

// listOf returns the names of a service account's list.
func (s *sandbox) listOf(ns, name string) ([]string, error) {
	u, err := s.client.Resource(accounts).Namespace(ns).Get(s.ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	names := []string{}
	list, _, _ := unstructured.NestedSlice(u.Object, "imagePullSecrets")
	for _, e := range list {
		entry, _ := e.(map[string]any)
		n, _ := entry["name"].(string)
		names = append(names, n)
	}
	return names, nil
}

// wantList waits until a service account's list is exactly these names; those that start with + are the sandbox's.
func (s *sandbox) wantList(ns, account string, want ...string) {
	s.t.Helper()
	expected := []string{}
	for _, name := range want {
		if short, own := strings.CutPrefix(name, "+"); own {
			name = s.name(short)
		}
		expected = append(expected, name)
	}
	s.eventually(fmt.Sprintf("%s/%s has %v", ns, account, expected), func() error {
		got, err := s.listOf(ns, account)
		if err != nil {
			return err
		}
		if diff := cmp.Diff(expected, got); diff != "" {
			return errors.New(diff)
		}
		return nil
	})
}

// ledger is the annotation for names of the sandbox that the controller added.
func (s *sandbox) ledger(ns string, short ...string) string {
	var names []string
	for _, n := range short {
		names = append(names, s.name(n))
	}
	return cluster.Installation{Home: home}.Ledger(ns, names)
}

// wantCopy waits until a copy has this content, and returns it.
func (s *sandbox) wantCopy(ns, short, content string) (u *unstructured.Unstructured) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("%s has the copy %s", ns, short), func() (err error) {
		u, err = s.client.Resource(secrets).Namespace(ns).Get(s.ctx, s.name(short), metav1.GetOptions{})
		if err != nil {
			return err
		}
		if contentOf(u) != content {
			return errors.New("it has other content")
		}
		return nil
	})
	return u
}

func contentOf(u *unstructured.Unstructured) string {
	text, _, _ := unstructured.NestedString(u.Object, "data", ".dockerconfigjson")
	value, _ := base64.StdEncoding.DecodeString(text)
	return string(value)
}

func (s *sandbox) wantNoCopy(ns, short string) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("%s has no copy %s", ns, short), func() error {
		_, err := s.client.Resource(secrets).Namespace(ns).Get(s.ctx, s.name(short), metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("it is there, or: %v", err)
	})
}

// wantStatus waits until the policy ConfigMap says this status about the text that it holds.
func (s *sandbox) wantStatus(status string, words ...string) {
	s.t.Helper()
	s.eventually("the policy's status is "+status, func() error { return s.checkStatus(status, words...) })
}

// wantStatusNow does not wait.
func (s *sandbox) wantStatusNow(status string, words ...string) {
	s.t.Helper()
	must(s.t, s.checkStatus(status, words...))
}

func (s *sandbox) checkStatus(status string, words ...string) error {
	u, err := s.client.Resource(configMaps).Namespace(home).Get(s.ctx, "pullsecrets-policy", metav1.GetOptions{})
	if err != nil {
		return err
	}
	got := u.GetAnnotations()
	if got["pullsecrets/status"] != status || got["pullsecrets/observed-revision"] != got["pullsecrets/revision"] {
		return fmt.Errorf("annotations: %v", got)
	}
	for _, w := range words {
		if !strings.Contains(got["pullsecrets/message"], w) {
			return fmt.Errorf("message %q lacks %q", got["pullsecrets/message"], w)
		}
	}
	return nil
}

var revisions int

// revised puts rules in force and waits until they were tried everywhere.
func (s *sandbox) revised(status, rules string) {
	s.t.Helper()
	revisions++
	s.policy(rules, fmt.Sprintf("pullsecrets/revision=r%d", revisions))
	s.wantStatus(status)
}

// roundTripper lets a test do something in the middle of a request of the controller.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// before has f called before each request of the controller.
func before(f func(*http.Request)) func(*rest.Config) {
	return func(config *rest.Config) {
		config.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) {
				f(r)
				return next.RoundTrip(r)
			})
		})
	}
}
