package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/peterbourgon/ff/v3"

	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile"
)

const goodCredential = `{"auths":{"hub.example":{"auth":"Y2FuYXJ5OmNhbmFyeQ=="}}}`

// outcome is what came of flags and variables.
type outcome struct {
	*runFlags
	cfg  reconcile.Config
	rule policy.RuleSpec // in the ancestor's mode
}

// parse does what run does with flags and variables, before it looks for a cluster.
func parse(t *testing.T, args ...string) (outcome, error) {
	t.Helper()
	fs := newFlagSet("run", &bytes.Buffer{})
	o := outcome{runFlags: &runFlags{ancestor: newAncestor()}}
	o.register(fs)
	if err := ff.Parse(fs, args, options()...); err != nil {
		return o, err
	}
	if err := o.adapt(fs, processEnvironment()); err != nil {
		return o, err
	}
	o.cfg.Namespace = o.namespace
	if err := o.adaptConfig(&o.cfg); err != nil {
		return o, err
	}
	if o.cfg.Documents != nil {
		var doc policy.Document
		if err := json.Unmarshal([]byte(o.cfg.Documents["flags.json"]), &doc); err != nil || len(doc.Rules) != 1 {
			t.Fatalf("the settings make no policy of one rule: %v: %v", err, o.cfg.Documents)
		}
		o.rule = doc.Rules[0]
	}
	return o, nil
}

// TestEverySettingOfTheAncestor has each row of the table in imagepullsecret-patcher's README, of the original and of
// the fork that has informers: the names of flag and variable, and the default, exactly as they stand there.
func TestEverySettingOfTheAncestor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	write(t, path, goodCredential)
	credential := func(o outcome) any {
		if o.cfg.Credential == nil {
			return ""
		}
		value, err := o.cfg.Credential.Read()
		if err != nil {
			t.Error(err)
		}
		return string(value)
	}
	for _, c := range []struct {
		flag, env  string
		value      string // another than the default
		got        func(outcome) any
		byDefault  any
		want       any
		chooses    bool
		alsoNeeded []string // what makes the ancestor's mode visible, where the setting does not choose it
	}{
		{"force", "CONFIG_FORCE", "false", func(o outcome) any { return o.rule.Force }, true, false, true, nil},
		{"debug", "CONFIG_DEBUG", "true", func(o outcome) any { return o.logLevel }, "info", "debug", false, nil},
		{"managedonly", "CONFIG_MANAGEDONLY", "true", func(o outcome) any { return o.rule.Force }, true, false, true, nil},
		{"runonce", "CONFIG_RUNONCE", "true", func(o outcome) any { return o.ancestor.runOnce.boolean() }, false, true, false, nil},
		{"serviceaccounts", "CONFIG_SERVICEACCOUNTS", "ci, web", func(o outcome) any { return o.rule.ServiceAccounts.Include }, []string{"default"}, []string{"ci", "web"}, true, nil},
		{"allserviceaccount", "CONFIG_ALLSERVICEACCOUNT", "true", func(o outcome) any { return o.rule.ServiceAccounts.Include }, []string{"default"}, []string{"*"}, true, nil},
		{"dockerconfigjson", "CONFIG_DOCKERCONFIGJSON", goodCredential, credential, "", goodCredential, true, nil},
		{"dockerconfigjsonpath", "CONFIG_DOCKERCONFIGJSONPATH", path, credential, "", goodCredential, true, nil},
		{"secretname", "CONFIG_SECRETNAME", "reg", func(o outcome) any { return o.rule.Secrets[0].Source.Name }, "image-pull-secret", "reg", true, nil},
		{"excluded-namespaces", "CONFIG_EXCLUDED_NAMESPACES", "kube-system,vault", func(o outcome) any { return o.rule.Namespaces.Exclude }, []string(nil), []string{"kube-system", "vault"}, true, nil},
		{"loop-duration", "CONFIG_LOOP_DURATION", "1m30s", func(o outcome) any { return o.cfg.LoopEvery }, 10 * time.Second, 90 * time.Second, false, []string{"-use-informers=false"}},
		{"use-informers", "CONFIG_USE_INFORMERS", "false", func(o outcome) any { return o.cfg.ListOnly }, false, true, false, nil},
		{"running-in-cluster", "CONFIG_RUNNING_IN_CLUSTER", "false", func(o outcome) any { return o.ancestor.inCluster.boolean() }, true, false, false, nil},
		{"secretnamespace", "CONFIG_SECRET_NAMESPACE", "vault", func(o outcome) any { return o.rule.Secrets[0].Source.Namespace }, "imagepullsecret-patcher", "vault", true, nil},
	} {
		t.Run(c.flag, func(t *testing.T) {
			inNamespace(t, "imagepullsecret-patcher") // as in the ancestor's own manifests
			check := func(why string, want any, chosen bool, args ...string) {
				t.Helper()
				o, err := parse(t, append(c.alsoNeeded, args...)...)
				if err != nil {
					t.Errorf("%s: %v", why, err)
				} else if diff := cmp.Diff(want, c.got(o)); diff != "" {
					t.Errorf("%s: %s", why, diff)
				} else if (o.cfg.Documents != nil) != chosen {
					t.Errorf("%s: in the ancestor's mode: %t, want %t", why, !chosen, chosen)
				}
			}
			ours := "PULLSECRETS_" + strings.ToUpper(strings.ReplaceAll(c.flag, "-", "_"))
			if c.chooses { // another setting has to choose the mode
				other := "-secretname=image-pull-secret"
				if c.flag == "secretname" {
					other = "-force"
				}
				check("default", c.byDefault, true, other)
			} else {
				check("default", c.byDefault, false)
			}
			check("single dash", c.want, c.chooses, "-"+c.flag+"="+c.value)
			check("double dash", c.want, c.chooses, "--"+c.flag+"="+c.value)
			t.Setenv(c.env, c.value)
			check(c.env, c.want, c.chooses)
			t.Setenv(c.env, "!") // wrong for each of them, and not looked at
			t.Setenv(ours, c.value)
			check(ours+" wins over "+c.env, c.want, c.chooses)
			t.Setenv(ours, "!")
			check("the flag wins over both", c.want, c.chooses, "-"+c.flag+"="+c.value)
		})
	}
}

// inNamespace has the test run as if in a pod of this namespace, or in none.
func inNamespace(t *testing.T, namespace string) {
	t.Helper()
	before := ownNamespaceFile
	t.Cleanup(func() { ownNamespaceFile = before })
	ownNamespaceFile = filepath.Join(t.TempDir(), "namespace")
	write(t, ownNamespaceFile, namespace)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestTheAncestorsModeInDetail(t *testing.T) {
	inNamespace(t, "")
	for _, c := range []struct {
		why   string
		args  []string
		check func(outcome) (got, want any)
	}{
		{"force alone means force", []string{"-force"}, func(o outcome) (any, any) { return o.rule.Force, true }},
		{"managedonly wins over force", []string{"-managedonly", "-force"}, func(o outcome) (any, any) { return o.rule.Force, false }},
		{"nothing is ever removed", []string{"-force"}, func(o outcome) (any, any) { return *o.rule.Prune, false }},
		{"no port for metrics", []string{"-force"}, func(o outcome) (any, any) { return o.metricsAddr, "" }},
		{"but one that is asked for", []string{"-force", "-metrics-addr=:1"}, func(o outcome) (any, any) { return o.metricsAddr, ":1" }},
		{"health is told where its port is free", []string{"-force"}, func(o outcome) (any, any) { return []any{o.healthAddr, o.healthOptional}, []any{":8081", true} }},
		{"it has to be where it is asked for", []string{"-force", "-health-addr=:1"}, func(o outcome) (any, any) { return []any{o.healthAddr, o.healthOptional}, []any{":1", false} }},
		{"a single pass has no probes", []string{"-force", "-runonce"}, func(o outcome) (any, any) { return o.healthAddr, "" }},
		{"runonce alone needs no port either", []string{"-runonce"}, func(o outcome) (any, any) { return o.healthAddr, "" }},
		{"runonce waits for no long loop", []string{"-runonce", "-use-informers=false", "-loop-duration=1h"}, func(o outcome) (any, any) { return o.cfg.LoopEvery, time.Second }},
		{"all accounts, whatever is listed", []string{"-allserviceaccount", "-serviceaccounts=a"}, func(o outcome) (any, any) { return o.rule.ServiceAccounts.Include, []string{"*"} }},
		{"an empty list of accounts is none", []string{"-serviceaccounts="}, func(o outcome) (any, any) { return o.rule.ServiceAccounts.Include, []string{} }},
		{"an empty credential is none", []string{"-dockerconfigjson=", "-force"}, func(o outcome) (any, any) { return o.cfg.Credential == nil, true }},
		{"where watching may be forbidden, listing stands in", []string{"-force"}, func(o outcome) (any, any) { return o.cfg.LoopEvery, 10 * time.Second }},
		{"the namesake in our namespace is left alone", []string{"-secretnamespace=vault"}, func(o outcome) (any, any) { return o.rule.Namespaces.Exclude, []string{"pullsecrets"} }},
		{"our namespace is served where it has the source", []string{"-secretnamespace=pullsecrets"}, func(o outcome) (any, any) { return o.rule.Namespaces.Exclude, []string(nil) }},
		{"what a credential was mounted from is left alone", []string{"-dockerconfigjson=" + goodCredential},
			func(o outcome) (any, any) {
				return o.rule.Namespaces.Exclude, []string{"pullsecrets", "imagepullsecret-patcher"}
			}},
		{"and so is the pod's namespace, where it lives elsewhere", []string{"-dockerconfigjson=" + goodCredential, "-namespace=infra", "-secretnamespace=infra"},
			func(o outcome) (any, any) {
				return []any{o.rule.Namespaces.Exclude, o.rule.Secrets[0].Source.Namespace}, []any{[]string{"infra"}, "infra"}
			}},
		{"trace stays trace", []string{"-debug", "-log-level=trace"}, func(o outcome) (any, any) { return o.logLevel, "trace" }},
	} {
		o, err := parse(t, c.args...)
		if err != nil {
			t.Errorf("%s: %v", c.why, err)
			continue
		}
		if got, want := c.check(o); !cmp.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", c.why, got, want)
		}
	}
}

// TestSettingsOfTheAncestorThatAreRefused holds the whole text: it names what was given, says what to do, and has
// nothing of a credential. The ancestor takes its default instead and says nothing.
func TestSettingsOfTheAncestorThatAreRefused(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "broken"), `{"auths": canary`)
	write(t, filepath.Join(dir, "url"), `{"auths": {"hub.example": {"auth": "Y2FuYXJ5OmNhbmFyeT8_"}}}`)
	const unusable = "it cannot be used as a .dockerconfigjson: "
	for _, c := range []struct {
		why  string
		args []string
		env  []string
		want string
	}{
		{"a malformed boolean", []string{"-force=maybe"}, nil, `-force: "maybe" is neither true nor false`},
		{"in a variable", nil, []string{"CONFIG_MANAGEDONLY=ja"}, `CONFIG_MANAGEDONLY: "ja" is neither true nor false`},
		{"in a variable of ours", nil, []string{"PULLSECRETS_DEBUG=ja"}, `PULLSECRETS_DEBUG: "ja" is neither true nor false`},
		{"a duration without unit", nil, []string{"CONFIG_LOOP_DURATION=10"}, `CONFIG_LOOP_DURATION: "10" is no duration: give a number with its unit, such as 10s, 5m or 1h`},
		{"no duration at all", []string{"--loop-duration=0s"}, nil, `-loop-duration: "0s" is no time to wait: give a duration above zero, such as 10s`},
		{"two credentials", []string{"-dockerconfigjson=x"}, []string{"CONFIG_DOCKERCONFIGJSONPATH=y"},
			"-dockerconfigjson and CONFIG_DOCKERCONFIGJSONPATH are both given: give the credential only once"},
		{"no JSON", nil, []string{"CONFIG_DOCKERCONFIGJSON=canary"}, "CONFIG_DOCKERCONFIGJSON: " + unusable + "it is no JSON from line 1, column 1 on (NotJSON)"},
		{"no registry", []string{`-dockerconfigjson={"auths":{}}`}, nil, "-dockerconfigjson: " + unusable + `it names no registry host: it has to be {"auths": {"registry.example.com": {"username": …, "password": …}}} (NoRegistry)`},
		{"no credential", nil, []string{`CONFIG_DOCKERCONFIGJSON={"auths":{"hub.example":{}},"credsStore":"canary"}`}, "CONFIG_DOCKERCONFIGJSON: " + unusable +
			"there is no username, password or auth for hub.example: the credentials are in a credential store (credsStore), which is not part of the file: " +
			"log in with a docker config that has no credential store, or make the secret with kubectl create secret docker-registry (NoCredential)"},
		{"a file that is missing", []string{"-dockerconfigjsonpath=/none/config.json"}, nil,
			"-dockerconfigjsonpath: /none/config.json cannot be read: no such file or directory; give the path of a mounted .dockerconfigjson"},
		{"a folder", []string{"-dockerconfigjsonpath=" + dir}, nil,
			"-dockerconfigjsonpath: " + dir + " cannot be read: is a directory; give the path of a mounted .dockerconfigjson"},
		{"a file without JSON", []string{"-dockerconfigjsonpath=" + filepath.Join(dir, "broken")}, nil,
			"-dockerconfigjsonpath: " + filepath.Join(dir, "broken") + ": " + unusable + "it is no JSON from line 1, column 11 on (NotJSON)"},
		{"a file that the kubelet would refuse", []string{"-dockerconfigjsonpath=" + filepath.Join(dir, "url")}, nil,
			"-dockerconfigjsonpath: " + filepath.Join(dir, "url") + ": " + unusable +
				"auth of hub.example is base64 of the alphabet for URLs, with - and _ in it: encode it with + and / (BadAuth)"},
		{"the credential in place of its path", []string{`-dockerconfigjsonpath={"auths":"canary"}`}, nil,
			"-dockerconfigjsonpath: the file cannot be read: no such file or directory; give the path of a mounted .dockerconfigjson"},
		{"a policy too", []string{"-policy=p"}, []string{"CONFIG_FORCE=true"},
			"-policy and CONFIG_FORCE: -policy takes the rules from a ConfigMap, and CONFIG_FORCE makes a rule by itself, as imagepullsecret-patcher does; give only one of them"},
		{"a policy too, as a variable", []string{"-secretname=x"}, []string{"PULLSECRETS_POLICY=p"},
			"-policy and -secretname: -policy takes the rules from a ConfigMap, and -secretname makes a rule by itself, as imagepullsecret-patcher does; give only one of them"},
		{"no name of a Secret", []string{"-secretname=A_b"}, nil, `-secretname: "A_b" is not the name of a Secret: use a-z, 0-9, - and .`},
		{"no name at all", []string{"-secretname="}, nil, `-secretname: "" is not the name of a Secret: use a-z, 0-9, - and .`},
		{"no name of a namespace", []string{"-secretnamespace=a.b"}, nil, `-secretnamespace: "a.b" is not the name of a namespace: use a-z, 0-9 and -`},
		{"no name of an account", nil, []string{"CONFIG_SERVICEACCOUNTS=Foo"}, `CONFIG_SERVICEACCOUNTS: "Foo" can match nothing: names are in lower case`},
		{"no name of an excluded namespace", []string{"-excluded-namespaces=Kube"}, nil, `-excluded-namespaces: "Kube" can match nothing: names are in lower case`},
		{"no name of an annotation", []string{"-force"}, []string{"CONFIG_EXCLUDE_ANNOTATION=a/b/c"}, `CONFIG_EXCLUDE_ANNOTATION: "a/b/c" is not the name of an annotation, such as example.com/exclude`},
		{"no share", []string{"-auto-memlimit-ratio=1.5"}, nil, `-auto-memlimit-ratio: "1.5" is no share: give a number above 0 and at most 1, such as 0.9`},
		{"not even a number", []string{"-auto-memlimit-ratio=NaN"}, nil, `-auto-memlimit-ratio: "NaN" is no share: give a number above 0 and at most 1, such as 0.9`},
		{"no number", []string{"-max-concurrent-reconciles=many"}, nil, `-max-concurrent-reconciles: "many" is no whole number`},
		{"two clusters", []string{"-running-in-cluster", "-kubeconfig=x"}, nil,
			"-running-in-cluster: means the cluster that the pod runs in, and -kubeconfig another: give only one of them"},
		{"all at once", []string{"-force=1x"}, []string{"CONFIG_RUNONCE=2x"},
			"-force: \"1x\" is neither true nor false\nCONFIG_RUNONCE: \"2x\" is neither true nor false"},
	} {
		t.Run(c.why, func(t *testing.T) {
			for _, kv := range c.env {
				name, value, _ := strings.Cut(kv, "=")
				t.Setenv(name, value)
			}
			var stdout, stderr bytes.Buffer
			status := Main(context.Background(), c.args, strings.NewReader(""), &stdout, &stderr)
			if diff := cmp.Diff("pullsecrets: "+c.want+"\n", stderr.String()); diff != "" || status != 1 || stdout.Len() > 0 {
				t.Errorf("exit status %d, stdout %q, stderr:\n%s", status, &stdout, diff)
			}
		})
	}
}

// TestAnEmptyVariableIsNone holds for charts that render what is not set as "".
func TestAnEmptyVariableIsNone(t *testing.T) {
	for _, s := range newAncestor().all {
		if s.env != "" && !s.mayBeEmpty {
			t.Setenv(s.env, "")
		}
	}
	o, err := parse(t)
	if err != nil || o.cfg.Documents != nil || o.ancestor.chosen() != nil {
		t.Errorf("something was given: %v, %v", o.ancestor.chosen(), err)
	}
}

// TestWhatMayBeMountedIsNeverWritten holds that the pod's namespace gets nothing where the marks are for another one.
func TestWhatMayBeMountedIsNeverWritten(t *testing.T) {
	inNamespace(t, "patcher")
	t.Setenv("PULLSECRETS_NAMESPACE", "pullsecrets")
	o, err := parse(t, "-dockerconfigjson="+goodCredential)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"pullsecrets", "patcher", "imagepullsecret-patcher"}, o.rule.Namespaces.Exclude); diff != "" || o.cfg.Namespace != "pullsecrets" {
		t.Errorf("home %s (-want +got):\n%s", o.cfg.Namespace, diff)
	}
}

func TestTheNamespaceOfThePodIsOurs(t *testing.T) {
	inNamespace(t, "patcher\n")
	for _, c := range []struct {
		why, env, want string
		args           []string
	}{
		{"the ancestor's manifests set no POD_NAMESPACE", "", "patcher", []string{"-force"}},
		{"it is set", "infra", "infra", []string{"-force"}},
		{"a flag", "", "x", []string{"-force", "-namespace=x"}},
		{"no mode of the ancestor", "", "pullsecrets", nil},
	} {
		t.Setenv("POD_NAMESPACE", c.env)
		if o, err := parse(t, c.args...); err != nil || o.namespace != c.want {
			t.Errorf("%s: namespace %q, want %q, error %v", c.why, o.namespace, c.want, err)
		}
	}
}
