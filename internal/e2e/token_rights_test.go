package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// thief sends bare requests with somebody's token.
type thief struct {
	t      *testing.T
	host   string
	client *http.Client
}

func newThief(t *testing.T, config *rest.Config) thief {
	t.Helper()
	client, err := rest.HTTPClientFor(config)
	harness.Must(t, err)
	client.Timeout = harness.Patient // a watch that is permitted would never end
	return thief{t, config.Host, client}
}

// thief returns one with the controller's token and the base's roles for a policy, and one with the administrator's.
func (s *sandbox) thief(rules string) (stolen, admin thief) {
	s.T.Helper()
	s.Grant(rules)
	config := rest.CopyConfig(s.Config)
	harness.WithToken(s.Token())(config)
	return newThief(s.T, config), newThief(s.T, s.Config)
}

// attempt is a request that is only tried out: nothing that it succeeds with is kept.
type attempt struct {
	why          string
	method, path string
	body         any
	header       map[string]string
}

// try returns the status code and what the API server said.
func (th thief) try(a attempt) (code int, message string) {
	th.t.Helper()
	body := ""
	if a.body != nil {
		text, err := json.Marshal(a.body)
		harness.Must(th.t, err)
		body = string(text)
	}
	path := a.path
	if a.method != http.MethodGet {
		separator := "?"
		if strings.Contains(path, "?") {
			separator = "&"
		}
		path += separator + "dryRun=All"
	}
	req, err := http.NewRequestWithContext(th.t.Context(), a.method, th.host+path, strings.NewReader(body))
	harness.Must(th.t, err)
	req.Header.Set("Content-Type", "application/json")
	if a.method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/merge-patch+json")
	}
	for k, v := range a.header {
		req.Header.Set(k, v)
	}
	resp, err := th.client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return resp.StatusCode, err.Error()
	}
	var status metav1.Status
	if json.Unmarshal(text, &status) == nil && status.Kind == "Status" {
		return resp.StatusCode, status.Message
	}
	return resp.StatusCode, string(text)
}

// TestAllThatTheTokenMayDo asks the API server for every rule that applies to the controller's token.
func TestAllThatTheTokenMayDo(t *testing.T) {
	s := newSandbox(t)
	s.Grant(harness.OneRule)
	config := rest.CopyConfig(s.Config)
	harness.WithToken(s.Token())(config)
	client, err := dynamic.NewForConfig(config)
	harness.Must(t, err)
	reg := s.Name("reg")
	everywhere := append(s.everyAccountMay(),
		"get,list,watch,create,patch,delete secrets ["+reg+"]",
		"get,list,watch,patch serviceaccounts []",
		"list,watch namespaces []",
	)
	atHome := []string{
		"list,watch secrets [hub]",
		"list,watch,patch configmaps [pullsecrets-policy]",
		"list,watch,create,patch configmaps [pullsecrets-status]",
		"get,create,update leases.coordination.k8s.io [pullsecrets]",
		"create,patch events []",
	}
	for ns, want := range map[string][]string{
		api.Home: slices.Concat(everywhere, atHome), "kube-system": everywhere, "default": everywhere,
	} {
		slices.Sort(want)
		if diff := cmp.Diff(want, rulesOf(t, client, ns)); diff != "" {
			t.Errorf("in %s (-want +got):\n%s", ns, diff)
		}
	}
}

// everyAccountMay is what Kubernetes itself lets every service account do.
func (s *sandbox) everyAccountMay() []string {
	s.T.Helper()
	rules := []string{
		"create selfsubjectreviews.authentication.k8s.io []",
		"create selfsubjectaccessreviews,selfsubjectrulesreviews.authorization.k8s.io []",
	}
	if s.Serves(harness.TrustBundles) {
		rules = append(rules, "get,list,watch clustertrustbundles.certificates.k8s.io []")
	}
	return rules
}

// rulesOf returns what the client may do with resources in a namespace, a rule a line.
func rulesOf(t *testing.T, client dynamic.Interface, ns string) (lines []string) {
	t.Helper()
	reviews := schema.GroupVersionResource{Group: "authorization.k8s.io", Version: "v1", Resource: "selfsubjectrulesreviews"}
	review := api.Object("authorization.k8s.io/v1", "SelfSubjectRulesReview", "", "")
	review.Object["spec"] = map[string]any{"namespace": ns}
	answer, err := client.Resource(reviews).Create(t.Context(), review, metav1.CreateOptions{})
	harness.Must(t, err)
	if incomplete, _, _ := unstructured.NestedBool(answer.Object, "status", "incomplete"); incomplete {
		t.Error("the API server does not know all rules")
	}
	rules, _, _ := unstructured.NestedSlice(answer.Object, "status", "resourceRules")
	for _, r := range rules {
		list := func(field string) string {
			words, _, _ := unstructured.NestedStringSlice(r.(map[string]any), field)
			return strings.Join(words, ",")
		}
		resource := list("resources")
		if group := list("apiGroups"); group != "" {
			resource += "." + group
		}
		lines = append(lines, list("verbs")+" "+resource+" ["+list("resourceNames")+"]")
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// permitted is what the token may do without a name, or with a name that no policy has.
var permitted = []string{
	"list namespaces", "watch namespaces",
	"get serviceaccounts", "list serviceaccounts", "watch serviceaccounts", "patch serviceaccounts",
	"create selfsubjectaccessreviews.authorization.k8s.io", "create selfsubjectrulesreviews.authorization.k8s.io",
	"create selfsubjectreviews.authentication.k8s.io",
	// Kubernetes lets every service account do these.
	"get clustertrustbundles.certificates.k8s.io", "list clustertrustbundles.certificates.k8s.io", "watch clustertrustbundles.certificates.k8s.io",
}

// permittedAtHome is what it may do in its own namespace besides.
var permittedAtHome = []string{"create events", "patch events"}

// TestTheTokenIsRefusedEverythingElse sends a request for each verb of each resource that this API server has, for the
// controller's namespace, another, and all: where the object has a name, one that no policy names.
func TestTheTokenIsRefusedEverythingElse(t *testing.T) {
	s := newSandbox(t)
	stolen, admin := s.thief(harness.OneRule)
	refused := 0
	for _, list := range admin.resources() {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		harness.Must(t, err)
		for _, r := range list.APIResources {
			places := []string{""}
			if r.Namespaced {
				places = []string{"", api.Home, "kube-system"}
			}
			for _, ns := range places {
				for _, verb := range []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"} {
					a, ok := attemptOf(gv, r.Name, ns, verb)
					if !ok {
						continue
					}
					resource := schema.GroupResource{Group: gv.Group, Resource: r.Name}.String()
					what := verb + " " + resource
					if slices.Contains(permitted, what) || ns == api.Home && slices.Contains(permittedAtHome, what) {
						continue
					}
					code, message := stolen.try(a)
					if code != http.StatusForbidden || !strings.Contains(message, fmt.Sprintf("cannot %s resource %q", verb, r.Name)) {
						t.Errorf("%s in %q: %s %s: %d %.200s", what, ns, a.method, a.path, code, message)
						continue
					}
					refused++
				}
			}
		}
	}
	t.Logf("%d requests were refused", refused)
	if refused < 1000 {
		t.Error("this API server has few resources: were they all found?")
	}
}

// resources asks the API server for all resources that it has.
func (th thief) resources() []metav1.APIResourceList {
	th.t.Helper()
	var groups metav1.APIGroupList
	th.read("/apis", &groups)
	lists := make([]metav1.APIResourceList, 1)
	th.read("/api/v1", &lists[0])
	for _, g := range groups.Groups {
		for _, v := range g.Versions {
			var list metav1.APIResourceList
			th.read("/apis/"+v.GroupVersion, &list)
			lists = append(lists, list)
		}
	}
	return lists
}

func (th thief) read(path string, into any) {
	th.t.Helper()
	code, text := th.try(attempt{method: http.MethodGet, path: path})
	if code != http.StatusOK {
		th.t.Fatalf("%s: %d %s", path, code, text)
	}
	harness.Must(th.t, json.Unmarshal([]byte(text), into))
}

// attemptOf is the request for a verb, if there is one: without a namespace only lists have a path, and only a list of
// objects has a collection.
func attemptOf(gv schema.GroupVersion, resource, ns, verb string) (a attempt, ok bool) {
	root := "/apis/" + gv.String()
	if gv.Group == "" {
		root = "/api/" + gv.Version
	}
	if ns != "" {
		root += "/namespaces/" + ns
	}
	top, sub, isSub := strings.Cut(resource, "/")
	collection := root + "/" + top
	object := collection + "/not-in-any-policy"
	if isSub {
		object += "/" + sub
	}
	switch verb {
	case "get":
		a.method, a.path = http.MethodGet, object
	case "update":
		a.method, a.path = http.MethodPut, object
	case "patch":
		a.method, a.path = http.MethodPatch, object
	case "delete":
		a.method, a.path = http.MethodDelete, object
	case "list":
		a.method, a.path = http.MethodGet, collection
	case "watch":
		a.method, a.path = http.MethodGet, collection+"?watch=true"
	case "deletecollection":
		a.method, a.path = http.MethodDelete, collection
	case "create":
		a.method, a.path = http.MethodPost, collection
		if isSub {
			a.path = object
		}
	}
	if isSub && slices.Contains([]string{"list", "watch", "deletecollection"}, verb) {
		return a, false
	}
	return a, true
}

// TestTheLeaseIsMadeByName shows what leader election can rely on: a Lease may be made by an update of one that does
// not exist, which is authorised with its name, and by no other create, which has none.
func TestTheLeaseIsMadeByName(t *testing.T) {
	s := newSandbox(t)
	stolen, _ := s.thief(harness.NoRules)
	folder := "/apis/coordination.k8s.io/v1/namespaces/" + api.Home + "/leases"
	lease := func(name string) any { return api.Object("coordination.k8s.io/v1", "Lease", api.Home, name).Object }
	for _, c := range []struct {
		attempt
		want int
	}{
		{attempt{why: "by update", method: http.MethodPut, path: folder + "/pullsecrets", body: lease("pullsecrets")}, http.StatusCreated},
		{attempt{why: "by update, another", method: http.MethodPut, path: folder + "/other", body: lease("other")}, http.StatusForbidden},
		{attempt{why: "by create", method: http.MethodPost, path: folder, body: lease("pullsecrets")}, http.StatusForbidden},
	} {
		if code, message := stolen.try(c.attempt); code != c.want {
			t.Errorf("%s: %d %s, want %d", c.why, code, message, c.want)
		}
	}
}

// TestKnownWaysUp tries what is known to turn some permission into more. Each attempt is one that the administrator is
// not refused, so it is refused for whose token it is and not for how it is asked.
func TestKnownWaysUp(t *testing.T) {
	s := newSandbox(t)
	s.Source("hub", api.Credential("hub.example", "one"))
	ns := s.Namespace("a")
	s.Create(api.Secrets, api.Secret(ns, "theirs", api.Credential("theirs.example", "x")))
	s.Create(api.Secrets, api.Secret(api.Home, "other", api.Credential("theirs.example", "x")))
	s.Create(api.Secrets, api.Secret(ns, s.Name("reg"), api.Credential("hub.example", "x")))
	s.Policy(harness.OneRule)
	stolen, admin := s.thief(harness.OneRule)
	s.Eventually("the guard is in force", func() error {
		for _, a := range guarded(s, ns) {
			if code, message := stolen.try(a); code != http.StatusForbidden {
				return fmt.Errorf("%s: %d %.300s", a.why, code, message)
			}
		}
		return nil
	})
	for _, a := range waysUp(s, ns) {
		t.Run(a.why, func(t *testing.T) {
			stolen.t, admin.t = t, t
			if code, message := stolen.try(a); code != http.StatusForbidden {
				t.Errorf("%s %s with the controller's token: %d %.300s", a.method, a.path, code, message)
			}
			if code, message := admin.try(a); code >= 400 {
				t.Errorf("%s %s as administrator: %d %.300s; the attempt proves nothing", a.method, a.path, code, message)
			}
		})
	}
}
