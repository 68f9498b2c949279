package monitoring

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

func TestMain(m *testing.M) {
	klog.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	return listener.Addr().String()
}

// scene is what the story happens in: two controllers of which one works, an evict, a registry, and a Prometheus.
type scene struct {
	*harness.Sandbox
	prometheus  *server
	binary      string
	kubeconfigs map[string]string // by service account
	processes   map[string]*process
	targets     map[string]target

	hanging atomic.Bool // lists of the secret "later" are not answered

	mu       sync.Mutex
	password string // that the registry takes; empty: none
	away     bool
	registry string
}

// rules is the policy of the story, but for what single steps change.
const rules = `
- name: hub
  secrets: [{source: {name: hub}, name: PREFIXreg}]
  namespaces: {include: ["PREFIX*"]}
- name: asked
  secrets: [{source: {name: asked}, name: PREFIXasked, verify: true}]
  namespaces: {include: ["PREFIXn0*"]}
- name: pods
  secrets: [{source: {name: hub}, name: PREFIXpods}]
  namespaces: {include: ["PREFIXn1*"]}
  attach: pods
`

// later is a rule whose copies the roles permit, and other one whose they do not.
const (
	later = rules + `
- name: later
  secrets: [{source: {name: hub}, name: PREFIXlater}]
  namespaces: {include: ["PREFIXn00"]}
`
	other = rules + `
- name: other
  secrets: [{source: {name: hub}, name: PREFIXother}]
  namespaces: {include: ["PREFIXn00"]}
`
)

func newScene(t *testing.T) *scene {
	s := &scene{Sandbox: harness.NewSandbox(t), binary: harness.Binary(t), processes: map[string]*process{}, password: "good", kubeconfigs: map[string]string{}}
	s.Cluster.Patience = 2 * time.Minute
	s.Admission = true
	s.givesTheLeaseBack()
	s.Component()
	s.Grant(later)
	s.GrantEvict()
	registry := httptest.NewServer(http.HandlerFunc(s.answer))
	t.Cleanup(registry.Close)
	s.registry = strings.TrimPrefix(registry.URL, "http://")
	for _, account := range []string{"pullsecrets", harness.EvictAccount} {
		s.kubeconfigs[account] = s.proxy(account)
	}
	s.Source("hub", api.Credential("hub.example", "one"))
	s.Source("asked", api.Credential(s.registry, "good"))
	for i := range 12 {
		s.Namespace(fmt.Sprintf("n%02d", i))
	}
	s.targets = map[string]target{}
	var targets []target
	for i, name := range []string{"pullsecrets-a", "pullsecrets-b", "pullsecrets-evict-a"} {
		job := "pullsecrets/pullsecrets"
		if strings.Contains(name, "evict") {
			job += "-evict"
		}
		s.targets[name] = target{freeAddress(t), job, name, fmt.Sprintf("10.0.0.%d:8080", i+1)}
		targets = append(targets, s.targets[name])
	}
	s.prometheus = startPrometheus(t, targets)
	for name := range s.targets {
		s.run(name)
	}
	s.Revised("Ready", rules)
	return s
}

// givesTheLeaseBack at the end.
func (s *scene) givesTheLeaseBack() {
	s.T.Cleanup(func() {
		_ = s.Client.Resource(api.Leases).Namespace(api.Home).Delete(s.Ctx, "pullsecrets", metav1.DeleteOptions{})
	})
}

// answer is that of the registry.
func (s *scene) answer(w http.ResponseWriter, r *http.Request) {
	_, password, given := r.BasicAuth()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.away && given:
		w.WriteHeader(http.StatusServiceUnavailable)
	case !given || password != s.password:
		w.Header().Set("Www-Authenticate", `Basic realm="story"`)
		w.WriteHeader(http.StatusUnauthorized)
	}
}

// takes has the registry take a password and no other, or answer nobody.
func (s *scene) takes(password string, away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.password, s.away = password, away
}

// proxy is a way to the API server with the token of a service account and its roles, where lists can be held up.
func (s *scene) proxy(account string) (kubeconfig string) {
	s.T.Helper()
	config := rest.CopyConfig(s.Config)
	harness.WithToken(s.TokenOf(account))(config)
	to, err := url.Parse(config.Host)
	must(s.T, err)
	proxy := httputil.NewSingleHostReverseProxy(to)
	proxy.FlushInterval = -1 // watches
	proxy.Transport, err = rest.TransportFor(config)
	must(s.T, err)
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for s.hanging.Load() && r.Method == http.MethodGet && strings.Contains(r.URL.RawQuery, s.Name("later")) {
			select {
			case <-r.Context().Done():
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
		proxy.ServeHTTP(w, r)
	}))
	s.T.Cleanup(func() {
		s.hanging.Store(false)
		front.CloseClientConnections()
		front.Close()
	})
	kubeconfig = filepath.Join(s.T.TempDir(), "kubeconfig")
	must(s.T, os.WriteFile(kubeconfig, fmt.Appendf(nil, `{apiVersion: v1, kind: Config, current-context: c,
clusters: [{name: c, cluster: {server: %q}}], contexts: [{name: c, context: {cluster: c}}]}`, front.URL), 0o600))
	return kubeconfig
}

// run starts a process, again at the same address.
func (s *scene) run(name string) {
	s.T.Helper()
	args := []string{"run", "-leader-elect", "-admission", "-registry-plain-http", s.registry, "-workers", "4", "-kubeconfig", s.kubeconfigs["pullsecrets"]}
	if strings.Contains(name, "evict") {
		args = []string{"evict", "-kubeconfig", s.kubeconfigs[harness.EvictAccount]}
	}
	s.processes[name] = start(s.T, s.binary, append(args, "-namespace", api.Home, "-health-addr", "", "-metrics-addr", s.targets[name].address, "-log-format", "json")...)
}

// hidden makes a namespace that no rule selects as long as it is not shown.
func (s *scene) hidden(short string) string {
	s.T.Helper()
	ns := api.Object("v1", "Namespace", "", s.Name(short))
	ns.SetAnnotations(map[string]string{"pullsecrets/exclude": "true"})
	s.Create(api.Namespaces, ns)
	s.Eventually("the default service account is born", func() error {
		_, err := s.Client.Resource(api.Accounts).Namespace(ns.GetName()).Get(s.Ctx, "default", metav1.GetOptions{})
		return err
	})
	return ns.GetName()
}

func (s *scene) show(ns string) {
	s.T.Helper()
	s.Merge(api.Namespaces, "", ns, `{"metadata":{"annotations":{"pullsecrets/exclude":null}}}`)
}

// expires has the source hub end at a time.
func (s *scene) expires(in time.Duration) {
	s.T.Helper()
	s.Merge(api.Secrets, api.Home, "hub", fmt.Sprintf(`{"metadata":{"annotations":{"pullsecrets/expires":%q}}}`, time.Now().Add(in).UTC().Format(time.RFC3339)))
}

// denyEvictions has the API server refuse all evictions.
func (s *scene) denyEvictions() (end func()) {
	s.T.Helper()
	group := schema.GroupVersion{Group: "admissionregistration.k8s.io", Version: "v1"}
	policy := api.Object(group.String(), "ValidatingAdmissionPolicy", "", s.Name("no-evictions"))
	policy.Object["spec"] = map[string]any{
		"matchConstraints": map[string]any{"resourceRules": []any{map[string]any{
			"apiGroups": []any{""}, "apiVersions": []any{"v1"}, "operations": []any{"CREATE"}, "resources": []any{"pods/eviction"},
		}}},
		"validations": []any{map[string]any{"expression": "false", "message": "not on Fridays"}},
	}
	binding := api.Object(group.String(), "ValidatingAdmissionPolicyBinding", "", s.Name("no-evictions"))
	binding.Object["spec"] = map[string]any{"policyName": s.Name("no-evictions"), "validationActions": []any{"Deny"}}
	ends := []func(){}
	for resource, u := range map[string]*unstructured.Unstructured{"validatingadmissionpolicies": policy, "validatingadmissionpolicybindings": binding} {
		s.Create(group.WithResource(resource), u)
		ends = append(ends, func() {
			_ = s.Client.Resource(group.WithResource(resource)).Delete(s.Ctx, u.GetName(), metav1.DeleteOptions{})
		})
	}
	end = sync.OnceFunc(func() {
		for _, f := range ends {
			f()
		}
	})
	s.T.Cleanup(end)
	return end
}

// step is a kind of trouble that comes and goes.
type step struct {
	name   string
	alerts []string // that fire by it, when it lasts
	begin  func()
	shows  string // returns something while it is there
	end    func()
	stays  bool // what shows it does not go: a counter, or a fact
}

// story is what happens.
func (s *scene) story() []step {
	policy := func(text string) func() { return func() { s.PolicyText(s.Rules(text)) } }
	back := policy(rules)
	var foreign, denied []string
	var endDenial func()
	var early string
	return []step{
		{name: "a refused policy", alerts: []string{"PullsecretsPolicyRefused"}, shows: `pullsecrets_policy_state{state="Invalid"} == 1`,
			begin: func() { s.PolicyText("apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules: nonsense\n") }, end: back},
		{name: "no policy", alerts: []string{"PullsecretsPolicyMissing"}, shows: `pullsecrets_policy_state{state="Missing"} == 1`,
			begin: func() { s.Delete(api.ConfigMaps, api.Home, "pullsecrets-policy") }, end: back},
		{name: "a source is missing", alerts: []string{"PullsecretsSourceUnusable", "PullsecretsPolicyDegraded"},
			shows: `(pullsecrets_problems{reason="SourceMissing"} > 0) and on () (pullsecrets_policy_state{state="Degraded"} == 1)`,
			begin: func() { s.Delete(api.Secrets, api.Home, "hub") },
			end:   func() { s.Source("hub", api.Credential("hub.example", "two")) }},
		{name: "a role is missing", alerts: []string{"PullsecretsRolesMissing"}, shows: `pullsecrets_problems{reason=~"` + rolesReasons + `"} > 0`,
			begin: policy(other), end: func() { s.Grant(other, s.Name("later")) }},
		{name: "a credential that ends", alerts: []string{"PullsecretsCredentialExpires", "PullsecretsCredentialExpired", "PullsecretsCredentialOld"}, stays: true,
			shows: `pullsecrets_source_expiry_timestamp_seconds`,
			begin: func() { back(); s.expires(72 * time.Hour) },
			end:   func() { s.Source("hub", api.Credential("hub.example", "three")); s.expires(60 * 24 * time.Hour) }},
		{name: "a registry refuses", alerts: []string{"PullsecretsCredentialRefused"}, shows: `pullsecrets_source_verified{verdict="Refused"} == 1`,
			begin: func() { s.Source("asked", api.Credential(s.registry, "bad")) },
			end:   func() { s.Source("asked", api.Credential(s.registry, "good")) }},
		{name: "a registry is away", alerts: []string{"PullsecretsUnverified"}, shows: `pullsecrets_source_verified{verdict="Unverified"} == 1`,
			begin: func() { s.takes("better", true); s.Source("asked", api.Credential(s.registry, "better")) },
			end:   func() { s.takes("best", false); s.Source("asked", api.Credential(s.registry, "best")) }},
		{name: "writes are denied", alerts: []string{"PullsecretsBehind"}, shows: `(pullsecrets_oldest_unsynced_seconds > 2) and on () (pullsecrets_problems{reason="WriteFailed"} >= 4)`,
			begin: func() {
				for i := range 4 {
					ns := s.hidden(fmt.Sprintf("denied%d", i))
					s.Merge(api.Namespaces, "", ns, fmt.Sprintf(`{"metadata":{"labels":{"deny":%q}}}`, s.Name("x")))
					denied = append(denied, ns)
				}
				s.DenyAndEcho(denied[0])
				for _, ns := range denied {
					s.show(ns)
				}
			},
			end: func() {
				for _, ns := range denied {
					s.Merge(api.Namespaces, "", ns, `{"metadata":{"labels":{"deny":null}}}`)
				}
			}},
		{name: "foreign secrets", alerts: []string{"PullsecretsProblems", "PullsecretsNamespacesFailing"}, shows: `pullsecrets_problems{reason="ForeignSecret"} >= 4`,
			begin: func() {
				for i := range 4 {
					ns := s.hidden(fmt.Sprintf("foreign%d", i))
					s.Create(api.Secrets, api.Secret(ns, s.Name("reg"), api.Credential("theirs.example", "x")))
					s.show(ns)
					foreign = append(foreign, ns)
				}
			},
			end: func() {
				for _, ns := range foreign {
					s.Delete(api.Secrets, ns, s.Name("reg"))
				}
			}},
		{name: "a list that hangs", alerts: []string{"PullsecretsWaits"}, shows: `pullsecrets_oldest_unsettled_watch_seconds > 3`,
			begin: func() { s.hanging.Store(true); policy(later)() }, end: func() { s.hanging.Store(false) }},
		{name: "a held prune", alerts: []string{"PullsecretsPruneHeld"}, shows: `pullsecrets_held_prunes > 0`,
			begin: policy(harness.NoRules), end: back},
		{name: "a pod is down", alerts: []string{"PullsecretsDown"}, shows: `up == 0`,
			begin: func() { s.processes["pullsecrets-b"].kill() }, end: func() { s.run("pullsecrets-b") }},
		{name: "restarts", alerts: []string{"PullsecretsRestarts"}, stays: true, shows: `changes(process_start_time_seconds[5m]) > 4`,
			begin: func() {
				for range 5 {
					s.processes["pullsecrets-b"].kill()
					s.prometheus.until("the pod is seen to be down", `up{pod="pullsecrets-b"} == 0`, true, harness.Patient)
					s.run("pullsecrets-b")
					s.prometheus.until("the pod is up again", `up{pod="pullsecrets-b"} == 1`, true, harness.Patient)
				}
			}, end: func() {}},
		{name: "nobody works", alerts: []string{"PullsecretsNobodyWorks"}, shows: `absent(pullsecrets_leader == 1)`,
			begin: func() { s.processes["pullsecrets-a"].kill(); s.processes["pullsecrets-b"].kill() },
			end:   func() { s.run("pullsecrets-a"); s.run("pullsecrets-b") }},
		{name: "a fight", alerts: []string{"PullsecretsFight"}, stays: true, shows: `increase(pullsecrets_fights_total[5m]) > 0`,
			begin: func() {
				policy(strings.Replace(rules, "- name: hub\n", "- name: hub\n  force: true\n", 1))()
				s.fight(6)
			}, end: back},
		{name: "no admission component", alerts: []string{"PullsecretsAdmissionInactive"},
			shows: `(pullsecrets_problems{reason=~"Admission.+"} or pullsecrets_rules_fallen_back) > 0`,
			begin: s.RemoveComponent, end: func() { s.ApplyComponent(); s.Seen() }},
		{name: "evictions are denied", alerts: []string{"PullsecretsEvictionsFail"}, stays: true,
			shows: `sum(increase(pullsecrets_evictions_total{result="failed"}[5m])) > 12`,
			begin: func() {
				endDenial = s.denyEvictions()
				early = s.hidden("early")
				set := s.ReplicaSet(early, "web")
				for i := range 12 {
					s.OwnedPod(early, fmt.Sprintf("web-%02d", i), set)
				}
				s.show(early)
			},
			end: func() { endDenial(); s.Delete(api.Namespaces, "", early) }},
	}
}

// fight has somebody insist on other content of a copy.
func (s *scene) fight(times int) {
	s.T.Helper()
	ns := s.Name("n00")
	for range times {
		s.Eventually("it is repaired", func() error { return s.checkCopy(ns) })
		_, err := s.Client.Resource(api.Secrets).Namespace(ns).Apply(s.Ctx, s.Name("reg"), api.Secret(ns, s.Name("reg"), api.Credential("theirs.example", "x")),
			metav1.ApplyOptions{FieldManager: "argocd-controller", Force: true})
		must(s.T, err)
	}
	s.Eventually("it is repaired", func() error { return s.checkCopy(ns) })
}

func (s *scene) checkCopy(ns string) error {
	u, err := s.Client.Resource(api.Secrets).Namespace(ns).Get(s.Ctx, s.Name("reg"), metav1.GetOptions{})
	if err != nil {
		return err
	}
	data, _, _ := unstructured.NestedString(u.Object, "data", ".dockerconfigjson")
	source, _, _ := unstructured.NestedString(s.Get(api.Secrets, api.Home, "hub").Object, "data", ".dockerconfigjson")
	if data != source {
		return fmt.Errorf("not yet")
	}
	return nil
}

// firesLater are alerts whose expression returns nothing in the few minutes of the story, and why. promtool tries them on what
// the story recorded.
var firesLater = map[string]string{
	"PullsecretsCredentialExpired": "a credential would have to end",
	"PullsecretsCredentialExpires": "two thirds of its life have to be over",
	"PullsecretsCredentialOld":     "it takes 90 days",
	"PullsecretsBehind":            "it takes 5 minutes",
	"PullsecretsWaits":             "it takes a minute",
}

// TestEveryQueryReturnsData has a real Prometheus collect from the real program while one kind of trouble comes after the other.
// The commands of the runbooks are run while it is there. Afterwards every query of alerts and dashboard is asked. With -update
// it records what promtool tries the alerts on, and draws the dashboard.
func TestEveryQueryReturnsData(t *testing.T) {
	s := newScene(t)
	s.prometheus.until("both controllers and evict answer", `count(up == 1) == 3`, true, harness.Patient)
	s.prometheus.until("one works", `sum(pullsecrets_leader) == 1`, true, harness.Patient)
	pause := func() { time.Sleep(4 * time.Second) } // so that Prometheus collects a few times
	pause()
	began := time.Now()
	_, texts := sections(t)
	var recorded []recording
	if *update { // also of a story that does not come to its end
		defer func() { s.draw(began, time.Now()) }()
		defer func() { s.record(recorded) }()
	}
	for _, step := range s.story() {
		r := recording{Step: step.name, Alerts: step.alerts, from: time.Now().Add(-3 * time.Second), began: time.Now()}
		t.Logf("%s: %s", time.Since(began).Round(time.Second), step.name)
		step.begin()
		s.prometheus.until(step.name, step.shows, true, s.Cluster.Patience)
		pause()
		for _, name := range step.alerts {
			s.follow(name, texts[name])
		}
		r.ends = time.Now()
		step.end()
		if !step.stays {
			s.prometheus.until("the end of: "+step.name, step.shows, false, s.Cluster.Patience)
		}
		s.prometheus.until("one works", `sum(pullsecrets_leader) == 1`, true, s.Cluster.Patience)
		r.ended = time.Now()
		pause()
		r.to = time.Now()
		recorded = append(recorded, r)
	}
	ended := time.Now()
	asked := queries()
	for _, of := range slices.Sorted(maps.Keys(asked)) {
		expr := grafana.Replace(asked[of])
		if _, known := firesLater[strings.TrimPrefix(of, "alert ")]; !known && len(s.prometheus.range1(expr, began, ended)) == 0 {
			t.Errorf("%s: %s returns nothing", of, expr)
		}
		for _, selector := range selectors(t, expr) {
			if len(s.prometheus.range1(selector.String(), began, ended)) == 0 {
				t.Errorf("%s: %s returns nothing", of, selector)
			}
		}
	}
}

// follow runs the commands of a runbook.
func (s *scene) follow(name, text string) {
	s.T.Helper()
	all := steps(text)
	if len(all) == 0 {
		s.T.Errorf("the runbook of %s has no command", name)
	}
	for _, command := range all {
		cmd := exec.Command("bash", "-euo", "pipefail", "-c", command)
		cmd.Env = append(os.Environ(), "KUBECONFIG="+s.Kubeconfig, "KUBECACHEDIR="+filepath.Join(filepath.Dir(s.Kubeconfig), "kubectl-cache"))
		if out, err := cmd.CombinedOutput(); err != nil {
			s.T.Errorf("the runbook of %s: %v\n%s\n%s", name, err, command, out)
		} else {
			s.T.Logf("%s:\n%s%.600s", name, command, out)
		}
	}
}
