package harness

import (
	"fmt"
	"os"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
	"github.com/pullsecrets/pullsecrets/internal/manifest"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/rbac"
)

// Grant applies the roles that pullsecrets rbac prints for these rules, and the guard that the base ships with them.
//
// It waits for the end of earlier tests: a controller that finds no status takes the names in use from the accounts,
// and to have no permission for those of another test would be a problem to report.
func (s *Sandbox) Grant(rules string, also ...string) {
	s.T.Helper()
	s.Alone()
	p := s.parsed(rules)
	roles, err := manifest.YAML(rbac.Roles(p, rbac.Options{
		Namespace: api.Home, PolicyName: "pullsecrets-policy", StatusName: "pullsecrets-status", Also: also, Admission: s.Admission,
	}))
	Must(s.T, err)
	guard, err := os.ReadFile(Root(s.T) + "/kustomize/base/guard.yaml")
	Must(s.T, err)
	for _, u := range Objects(s.T, string(roles)+"\n---\n"+string(guard)) {
		s.Manifest(u)
	}
	for _, name := range p.CopyNames() {
		s.UntilPermitted("list", name, true)
		s.UntilPermitted("create", name, true)
	}
	// Roles in namespaces come to the API server by another watch than cluster roles.
	s.untilPermitted("pullsecrets", map[string]any{"verb": "patch", "resource": "configmaps", "name": "pullsecrets-status", "namespace": api.Home}, true)
	for _, source := range p.Sources() {
		s.untilPermitted("pullsecrets", map[string]any{"verb": "list", "resource": "secrets", "name": source.Name, "namespace": source.Namespace}, true)
	}
}

// UntilPermitted waits until the API server, which reads roles from a cache of its own, does or does not permit the
// controller a verb on secrets of a name.
func (s *Sandbox) UntilPermitted(verb, name string, want bool) {
	s.T.Helper()
	s.UntilPermittedOn("secrets", verb, name, want)
}

// UntilPermittedOn does the same for another resource.
func (s *Sandbox) UntilPermittedOn(resource, verb, name string, want bool) {
	s.T.Helper()
	s.untilPermitted("pullsecrets", map[string]any{"verb": verb, "resource": resource, "name": name}, want)
}

// untilPermitted waits until the API server does or does not permit this to a service account beside the controller's.
func (s *Sandbox) untilPermitted(account string, attributes map[string]any, want bool) {
	s.T.Helper()
	reviews := schema.GroupVersionResource{Group: "authorization.k8s.io", Version: "v1", Resource: "subjectaccessreviews"}
	s.Eventually(fmt.Sprintf("%v is permitted to %s: %v", attributes, account, want), func() error {
		review := api.Object("authorization.k8s.io/v1", "SubjectAccessReview", "", "")
		review.Object["spec"] = map[string]any{"user": "system:serviceaccount:" + api.Home + ":" + account, "resourceAttributes": attributes}
		answer, err := s.Client.Resource(reviews).Create(s.Ctx, review, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		if allowed, _, _ := unstructured.NestedBool(answer.Object, "status", "allowed"); allowed != want {
			return fmt.Errorf("permitted: %v", allowed)
		}
		return nil
	})
}

// Token makes the controller's service account and returns a token for it, as a pod of it would have.
func (s *Sandbox) Token() string {
	s.T.Helper()
	return s.TokenOf("pullsecrets")
}

// TokenOf makes a service account beside the controller's and returns a token for it.
func (s *Sandbox) TokenOf(account string) string {
	s.T.Helper()
	s.Manifest(api.Object("v1", "ServiceAccount", api.Home, account))
	request := api.Object("authentication.k8s.io/v1", "TokenRequest", api.Home, account)
	answer, err := s.Client.Resource(api.Accounts).Namespace(api.Home).Create(s.Ctx, request, metav1.CreateOptions{}, "token")
	Must(s.T, err)
	token, _, _ := unstructured.NestedString(answer.Object, "status", "token")
	if token == "" {
		s.T.Fatal("the API server gave no token")
	}
	return token
}

// WithToken has the controller work with a token, and with nothing else.
func WithToken(token string) func(*rest.Config) {
	return func(config *rest.Config) {
		*config = rest.Config{Host: config.Host, TLSClientConfig: rest.TLSClientConfig{CAFile: config.CAFile}, BearerToken: token, QPS: -1}
	}
}

// parsed is a policy of rules that have no mistake.
func (s *Sandbox) parsed(rules string) *policy.Policy {
	s.T.Helper()
	p, problems := policy.Parse(map[string]string{"policy.yaml": s.Rules(rules)}, policy.Options{Namespace: api.Home, SourceNamespaces: s.Sources})
	if p == nil {
		s.T.Fatal(problems)
	}
	return p
}
