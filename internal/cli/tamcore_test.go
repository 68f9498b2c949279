package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// settled is what the settings came to, where the two forks' defaults differ.
type settled struct {
	Name, Namespace    string
	Excluded, Accounts []string
	OptOut             []string
}

// TestWhoseDefaultsHold has what tells tamcore's fork from the others: a setting that only it has.
func TestWhoseDefaultsHold(t *testing.T) {
	const given = "-dockerconfigjson=" + goodCredential
	original := settled{"image-pull-secret", "imagepullsecret-patcher", nil, []string{"default"}, []string{tamcoreExclude}}
	fork := settled{"global-imagepullsecret", "tools", []string{"kube-*"}, []string{"default"}, []string{tamcoreExclude}}
	for _, c := range []struct {
		why  string
		args []string
		env  map[string]string
		want settled
	}{
		{"nothing tells", nil, nil, original},
		{"a setting of all", nil, map[string]string{"CONFIG_FORCE": "true"}, original},
		{"an empty variable is none", nil, map[string]string{"CONFIG_DELETE_PODS": "", "CONFIG_EXCLUDE_ANNOTATION": ""}, original},
		{"the fork's annotation", nil, map[string]string{"CONFIG_EXCLUDE_ANNOTATION": "example.com/out"},
			settled{fork.Name, fork.Namespace, fork.Excluded, fork.Accounts, []string{"example.com/out"}}},
		{"pods", nil, map[string]string{"CONFIG_DELETE_PODS": "false"}, fork},
		{"the file", nil, map[string]string{"CONFIG_WATCH_DOCKERCONFIGJSONPATH": "true"}, fork},
		{"reconciles", nil, map[string]string{"CONFIG_MAX_CONCURRENT_RECONCILES": "3"}, fork},
		{"a flag", []string{"--max-concurrent-reconciles=3"}, nil, fork},
		{"a flag without effect", []string{"-zap-encoder", "json"}, nil, fork},
		{"a port", []string{"--health-probe-bind-address=:8081"}, nil, fork},
		{"what is given wins", []string{"-deletepods", "-secretname=a", "-secretnamespace=b", "-excluded-namespaces=c", "-serviceaccounts=d"}, nil,
			settled{"a", "b", []string{"c"}, []string{"d"}, []string{tamcoreExclude}}},
		{"what is empty is not given there", []string{"-deletepods"}, map[string]string{"CONFIG_SERVICEACCOUNTS": "", "CONFIG_SECRETNAME": "", "CONFIG_EXCLUDED_NAMESPACES": ""}, fork},
		{"and no account in the original", nil, map[string]string{"CONFIG_SERVICEACCOUNTS": ""}, settled{original.Name, original.Namespace, nil, []string{}, original.OptOut}},
	} {
		t.Run(c.why, func(t *testing.T) {
			inNamespace(t, "tools")
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			o, err := parse(t, append(c.args, given)...)
			if err != nil {
				t.Fatal(err)
			}
			want := c.want
			for _, ns := range []string{"tools", want.Namespace} { // where the credential may be mounted from
				if len(want.Excluded) == 0 || want.Excluded[len(want.Excluded)-1] != ns {
					want.Excluded = append(want.Excluded[:len(want.Excluded):len(want.Excluded)], ns)
				}
			}
			got := settled{o.rule.Secrets[0].Source.Name, o.ancestor.secretNamespace.text, o.rule.Namespaces.Exclude, o.rule.ServiceAccounts.Include, o.cfg.OptOut}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if says := strings.HasPrefix(o.ancestor.defaultsOf(), "tamcore's fork, because "); says != (c.want.Name != original.Name) {
				t.Errorf("it says %s", o.ancestor.defaultsOf())
			}
		})
	}
}

func TestWhatTamcoresForkHasInOtherWords(t *testing.T) {
	inNamespace(t, "tools")
	for _, c := range []struct {
		args            []string
		workers         int
		health, metrics string
	}{
		{nil, 48, ":8081", ""},
		{[]string{"-max-concurrent-reconciles=5"}, 5, ":8081", ""},
		{[]string{"-max-concurrent-reconciles=0"}, 1, ":8081", ""},
		{[]string{"-max-concurrent-reconciles=5", "-workers=7"}, 7, ":8081", ""},
		{[]string{"-health-probe-bind-address=:1", "-metrics-bind-address=:2"}, 48, ":1", ":2"},
		{[]string{"-health-probe-bind-address=0", "-metrics-bind-address=0"}, 48, "", ""},
		{[]string{"-metrics-bind-address=:2", "-metrics-secure"}, 48, ":8081", ""},
		{[]string{"-metrics-bind-address=:2", "-metrics-addr=:3"}, 48, ":8081", ":3"},
	} {
		o, err := parse(t, append(c.args, "-force")...)
		if err != nil || o.workers != c.workers || o.healthAddr != c.health || o.metricsAddr != c.metrics {
			t.Errorf("%q: workers %d, health %q, metrics %q, error %v", c.args, o.workers, o.healthAddr, o.metricsAddr, err)
		}
	}
}

// TestWhatIsNotDoneIsSaid holds each warning, and that none has a value.
func TestWhatIsNotDoneIsSaid(t *testing.T) {
	inNamespace(t, "tools")
	for _, c := range []struct {
		why  string
		args []string
		env  map[string]string
		want []string // how each starts
	}{
		{"all is understood", []string{"-force"}, map[string]string{"CONFIG_SECRETNAME": "canary", "CONFIG_WATCH_DOCKERCONFIGJSONPATH": "true", "CONFIG_DELETE_PODS": "false"}, nil},
		{"unknown variables", []string{"-force"}, map[string]string{"CONFIG_SECRET_NAME": "canary", "CONFIG_FOO": "canary", "MY_CONFIG_FOO": "canary"},
			[]string{"not understood, and without effect: CONFIG_FOO, CONFIG_SECRET_NAME; "}},
		{"by a policy too", nil, map[string]string{"CONFIG_FOO": "canary"}, []string{"not understood, and without effect: CONFIG_FOO; "}},
		{"what Kubernetes says of a Service config-db", nil, map[string]string{"CONFIG_DB_SERVICE_HOST": "10.0.0.1", "CONFIG_DB_SERVICE_PORT": "1",
			"CONFIG_DB_SERVICE_PORT_SQL": "1", "CONFIG_DB_PORT": "tcp://10.0.0.1:1", "CONFIG_DB_PORT_1_TCP": "x", "CONFIG_DBA": "canary"}, []string{"not understood, and without effect: CONFIG_DBA; "}},
		{"pods", []string{"-force"}, map[string]string{"CONFIG_DELETE_PODS": "true"}, []string{"CONFIG_DELETE_PODS: pods that cannot pull their image are not deleted here"}},
		{"by a policy too", []string{"-deletepods"}, nil, []string{"-deletepods: pods "}},
		{"the file is followed", []string{"-force", "--watchdockerconfigjsonpath=false"}, nil, []string{"-watchdockerconfigjsonpath: "}},
		{"no TLS", []string{"-force", "-metrics-secure"}, nil, []string{"-metrics-secure: "}},
		{"no effect", []string{"-force", "-zap-devel", "--zap-log-level=canary", "-no-auto-maxprocs", "-no-auto-memlimit", "-auto-memlimit-ratio=0.5"}, nil, []string{"without effect here: -no-auto-maxprocs, -zap-devel, -zap-log-level"}},
		{"an annotation for a policy", nil, map[string]string{"CONFIG_EXCLUDE_ANNOTATION": "canary"}, []string{"CONFIG_EXCLUDE_ANNOTATION: without effect, because the rules come from a policy"}},
	} {
		t.Run(c.why, func(t *testing.T) {
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			o, err := parse(t, c.args...)
			if err != nil {
				t.Fatal(err)
			}
			said := strings.Join(o.warnings, "\n")
			if len(o.warnings) != len(c.want) || strings.Contains(said, "canary") || strings.Count(said, "\n") >= max(1, len(c.want)) {
				t.Errorf("the warnings are:\n%s", said)
			}
			for i, start := range c.want {
				if i < len(o.warnings) && !strings.HasPrefix(o.warnings[i], start) {
					t.Errorf("%q does not start with %q", o.warnings[i], start)
				}
			}
		})
	}
}
