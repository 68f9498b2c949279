package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"

	"github.com/pullsecrets/pullsecrets/internal/cli"
	"github.com/pullsecrets/pullsecrets/internal/reconcile"
)

// program is the command line as a user starts it, in this process.
type program struct {
	s           *sandbox
	out, errors *lockedBuffer
	status      int // once it ended
	ended       chan struct{}
	stop        func()
}

// otherNamespaces are excluded in every test: the ancestor serves all namespaces.
const otherNamespaces = "default,kube-system,kube-public,kube-node-lease"

// program starts pullsecrets with these arguments; PREFIX in them is the sandbox's. It ends with the test.
func (s *sandbox) program(args ...string) *program {
	s.t.Helper()
	for i := range args {
		args[i] = s.expand(args[i])
	}
	p := &program{s: s, out: &lockedBuffer{}, errors: &lockedBuffer{}, ended: make(chan struct{})}
	ctx, cancel := context.WithCancel(s.ctx)
	go func() {
		defer close(p.ended)
		p.status = cli.Main(ctx, args, strings.NewReader(""), p.out, p.errors)
	}()
	p.stop = sync.OnceFunc(func() {
		cancel()
		<-p.ended
	})
	s.t.Cleanup(func() {
		p.stop()
		if s.t.Failed() {
			s.t.Logf("%s\nlog:\n%s\nstderr:\n%s", strings.Join(args, " "), p.out, p.errors)
		}
	})
	return p
}

// once runs a pass to its end and wants this exit status.
func (s *sandbox) once(status int, args ...string) *program {
	s.t.Helper()
	p := s.program(append(args, "-runonce", "-kubeconfig", os.Getenv("PULLSECRETS_TEST_KUBECONFIG"), "-namespace", home)...)
	<-p.ended
	if p.status != status {
		s.t.Fatalf("exit status %d, want %d: %s", p.status, status, p.errors)
	}
	return p
}

// loop runs until the test ends.
func (s *sandbox) loop(args ...string) *program {
	s.t.Helper()
	return s.program(append(args, "-kubeconfig", os.Getenv("PULLSECRETS_TEST_KUBECONFIG"), "-namespace", home)...)
}

func (p *program) lines(words ...string) []string { return (&running{log: p.out}).lines(words...) }

// file writes a file that lasts as long as the test.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), ".dockerconfigjson")
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func (s *sandbox) has(ns, short string) bool {
	s.t.Helper()
	list, err := s.client.Resource(secrets).Namespace(ns).List(s.ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + s.name(short)})
	must(s.t, err)
	return len(list.Items) > 0
}

// TestEveryRowOfTheAncestorsTables has one subtest for each row of the two tables in imagepullsecret-patcher's README,
// of the original and of the fork that has informers, named as the row is. Every form in which a row can be given is
// tested in internal/cli.
func TestEveryRowOfTheAncestorsTables(t *testing.T) {
	one, two := credential("hub.example", "one"), credential("hub.example", "two")
	foreign := credential("theirs.example", "x")
	rows := map[string]func(t *testing.T, s *sandbox, given ...string){
		"force": func(t *testing.T, s *sandbox, given ...string) {
			ns := s.namespace("a")
			theirs := s.create(secrets, secret(ns, s.name("reg"), foreign))
			p := s.once(0, append(given, "-force=false")...)
			s.wantList(ns, "default")
			if contentOf(s.get(secrets, ns, s.name("reg"))) != foreign || len(p.lines(`"reason":"ForeignSecret"`)) != 1 {
				t.Error("without force it was overwritten, or nothing was said")
			}
			p = s.once(0, given...) // the default is true
			s.wantList(ns, "default", "+reg")
			if got := s.wantCopy(ns, "reg", one); got.GetUID() != theirs.GetUID() {
				t.Error("it was deleted and created again")
			}
			if len(p.lines("replacing what somebody else wrote", "registry theirs.example: removed")) != 1 {
				t.Error("the diff was not logged")
			}
		},
		"debug": func(t *testing.T, s *sandbox, given ...string) {
			s.namespace("a")
			if p := s.once(0, given...); len(p.lines(`"level":"debug"`)) > 0 {
				t.Error("debug lines without debug")
			}
			if p := s.once(0, append(given, "--debug")...); len(p.lines(`"level":"debug"`)) == 0 {
				t.Error("no debug lines")
			}
		},
		"managedonly": func(t *testing.T, s *sandbox, given ...string) {
			theirs, ours := s.namespace("theirs"), s.namespace("ours")
			s.create(secrets, secret(theirs, s.name("reg"), foreign))
			managed := secret(ours, s.name("reg"), foreign)
			managed.SetAnnotations(map[string]string{"app.kubernetes.io/managed-by": "imagepullsecret-patcher"})
			s.create(secrets, managed)
			s.once(0, append(given, "-managedonly", "-force=true")...)
			s.wantCopy(ours, "reg", one)
			s.wantList(ours, "default", "+reg")
			s.wantList(theirs, "default")
			if contentOf(s.get(secrets, theirs, s.name("reg"))) != foreign {
				t.Error("a secret of somebody else was overwritten")
			}
		},
		"runonce": func(t *testing.T, s *sandbox, given ...string) {
			ns := s.namespace("a")
			for _, informers := range []string{"true", "false"} {
				s.once(0, append(given, "-use-informers="+informers, "-loop-duration=1h")...)
				if !s.has(ns, "reg") {
					t.Error("it exited before the copy was there")
				}
				s.wantList(ns, "default", "+reg")
				s.delete(secrets, ns, s.name("reg"))
			}
			bad := s.namespace("bad")
			s.denySecrets(bad)
			p := s.once(1, given...)
			if !s.has(ns, "reg") {
				t.Error("a bad namespace kept another from being served")
			}
			if !strings.Contains(p.errors.String(), "1 problems are left; the first: Secret "+bad) {
				t.Errorf("stderr: %s", p.errors)
			}
		},
		"serviceaccounts": func(t *testing.T, s *sandbox, given ...string) {
			ns := s.namespace("a")
			s.account(ns, "ci")
			s.account(ns, "web")
			s.once(0, given...)
			s.wantList(ns, "default", "+reg")
			s.wantList(ns, "ci")
			s.once(0, append(given, "-serviceaccounts=default,ci")...)
			s.wantList(ns, "ci", "+reg")
			s.wantList(ns, "web")
		},
		"all service account": func(t *testing.T, s *sandbox, given ...string) {
			ns := s.namespace("a")
			s.account(ns, "ci")
			s.once(0, append(given, "-allserviceaccount", "-serviceaccounts=nobody")...)
			s.wantList(ns, "default", "+reg")
			s.wantList(ns, "ci", "+reg")
		},
		"dockerconfigjson": func(t *testing.T, s *sandbox, _ ...string) {
			ns := s.namespace("a")
			t.Setenv("CONFIG_DOCKERCONFIGJSON", two)
			p := s.once(0, "-secretname=PREFIXreg", "-excluded-namespaces="+otherNamespaces)
			s.wantCopy(ns, "reg", two)
			if strings.Contains(p.out.String(), "dHdv") || strings.Contains(p.out.String(), two) {
				t.Error("the log has the credential")
			}
		},
		"dockerconfigjsonpath": func(t *testing.T, s *sandbox, _ ...string) {
			ns := s.namespace("a")
			dir := t.TempDir()
			mount(t, dir, "1", one)
			s.loop("-dockerconfigjsonpath="+filepath.Join(dir, ".dockerconfigjson"), "-secretname=PREFIXreg", "-excluded-namespaces="+otherNamespaces)
			before := s.wantCopy(ns, "reg", one)
			mount(t, dir, "2", two)
			if after := s.wantCopy(ns, "reg", two); after.GetUID() != before.GetUID() {
				t.Error("it was not rotated in place")
			}
			mount(t, dir, "3", "{") // a broken file empties nothing
			s.eventually("the broken file is reported", func() error {
				return s.reported("SourceInvalid")
			})
			s.wantCopy(ns, "reg", two)
			must(t, os.Remove(filepath.Join(dir, "..data"))) // neither does one that is gone
			s.eventually("the missing file is reported", func() error {
				return s.reported("SourceMissing")
			})
			s.wantCopy(ns, "reg", two)
			mount(t, dir, "4", one)
			s.wantCopy(ns, "reg", one)
		},
		"secret name": func(t *testing.T, s *sandbox, _ ...string) {
			ns := s.namespace("a")
			path := file(t, one)
			s.once(0, "-dockerconfigjsonpath="+path, "-excluded-namespaces="+otherNamespaces)
			if got := contentOf(s.get(secrets, ns, "image-pull-secret")); got != one {
				t.Error("the default name is not image-pull-secret")
			}
			s.once(0, "-dockerconfigjsonpath="+path, "-excluded-namespaces="+otherNamespaces, "-secretname=PREFIXother")
			s.wantCopy(ns, "other", one)
			s.wantList(ns, "default", "image-pull-secret", "+other") // the ancestor removes nothing either
			s.get(secrets, ns, "image-pull-secret")
		},
		"excluded namespaces": func(t *testing.T, s *sandbox, _ ...string) {
			ns, out := s.namespace("a"), s.namespace("out")
			s.once(0, "-dockerconfigjsonpath="+file(t, one), "-secretname=PREFIXreg", "-excluded-namespaces="+otherNamespaces+",PREFIXout")
			s.wantCopy(ns, "reg", one)
			s.wantList(out, "default")
			if s.has(out, "reg") {
				t.Error("an excluded namespace got a copy")
			}
		},
		"loop duration": func(t *testing.T, s *sandbox, given ...string) {
			s.namespace("a")
			s.loop(append(given, "-use-informers=false", "-loop-duration=100ms")...)
			s.wantCopy(s.name("a"), "reg", one)
			ns := s.namespace("late") // seen by a later pass
			s.wantCopy(ns, "reg", one)
			s.wantList(ns, "default", "+reg")
			// Gone before a pass sees that we made it, or after: it comes back either way.
			s.delete(secrets, ns, s.name("reg"))
			s.wantCopy(ns, "reg", one)
		},
		"use informers": func(t *testing.T, s *sandbox, given ...string) {
			first := s.namespace("a")
			p := s.loop(append(given, "-loop-duration=1h")...) // nothing is seen but by watching
			s.wantCopy(first, "reg", one)
			ns := s.namespace("late")
			s.wantCopy(ns, "reg", one)
			p.stop()
			s.role("PREFIXlister", "list", "get", "patch", "create", "delete")
			late := s.as("PREFIXlister", append(given, "-use-informers=false", "-loop-duration=100ms")...)
			other := s.namespace("other")
			s.wantCopy(other, "reg", one)
			if bad := late.lines("permission to watch"); len(bad) > 0 {
				t.Errorf("it watches although it was told not to: %v", bad)
			}
		},
		"running in cluster": func(t *testing.T, s *sandbox, given ...string) {
			ns := s.namespace("a")
			t.Setenv("KUBECONFIG", os.Getenv("PULLSECRETS_TEST_KUBECONFIG"))
			p := s.program(append(given, "-running-in-cluster=false", "-runonce", "-namespace", home)...)
			<-p.ended
			if p.status != 0 {
				t.Errorf("exit status %d: %s", p.status, p.errors)
			}
			s.wantCopy(ns, "reg", one)
			p = s.program(append(given, "-running-in-cluster=true", "-runonce", "-namespace", home)...)
			<-p.ended
			if want := "give -running-in-cluster=false"; p.status != 1 || !strings.Contains(p.errors.String(), want) {
				t.Errorf("outside of a cluster: exit status %d, stderr %q, want %q", p.status, p.errors, want)
			}
		},
		"secret namespace": func(t *testing.T, s *sandbox, _ ...string) {
			ns, vault := s.namespace("a"), s.namespace("vault")
			s.create(secrets, secret(vault, s.name("reg"), one))
			namesake := s.create(secrets, secret(home, s.name("reg"), foreign))
			args := []string{"-secretnamespace=PREFIXvault", "-secretname=PREFIXreg", "-excluded-namespaces=" + otherNamespaces}
			s.once(0, args...)
			s.wantCopy(ns, "reg", one)
			s.wantList(ns, "default", "+reg")
			s.wantList(vault, "default", "+reg")
			s.loop(args...)
			original := s.merge(secrets, vault, s.name("reg"), fmt.Sprintf(`{"stringData":{".dockerconfigjson":%q}}`, two))
			s.wantCopy(ns, "reg", two)
			for _, u := range []*unstructured.Unstructured{original, namesake} {
				if got := s.get(secrets, u.GetNamespace(), u.GetName()); got.GetResourceVersion() != u.GetResourceVersion() {
					t.Errorf("%s/%s was written", u.GetNamespace(), u.GetName())
				}
			}
		},
		"k8s.titansoft.com/imagepullsecret-patcher-exclude": func(t *testing.T, s *sandbox, given ...string) {
			ns, out, odd := s.namespace("a"), s.namespace("out"), s.namespace("odd")
			s.merge(namespaces, "", out, `{"metadata":{"annotations":{"k8s.titansoft.com/imagepullsecret-patcher-exclude":"true"}}}`)
			s.merge(namespaces, "", odd, `{"metadata":{"annotations":{"k8s.titansoft.com/imagepullsecret-patcher-exclude":"yes"}}}`)
			s.once(0, given...)
			s.wantCopy(ns, "reg", one)
			s.wantCopy(odd, "reg", one)
			s.wantList(out, "default")
			if s.has(out, "reg") {
				t.Error("an excluded namespace got a copy")
			}
		},
	}
	for row, test := range rows {
		t.Run(row, func(t *testing.T) {
			s := newSandbox(t)
			test(t, s, "-dockerconfigjsonpath="+file(t, one), "-secretname=PREFIXreg", "-excluded-namespaces="+otherNamespaces)
		})
	}
}

// denySecrets has no secret be created in a namespace, by a quota.
func (s *sandbox) denySecrets(ns string) {
	s.t.Helper()
	none := map[string]any{"secrets": "0"}
	quota := object("v1", "ResourceQuota", ns, "none")
	quota.Object["spec"] = map[string]any{"hard": none}
	quotas := s.client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "resourcequotas"}).Namespace(ns)
	quota, err := quotas.Create(s.ctx, quota, metav1.CreateOptions{})
	must(s.t, err)
	quota.Object["status"] = map[string]any{"hard": none, "used": none} // no controller does it here
	_, err = quotas.UpdateStatus(s.ctx, quota, metav1.UpdateOptions{})
	must(s.t, err)
	s.eventually("secrets are denied", func() error {
		_, err := s.client.Resource(secrets).Namespace(ns).Create(s.ctx, secret(ns, "probe", credential("x", "x")),
			metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil {
			return errors.New("one was created")
		}
		return nil
	})
}

// mount puts a file into a directory as the kubelet does: a symlink to a symlink, and the latter is swapped.
func mount(t *testing.T, dir, version, text string) {
	t.Helper()
	must(t, os.Mkdir(filepath.Join(dir, "..v"+version), 0o700))
	must(t, os.WriteFile(filepath.Join(dir, "..v"+version, ".dockerconfigjson"), []byte(text), 0o600))
	must(t, os.Symlink("..v"+version, filepath.Join(dir, "..tmp")))
	must(t, os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")))
	if _, err := os.Lstat(filepath.Join(dir, ".dockerconfigjson")); os.IsNotExist(err) {
		must(t, os.Symlink(filepath.Join("..data", ".dockerconfigjson"), filepath.Join(dir, ".dockerconfigjson")))
	}
}

// reported wants a problem in the status ConfigMap.
func (s *sandbox) reported(reason string) error {
	u, err := s.client.Resource(configMaps).Namespace(home).Get(s.ctx, "pullsecrets-status", metav1.GetOptions{})
	if err != nil {
		return err
	}
	text, _, _ := unstructured.NestedString(u.Object, "data", "status.json")
	if !strings.Contains(text, `"reason": "`+reason+`"`) {
		return fmt.Errorf("the status is %s", text)
	}
	return nil
}

// role gives a user of this name these verbs on secrets and service accounts of all namespaces, and list, get and, if
// it has that, watch on namespaces, as the manifests of imagepullsecret-patcher do.
func (s *sandbox) role(user string, verbs ...string) {
	s.t.Helper()
	namespaceVerbs := "list, get"
	if strings.Contains(strings.Join(verbs, " "), "watch") {
		namespaceVerbs += ", watch"
	}
	for _, text := range []string{`
kind: ClusterRole
rules:
- {apiGroups: [""], resources: [secrets, serviceaccounts], verbs: [` + strings.Join(verbs, ", ") + `]}
- {apiGroups: [""], resources: [namespaces], verbs: [` + namespaceVerbs + `]}
`, `
kind: ClusterRoleBinding
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: ` + user + `}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: ` + user + `}]
`} {
		u := &unstructured.Unstructured{}
		must(s.t, yaml.Unmarshal([]byte(s.expand(text)), &u.Object))
		u.SetAPIVersion("rbac.authorization.k8s.io/v1")
		u.SetName(s.expand(user))
		resource := schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: strings.ToLower(u.GetKind()) + "s"}
		_, err := s.client.Resource(resource).Create(s.ctx, u, metav1.CreateOptions{})
		must(s.t, err)
		s.t.Cleanup(func() { _ = s.client.Resource(resource).Delete(s.ctx, u.GetName(), metav1.DeleteOptions{}) })
	}
}

// as runs until the test ends, with the permissions of a user.
func (s *sandbox) as(user string, args ...string) *program {
	s.t.Helper()
	config, err := clientcmd.LoadFromFile(os.Getenv("PULLSECRETS_TEST_KUBECONFIG"))
	must(s.t, err)
	for _, auth := range config.AuthInfos {
		*auth = clientcmdapi.AuthInfo{
			Token: auth.Token, TokenFile: auth.TokenFile, ClientCertificate: auth.ClientCertificate, ClientCertificateData: auth.ClientCertificateData,
			ClientKey: auth.ClientKey, ClientKeyData: auth.ClientKeyData, Impersonate: s.expand(user),
		}
	}
	path := filepath.Join(s.t.TempDir(), "kubeconfig")
	must(s.t, clientcmd.WriteToFile(*config, path))
	return s.program(append(args, "-kubeconfig", path, "-namespace", home)...)
}

// TestTheManifestsOfTheAncestorWorkUnchanged gives what its Deployment gives, with the verbs that its ClusterRole has:
// no watch, no ConfigMaps, no Events.
func TestTheManifestsOfTheAncestorWorkUnchanged(t *testing.T) {
	s := newSandbox(t)
	ns := s.namespace("a")
	s.account(ns, "ci")
	made := secret(ns, s.name("reg"), credential("hub.example", "zero"))
	made.SetAnnotations(map[string]string{"app.kubernetes.io/managed-by": "imagepullsecret-patcher"})
	made = s.create(secrets, made)
	dir := t.TempDir()
	mount(t, dir, "1", credential("hub.example", "one"))
	for name, value := range map[string]string{
		"CONFIG_FORCE": "true", "CONFIG_DEBUG": "false", "CONFIG_ALLSERVICEACCOUNT": "true",
		"CONFIG_DOCKERCONFIGJSONPATH": filepath.Join(dir, ".dockerconfigjson"),
		// What the manifests leave out, so that the test keeps to itself and is quick.
		"CONFIG_SECRETNAME": s.name("reg"), "CONFIG_EXCLUDED_NAMESPACES": otherNamespaces, "CONFIG_LOOP_DURATION": "200ms",
	} {
		t.Setenv(name, value)
	}
	s.role("PREFIXpatcher", "list", "patch", "create", "get", "delete")
	p := s.as("PREFIXpatcher")
	got := s.wantCopy(ns, "reg", credential("hub.example", "one"))
	if got.GetUID() != made.GetUID() {
		t.Error("the ancestor's copy was not adopted in place")
	}
	s.wantList(ns, "default", "+reg")
	s.wantList(ns, "ci", "+reg")
	late := s.namespace("late")
	s.wantCopy(late, "reg", credential("hub.example", "one"))
	s.wantList(late, "default", "+reg")
	mount(t, dir, "2", credential("hub.example", "two"))
	s.wantCopy(late, "reg", credential("hub.example", "two"))
	s.delete(secrets, late, s.name("reg"))
	s.wantCopy(late, "reg", credential("hub.example", "two"))
	for words, n := range map[string]int{
		"no permission to watch namespaces in all namespaces; listing every 200ms instead": 1,
		"no permission for the status ConfigMap":                                           1,
		"cannot write":                                                                     0,
		`"status":"Ready"`:                                                                 1,
		`"level":"error"`:                                                                  0,
	} {
		if got := p.lines(words); len(got) != n {
			t.Errorf("%d lines have %q, want %d", len(got), words, n)
		}
	}
}

// TestTheSettingsOfTheAncestorReplaceTheConfigMap holds that it is not read, and that nothing that it brought is lost.
func TestTheSettingsOfTheAncestorReplaceTheConfigMap(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	r := s.start()
	s.revised("Ready", oneRule)
	s.wantList(ns, "default", "+reg")
	r.stop()
	s.policy(noRules)
	p := s.once(1, "-dockerconfigjsonpath="+file(t, credential("hub.example", "two")), "-secretname=PREFIXflag", "-excluded-namespaces="+otherNamespaces)
	if !strings.Contains(p.errors.String(), "PruneHeld") {
		t.Errorf("stderr: %s", p.errors)
	}
	s.wantList(ns, "default", "+reg", "+flag")
	s.wantCopy(ns, "flag", credential("hub.example", "two"))
	s.wantCopy(ns, "reg", credential("hub.example", "one"))
}

// TestTheAncestorsModePrunesNothingThatABackupBringsBack restores a copy of a rule that is gone, with its reference.
func TestTheAncestorsModePrunesNothingThatABackupBringsBack(t *testing.T) {
	s := newSandbox(t)
	ns, next := s.namespace("a"), s.namespace("b")
	s.loop("-dockerconfigjson="+credential("hub.example", "one"), "-secretname="+s.name("reg"), "-metrics-addr=", "-health-addr=")
	s.wantCopy(ns, "reg", credential("hub.example", "one"))
	restored := secret(ns, s.name("gone"), credential("gone.example", "x"))
	restored.SetLabels(map[string]string{"app.kubernetes.io/managed-by": "pullsecrets"})
	restored.SetAnnotations(map[string]string{"pullsecrets/source": "pullsecrets/gone", "pullsecrets/for": "pullsecrets/" + ns})
	restored = s.create(secrets, restored)
	s.merge(accounts, ns, "default", fmt.Sprintf(`{"metadata":{"annotations":{"pullsecrets/added":%q}},"imagePullSecrets":[{"name":%q}]}`,
		s.ledger(ns, "gone"), s.name("gone")))
	s.eventually("it looked", func() error {
		if list, err := s.listOf(ns, "default"); err != nil || !slices.Contains(list, s.name("reg")) {
			return fmt.Errorf("%v, %v", list, err)
		}
		return nil
	})
	s.delete(secrets, next, s.name("reg")) // and once more, after whatever that led to
	s.wantCopy(next, "reg", credential("hub.example", "one"))
	s.untouched(restored)
	if list, _ := s.listOf(ns, "default"); !slices.Contains(list, s.name("gone")) {
		t.Errorf("the list is %v", list)
	}
}

// TestRunonceWithAPolicyConfigMap holds that it means the same there.
func TestRunonceWithAPolicyConfigMap(t *testing.T) {
	s := newSandbox(t)
	ns := s.namespace("a")
	for _, c := range []struct {
		why    string
		status int
		stderr string
		given  func()
	}{
		{"no policy", 1, "there is no policy ConfigMap pullsecrets/pullsecrets-policy", func() {}},
		{"a policy that is refused", 1, "the policy was refused, and there is no earlier one: policy.yaml", func() { s.policyText("rules: {}") }},
		{"a source that is missing", 1, "(SourceMissing)", func() { s.policy(oneRule) }},
		{"all is well", 0, "", func() { s.source("hub", credential("hub.example", "one")) }},
		{"a conflict that the policy leaves alone", 0, "", func() {
			s.create(secrets, secret(s.namespace("b"), s.name("reg"), credential("theirs.example", "x")))
		}},
		{"an edit that is refused", 1, "the policy was refused, and an earlier one is in force", func() { s.policyText("rules: {}") }},
	} {
		for _, informers := range []string{"true", "false"} {
			if informers == "true" {
				c.given()
			}
			p := s.once(c.status, "-use-informers="+informers)
			if !strings.Contains(p.errors.String(), c.stderr) || c.stderr == "" && p.errors.String() != "" {
				t.Errorf("%s, informers %s: stderr %q, want %q", c.why, informers, p.errors, c.stderr)
			}
		}
		if c.why == "all is well" {
			s.wantCopy(ns, "reg", credential("hub.example", "one"))
			s.wantStatus("Ready")
		}
	}
}

// TestWhatComesAndGoesBetweenTwoListsIsMadeAgain has the copy deleted before the controller even knows that it wrote
// it, so that no list ever shows it.
func TestWhatComesAndGoesBetweenTwoListsIsMadeAgain(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	s.policy(oneRule)
	var once sync.Once
	config := rest.CopyConfig(s.config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			response, err := next.RoundTrip(r)
			if r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/secrets/"+s.name("reg")) {
				once.Do(func() { s.delete(secrets, ns, s.name("reg")) })
			}
			return response, err
		})
	})
	client, err := dynamic.NewForConfig(config)
	must(t, err)
	c := reconcile.New(reconcile.Config{
		Client: client, Namespace: home, PolicyName: "pullsecrets-policy", StatusName: "pullsecrets-status",
		Workers: 1, MaxPrune: 50, ListOnly: true, LoopEvery: 50 * time.Millisecond, Log: zerolog.Nop(),
	})
	ctx, cancel := context.WithCancel(s.ctx)
	var running sync.WaitGroup
	running.Go(func() { c.Run(ctx) })
	defer running.Wait()
	defer cancel()
	s.wantList(ns, "default", "+reg")
	s.wantCopy(ns, "reg", credential("hub.example", "one"))
}

// TestRunonceWithoutAnAPIServer holds that it says so and ends, as a Job has to.
func TestRunonceWithoutAnAPIServer(t *testing.T) {
	s := newSandbox(t)
	config := clientcmdapi.NewConfig()
	config.Clusters["none"] = &clientcmdapi.Cluster{Server: "https://127.0.0.1:1"}
	config.Contexts["none"] = &clientcmdapi.Context{Cluster: "none"}
	config.CurrentContext = "none"
	path := filepath.Join(t.TempDir(), "kubeconfig")
	must(t, clientcmd.WriteToFile(*config, path))
	p := s.program("-runonce", "-kubeconfig", path)
	<-p.ended
	if p.status != 1 || !strings.Contains(p.errors.String(), "the API server did not answer") {
		t.Errorf("exit status %d, stderr: %s", p.status, p.errors)
	}
}
