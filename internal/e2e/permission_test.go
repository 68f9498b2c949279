package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

// roles applies the roles of kustomize/base with these copy names in place of the example policy's.
func (s *sandbox) roles(copies, sources []string) {
	s.t.Helper()
	text, err := os.ReadFile("../../kustomize/base/rbac.yaml")
	must(s.t, err)
	manifest := strings.NewReplacer(
		"[ghcr, regcred]", "["+strings.Join(copies, ", ")+"]",
		"[dockerhub, ghcr]", "["+strings.Join(sources, ", ")+"]",
	).Replace(string(text))
	if manifest == string(text) {
		s.t.Fatal("the manifest no longer has the names that this test replaces")
	}
	for doc := range strings.SplitSeq(manifest, "\n---\n") {
		u := &unstructured.Unstructured{}
		must(s.t, yaml.Unmarshal([]byte(doc), &u.Object))
		resource := schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: strings.ToLower(u.GetKind()) + "s"}
		var scoped dynamic.ResourceInterface = s.client.Resource(resource)
		if !strings.HasPrefix(u.GetKind(), "Cluster") {
			scoped = s.client.Resource(resource).Namespace(home)
		}
		_, err := scoped.Apply(s.ctx, u.GetName(), u, metav1.ApplyOptions{FieldManager: "kubectl", Force: true})
		must(s.t, err)
	}
}

// asItself has the controller work with the permissions of its own service account.
func asItself(config *rest.Config) {
	config.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:pullsecrets:pullsecrets",
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:pullsecrets", "system:authenticated"},
	}
}

func TestTheRolesOfTheBaseSufficeForTheMainJob(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	ns := s.namespace("a")
	s.merge(accounts, ns, "default", `{"imagePullSecrets":[{"name":"theirs"}]}`)
	s.create(secrets, secret(ns, s.name("two"), credential("theirs.example", "x")))
	s.roles([]string{s.name("reg"), s.name("two")}, []string{"hub"})
	r := s.start(asItself)
	s.revised("Ready", forced+`
- name: two
  secrets: [{source: {name: hub}, name: PREFIXtwo}]
  namespaces: {include: ["PREFIX*"]}
  force: true
`)
	s.wantList(ns, "default", "theirs", "+reg", "+two")
	s.source("hub", credential("hub.example", "two"))
	s.wantCopy(ns, "two", credential("hub.example", "two"))
	s.revised("Ready", noRules)
	s.wantList(ns, "default", "theirs")
	s.wantNoCopy(ns, "reg")
	s.wantNames()
	if bad := r.lines("permission"); len(bad) > 0 {
		t.Errorf("something is not permitted:\n%s", strings.Join(bad, "\n"))
	}
}

func TestASecretThatIsNotPermittedIsReportedAndTheRestGoesOn(t *testing.T) {
	s := newSandbox(t)
	s.source("hub", credential("hub.example", "one"))
	s.source("ghcr", credential("ghcr.example", "two"))
	ns := s.namespace("a")
	s.roles([]string{s.name("reg")}, []string{"hub"})
	r := s.start(asItself)
	both := oneRule + `
- name: ghcr
  secrets: [{source: {name: ghcr}, name: PREFIXghcr}]
  namespaces: {include: ["PREFIX*"]}
`
	s.revised("Degraded", both)
	s.wantStatus("Degraded", "rule ghcr", "CopyForbidden", "grant get, list, watch, create, patch and delete")
	s.wantList(ns, "default", "+reg")
	for _, want := range []string{
		fmt.Sprintf(`secrets named %s in all namespaces`, s.name("ghcr")),
		"secrets named ghcr in namespace pullsecrets",
	} {
		if n := len(r.lines("no permission to list and watch", want, "cannot list resource")); n != 1 {
			t.Errorf("%q was said %d times, want 1", want, n)
		}
	}
	// The role comes: no restart, no edit of the policy.
	s.roles([]string{s.name("reg"), s.name("ghcr")}, []string{"hub", "ghcr"})
	s.wantList(ns, "default", "+reg", "+ghcr")
	s.wantCopy(ns, "ghcr", credential("ghcr.example", "two"))
	s.wantStatus("Ready")
}
