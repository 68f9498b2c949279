package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// otherNamespaces are excluded in every test: the ancestor serves all namespaces.
const otherNamespaces = "default,kube-system,kube-public,kube-node-lease"

// file writes a file that lasts as long as the test.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), ".dockerconfigjson")
	harness.Must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// TestEveryRowOfTheAncestorsTables has one subtest for each row of the two tables in imagepullsecret-patcher's README,
// of the original and of the fork that has informers, named as the row is. Every form in which a row can be given is
// tested in internal/cli.
func TestEveryRowOfTheAncestorsTables(t *testing.T) {
	one, two := api.Credential("hub.example", "one"), api.Credential("hub.example", "two")
	foreign := api.Credential("theirs.example", "x")
	rows := map[string]func(t *testing.T, s *sandbox, given ...string){
		"force": func(t *testing.T, s *sandbox, given ...string) {
			ns := s.Namespace("a")
			theirs := s.Create(api.Secrets, api.Secret(ns, s.Name("reg"), foreign))
			p := s.Once(0, append(given, "-force=false")...)
			s.WantList(ns, "default")
			if api.Content(s.Get(api.Secrets, ns, s.Name("reg"))) != foreign || len(p.Lines(`"reason":"ForeignSecret"`)) != 1 {
				t.Error("without force it was overwritten, or nothing was said")
			}
			p = s.Once(0, given...) // the default is true
			s.WantList(ns, "default", "+reg")
			if got := s.WantCopy(ns, "reg", one); got.GetUID() != theirs.GetUID() {
				t.Error("it was deleted and created again")
			}
			if len(p.Lines("replacing what somebody else wrote", "registry theirs.example: removed")) != 1 {
				t.Error("the diff was not logged")
			}
		},
		"debug": func(t *testing.T, s *sandbox, given ...string) {
			s.Namespace("a")
			if p := s.Once(0, given...); len(p.Lines(`"level":"debug"`)) > 0 {
				t.Error("debug lines without debug")
			}
			if p := s.Once(0, append(given, "--debug")...); len(p.Lines(`"level":"debug"`)) == 0 {
				t.Error("no debug lines")
			}
		},
		"managedonly": func(t *testing.T, s *sandbox, given ...string) {
			theirs, ours := s.Namespace("theirs"), s.Namespace("ours")
			s.Create(api.Secrets, api.Secret(theirs, s.Name("reg"), foreign))
			managed := api.Secret(ours, s.Name("reg"), foreign)
			managed.SetAnnotations(map[string]string{"app.kubernetes.io/managed-by": "imagepullsecret-patcher"})
			s.Create(api.Secrets, managed)
			s.Once(0, append(given, "-managedonly", "-force=true")...)
			s.WantCopy(ours, "reg", one)
			s.WantList(ours, "default", "+reg")
			s.WantList(theirs, "default")
			if api.Content(s.Get(api.Secrets, theirs, s.Name("reg"))) != foreign {
				t.Error("a secret of somebody else was overwritten")
			}
		},
		"runonce": func(t *testing.T, s *sandbox, given ...string) {
			ns := s.Namespace("a")
			for _, informers := range []string{"true", "false"} {
				s.Once(0, append(given, "-use-informers="+informers, "-loop-duration=1h")...)
				if !s.Has(ns, "reg") {
					t.Error("it exited before the copy was there")
				}
				s.WantList(ns, "default", "+reg")
				s.Delete(api.Secrets, ns, s.Name("reg"))
			}
			bad := s.Namespace("bad")
			s.denySecrets(bad)
			p := s.Once(1, given...)
			if !s.Has(ns, "reg") {
				t.Error("a bad namespace kept another from being served")
			}
			if !strings.Contains(p.Errors.String(), "1 problems are left; the first: Secret "+bad) {
				t.Errorf("stderr: %s", p.Errors)
			}
		},
		"serviceaccounts": func(t *testing.T, s *sandbox, given ...string) {
			ns := s.Namespace("a")
			s.Account(ns, "ci")
			s.Account(ns, "web")
			s.Once(0, given...)
			s.WantList(ns, "default", "+reg")
			s.WantList(ns, "ci")
			s.Once(0, append(given, "-serviceaccounts=default,ci")...)
			s.WantList(ns, "ci", "+reg")
			s.WantList(ns, "web")
		},
		"all service account": func(t *testing.T, s *sandbox, given ...string) {
			ns := s.Namespace("a")
			s.Account(ns, "ci")
			s.Once(0, append(given, "-allserviceaccount", "-serviceaccounts=nobody")...)
			s.WantList(ns, "default", "+reg")
			s.WantList(ns, "ci", "+reg")
		},
		"dockerconfigjson": func(t *testing.T, s *sandbox, _ ...string) {
			ns := s.Namespace("a")
			t.Setenv("CONFIG_DOCKERCONFIGJSON", two)
			p := s.Once(0, "-secretname=PREFIXreg", "-excluded-namespaces="+otherNamespaces)
			s.WantCopy(ns, "reg", two)
			if strings.Contains(p.Out.String(), "dHdv") || strings.Contains(p.Out.String(), two) {
				t.Error("the log has the credential")
			}
		},
		"dockerconfigjsonpath": func(t *testing.T, s *sandbox, _ ...string) {
			ns := s.Namespace("a")
			dir := t.TempDir()
			mount(t, dir, "1", one)
			s.Loop("-dockerconfigjsonpath="+filepath.Join(dir, ".dockerconfigjson"), "-secretname=PREFIXreg", "-excluded-namespaces="+otherNamespaces)
			before := s.WantCopy(ns, "reg", one)
			mount(t, dir, "2", two)
			if after := s.WantCopy(ns, "reg", two); after.GetUID() != before.GetUID() {
				t.Error("it was not rotated in place")
			}
			mount(t, dir, "3", "{") // a broken file empties nothing
			s.Eventually("the broken file is reported", func() error {
				return s.reported("SourceInvalid")
			})
			s.WantCopy(ns, "reg", two)
			harness.Must(t, os.Remove(filepath.Join(dir, "..data"))) // neither does one that is gone
			s.Eventually("the missing file is reported", func() error {
				return s.reported("SourceMissing")
			})
			s.WantCopy(ns, "reg", two)
			mount(t, dir, "4", one)
			s.WantCopy(ns, "reg", one)
		},
		"secret name": func(t *testing.T, s *sandbox, _ ...string) {
			ns := s.Namespace("a")
			path := file(t, one)
			s.Once(0, "-dockerconfigjsonpath="+path, "-excluded-namespaces="+otherNamespaces)
			if got := api.Content(s.Get(api.Secrets, ns, "image-pull-secret")); got != one {
				t.Error("the default name is not image-pull-secret")
			}
			s.Once(0, "-dockerconfigjsonpath="+path, "-excluded-namespaces="+otherNamespaces, "-secretname=PREFIXother")
			s.WantCopy(ns, "other", one)
			s.WantList(ns, "default", "image-pull-secret", "+other") // the ancestor removes nothing either
			s.Get(api.Secrets, ns, "image-pull-secret")
		},
		"excluded namespaces": func(t *testing.T, s *sandbox, _ ...string) {
			ns, out := s.Namespace("a"), s.Namespace("out")
			s.Once(0, "-dockerconfigjsonpath="+file(t, one), "-secretname=PREFIXreg", "-excluded-namespaces="+otherNamespaces+",PREFIXout")
			s.WantCopy(ns, "reg", one)
			s.WantList(out, "default")
			if s.Has(out, "reg") {
				t.Error("an excluded namespace got a copy")
			}
		},
		"loop duration": func(t *testing.T, s *sandbox, given ...string) {
			s.Namespace("a")
			s.Loop(append(given, "-use-informers=false", "-loop-duration=100ms")...)
			s.WantCopy(s.Name("a"), "reg", one)
			ns := s.Namespace("late") // seen by a later pass
			s.WantCopy(ns, "reg", one)
			s.WantList(ns, "default", "+reg")
			// Gone before a pass sees that we made it, or after: it comes back either way.
			s.Delete(api.Secrets, ns, s.Name("reg"))
			s.WantCopy(ns, "reg", one)
		},
		"use informers": func(t *testing.T, s *sandbox, given ...string) {
			first := s.Namespace("a")
			p := s.Loop(append(given, "-loop-duration=1h")...) // nothing is seen but by watching
			s.WantCopy(first, "reg", one)
			ns := s.Namespace("late")
			s.WantCopy(ns, "reg", one)
			p.Stop()
			s.role("PREFIXlister", "list", "get", "patch", "create", "delete")
			late := s.as("PREFIXlister", append(given, "-use-informers=false", "-loop-duration=100ms")...)
			other := s.Namespace("other")
			s.WantCopy(other, "reg", one)
			if bad := late.Lines("permission to watch"); len(bad) > 0 {
				t.Errorf("it watches although it was told not to: %v", bad)
			}
		},
		"running in cluster": func(t *testing.T, s *sandbox, given ...string) {
			ns := s.Namespace("a")
			t.Setenv("KUBECONFIG", s.Kubeconfig)
			p := s.Program(append(given, "-running-in-cluster=false", "-runonce", "-namespace", api.Home)...)
			<-p.Ended
			if p.Status != 0 {
				t.Errorf("exit status %d: %s", p.Status, p.Errors)
			}
			s.WantCopy(ns, "reg", one)
			p = s.Program(append(given, "-running-in-cluster=true", "-runonce", "-namespace", api.Home)...)
			<-p.Ended
			if want := "give -running-in-cluster=false"; p.Status != 1 || !strings.Contains(p.Errors.String(), want) {
				t.Errorf("outside of a cluster: exit status %d, stderr %q, want %q", p.Status, p.Errors, want)
			}
		},
		"secret namespace": func(t *testing.T, s *sandbox, _ ...string) {
			ns, vault := s.Namespace("a"), s.Namespace("vault")
			s.Create(api.Secrets, api.Secret(vault, s.Name("reg"), one))
			namesake := s.Create(api.Secrets, api.Secret(api.Home, s.Name("reg"), foreign))
			args := []string{"-secretnamespace=PREFIXvault", "-secretname=PREFIXreg", "-excluded-namespaces=" + otherNamespaces}
			s.Once(0, args...)
			s.WantCopy(ns, "reg", one)
			s.WantList(ns, "default", "+reg")
			s.WantList(vault, "default", "+reg")
			s.Loop(args...)
			original := s.Merge(api.Secrets, vault, s.Name("reg"), fmt.Sprintf(`{"stringData":{".dockerconfigjson":%q}}`, two))
			s.WantCopy(ns, "reg", two)
			for _, u := range []*unstructured.Unstructured{original, namesake} {
				if got := s.Get(api.Secrets, u.GetNamespace(), u.GetName()); got.GetResourceVersion() != u.GetResourceVersion() {
					t.Errorf("%s/%s was written", u.GetNamespace(), u.GetName())
				}
			}
		},
		"k8s.titansoft.com/imagepullsecret-patcher-exclude": func(t *testing.T, s *sandbox, given ...string) {
			ns, out, odd := s.Namespace("a"), s.Namespace("out"), s.Namespace("odd")
			s.Merge(api.Namespaces, "", out, `{"metadata":{"annotations":{"k8s.titansoft.com/imagepullsecret-patcher-exclude":"true"}}}`)
			s.Merge(api.Namespaces, "", odd, `{"metadata":{"annotations":{"k8s.titansoft.com/imagepullsecret-patcher-exclude":"yes"}}}`)
			s.Once(0, given...)
			s.WantCopy(ns, "reg", one)
			s.WantCopy(odd, "reg", one)
			s.WantList(out, "default")
			if s.Has(out, "reg") {
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
	s.T.Helper()
	none := map[string]any{"secrets": "0"}
	quota := api.Object("v1", "ResourceQuota", ns, "none")
	quota.Object["spec"] = map[string]any{"hard": none}
	quotas := s.Client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "resourcequotas"}).Namespace(ns)
	quota, err := quotas.Create(s.Ctx, quota, metav1.CreateOptions{})
	harness.Must(s.T, err)
	quota.Object["status"] = map[string]any{"hard": none, "used": none} // no controller does it here
	_, err = quotas.UpdateStatus(s.Ctx, quota, metav1.UpdateOptions{})
	harness.Must(s.T, err)
	s.Eventually("secrets are denied", func() error {
		_, err := s.Client.Resource(api.Secrets).Namespace(ns).Create(s.Ctx, api.Secret(ns, "probe", api.Credential("x", "x")),
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
	harness.Must(t, os.Mkdir(filepath.Join(dir, "..v"+version), 0o700))
	harness.Must(t, os.WriteFile(filepath.Join(dir, "..v"+version, ".dockerconfigjson"), []byte(text), 0o600))
	harness.Must(t, os.Symlink("..v"+version, filepath.Join(dir, "..tmp")))
	harness.Must(t, os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")))
	if _, err := os.Lstat(filepath.Join(dir, ".dockerconfigjson")); os.IsNotExist(err) {
		harness.Must(t, os.Symlink(filepath.Join("..data", ".dockerconfigjson"), filepath.Join(dir, ".dockerconfigjson")))
	}
}

// reported wants a problem in the status ConfigMap.
func (s *sandbox) reported(reason string) error {
	u, err := s.Client.Resource(api.ConfigMaps).Namespace(api.Home).Get(s.Ctx, "pullsecrets-status", metav1.GetOptions{})
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
	s.T.Helper()
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
		harness.Must(s.T, yaml.Unmarshal([]byte(s.Expand(text)), &u.Object))
		u.SetAPIVersion("rbac.authorization.k8s.io/v1")
		u.SetName(s.Expand(user))
		resource := schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: strings.ToLower(u.GetKind()) + "s"}
		_, err := s.Client.Resource(resource).Create(s.Ctx, u, metav1.CreateOptions{})
		harness.Must(s.T, err)
		s.T.Cleanup(func() { _ = s.Client.Resource(resource).Delete(s.Ctx, u.GetName(), metav1.DeleteOptions{}) })
	}
}

// as runs until the test ends, with the permissions of a user.
func (s *sandbox) as(user string, args ...string) *harness.Program {
	s.T.Helper()
	config, err := clientcmd.LoadFromFile(s.Kubeconfig)
	harness.Must(s.T, err)
	for _, auth := range config.AuthInfos {
		*auth = clientcmdapi.AuthInfo{
			Token: auth.Token, TokenFile: auth.TokenFile, ClientCertificate: auth.ClientCertificate, ClientCertificateData: auth.ClientCertificateData,
			ClientKey: auth.ClientKey, ClientKeyData: auth.ClientKeyData, Impersonate: s.Expand(user),
		}
	}
	path := filepath.Join(s.T.TempDir(), "kubeconfig")
	harness.Must(s.T, clientcmd.WriteToFile(*config, path))
	return s.Program(append(args, "-kubeconfig", path, "-namespace", api.Home)...)
}

// TestTheManifestsOfTheAncestorWorkUnchanged gives what its Deployment gives, with the verbs that its ClusterRole has:
// no watch, no ConfigMaps, no Events.
func TestTheManifestsOfTheAncestorWorkUnchanged(t *testing.T) {
	s := newSandbox(t)
	ns := s.Namespace("a")
	s.Account(ns, "ci")
	made := api.Secret(ns, s.Name("reg"), api.Credential("hub.example", "zero"))
	made.SetAnnotations(map[string]string{"app.kubernetes.io/managed-by": "imagepullsecret-patcher"})
	made = s.Create(api.Secrets, made)
	dir := t.TempDir()
	mount(t, dir, "1", api.Credential("hub.example", "one"))
	for name, value := range map[string]string{
		"CONFIG_FORCE": "true", "CONFIG_DEBUG": "false", "CONFIG_ALLSERVICEACCOUNT": "true",
		"CONFIG_DOCKERCONFIGJSONPATH": filepath.Join(dir, ".dockerconfigjson"),
		// What the manifests leave out, so that the test keeps to itself and is quick.
		"CONFIG_SECRETNAME": s.Name("reg"), "CONFIG_EXCLUDED_NAMESPACES": otherNamespaces, "CONFIG_LOOP_DURATION": "200ms",
	} {
		t.Setenv(name, value)
	}
	s.role("PREFIXpatcher", "list", "patch", "create", "get", "delete")
	p := s.as("PREFIXpatcher")
	got := s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
	if got.GetUID() != made.GetUID() {
		t.Error("the ancestor's copy was not adopted in place")
	}
	s.WantList(ns, "default", "+reg")
	s.WantList(ns, "ci", "+reg")
	late := s.Namespace("late")
	s.WantCopy(late, "reg", api.Credential("hub.example", "one"))
	s.WantList(late, "default", "+reg")
	mount(t, dir, "2", api.Credential("hub.example", "two"))
	s.WantCopy(late, "reg", api.Credential("hub.example", "two"))
	s.Delete(api.Secrets, late, s.Name("reg"))
	s.WantCopy(late, "reg", api.Credential("hub.example", "two"))
	for words, n := range map[string]int{
		"no permission to watch namespaces in all namespaces; listing every 200ms instead": 1,
		"no permission for the status ConfigMap":                                           1,
		"cannot write":                                                                     0,
		`"status":"Ready"`:                                                                 1,
		`"level":"error"`:                                                                  0,
	} {
		if got := p.Lines(words); len(got) != n {
			t.Errorf("%d lines have %q, want %d", len(got), words, n)
		}
	}
}

// TestTheSettingsOfTheAncestorReplaceTheConfigMap holds that it is not read, and that nothing that it brought is lost.
func TestTheSettingsOfTheAncestorReplaceTheConfigMap(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	r := s.Start()
	s.Revised("Ready", harness.OneRule)
	s.WantList(ns, "default", "+reg")
	r.Stop()
	s.Policy(harness.NoRules)
	p := s.Once(1, "-dockerconfigjsonpath="+file(t, api.Credential("hub.example", "two")), "-secretname=PREFIXflag", "-excluded-namespaces="+otherNamespaces)
	if !strings.Contains(p.Errors.String(), "PruneHeld") {
		t.Errorf("stderr: %s", p.Errors)
	}
	s.WantList(ns, "default", "+reg", "+flag")
	s.WantCopy(ns, "flag", api.Credential("hub.example", "two"))
	s.WantCopy(ns, "reg", api.Credential("hub.example", "one"))
}
