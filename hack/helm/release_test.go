package helm

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// rule is one that gives a secret to the namespaces of these tests.
func rule(source, name string) values {
	return values{"name": name, "secrets": []any{values{"source": values{"name": source}, "name": name}},
		"namespaces": values{"include": []any{"helm-team-*"}}}
}

func source(name string) values {
	return values{"name": name, "registry": name + ".example.com", "username": "robot", "password": "not-a-real-token"}
}

// TestTheLifeOfARelease installs, upgrades, rolls back and uninstalls, while the program runs as the release says.
func TestTheLifeOfARelease(t *testing.T) {
	for i, h := range engines {
		t.Run(h.Name(), func(t *testing.T) {
			c := newCluster(t)
			to := target{kubeconfig: c.Kubeconfig, release: "pullsecrets", namespace: []string{home, "registry-credentials"}[i], chart: chartFolder}
			c.forget(to.namespace, "helm-team-a", "helm-team-b")
			c.namespace("helm-team-a")
			c.namespace("helm-team-b")
			l := &life{cluster: c, h: h, to: to}
			l.refuses("helm install", func(given values) error { _, err := h.Install(to, given); return err })
			l.installs()
			l.keepsPods()
			l.run.stop() // it writes its status a while after its work, and only what Helm writes is looked for
			l.refuses("helm upgrade", func(given values) error { _, err := h.Upgrade(to, given, false); return err })
			l.run = l.start(to.namespace, "pullsecrets")
			l.upgradesAndRollsBack()
			l.removesARule()
			l.uninstalls()
		})
	}
}

type life struct {
	*cluster
	h      engine
	to     target
	before map[string]string // the cluster without the release
	run    *controller
}

func (l *life) must(err error) {
	l.T.Helper()
	harness.Must(l.T, err)
}

// one is the policy of one rule, and two that of two.
func one() values {
	return values{"policy": values{"rules": []any{rule("hub", "regcred")}}, "sources": []any{source("hub")}, "admission": values{"enabled": true}}
}

func two() values {
	given := one()
	given["policy"] = values{"rules": []any{rule("hub", "regcred"), rule("quay", "quay")}}
	kept := source("quay")
	kept["keep"] = true
	given["sources"] = []any{source("hub"), kept}
	return given
}

// refuses gives what the schema, a template or Helm refuses, and sees that nothing is written.
func (l *life) refuses(command string, try func(values) error) {
	l.T.Helper()
	before := l.snapshot()
	bad := func(change func(values)) values { given := one(); change(given); return given }
	for word, given := range map[string]values{
		"logLevel":      bad(func(v values) { v["logLevel"] = "loud" }),
		"maxPrune":      bad(func(v values) { v["maxPrune"] = "half" }),
		"maxFailing":    bad(func(v values) { v["maxFailing"] = 101 }),
		"expiryWarning": bad(func(v values) { v["expiryWarning"] = "a week" }),
		"is missing":    {"sources": []any{source("hub")}},
		"no such value": bad(func(v values) { v["polcy"] = 1 }),
		"also the name": bad(func(v values) { v["policy"] = values{"rules": []any{rule("hub", "a"), rule("hub", "a")}} }),
		"secrets":       bad(func(v values) { v["policy"] = values{"rules": []any{values{"name": "a", "secrets": []any{}}}} }),
		"may only be in": bad(func(v values) {
			v["policy"] = values{"rules": []any{values{"name": "a", "secrets": []any{values{"source": values{"name": "s", "namespace": "vault"}}}}}}
		}),
		"leave a source": bad(func(v values) { v["sources"] = []any{values{"name": "hub", "registry": "r.example.com"}} }),
		"docker login":   bad(func(v values) { v["sources"] = []any{values{"name": "hub", "dockerconfigjson": "not-a-real-token"}} }),
	} {
		err := try(given)
		if err == nil || !strings.Contains(err.Error(), word) || strings.Contains(err.Error(), "not-a-real-token") {
			l.T.Errorf("%s with a mistake says %v, and nothing of %q, or the credential", command, err, word)
		}
	}
	// Helm notes upgrades that failed, but not those that it could not even render.
	if came, went, written := changes(before, l.snapshot()); len(came)+len(went)+len(written) > 0 {
		l.T.Errorf("%s that is refused changed: %v %v %v", command, came, went, written)
	}
}

// installs sees that nothing comes but what was rendered.
func (l *life) installs() {
	l.before = l.snapshot()
	r, err := l.h.Install(l.to, one())
	l.must(err)
	want := []string{"Namespace  " + l.to.namespace, "ServiceAccount " + l.to.namespace + " default",
		"Secret " + l.to.namespace + " sh.helm.release.v1.pullsecrets.v1"}
	for _, u := range objects(l.T, r.manifest) {
		want = append(want, strings.Join([]string{u.GetKind(), u.GetNamespace(), u.GetName()}, " "))
	}
	slices.Sort(want)
	var came, went, written []string
	l.Eventually("the new namespace has its account", func() error {
		if came, went, written = changes(l.before, l.snapshot()); !slices.Contains(came, want[slices.IndexFunc(want, func(id string) bool { return strings.HasSuffix(id, " default") })]) {
			return fmt.Errorf("came: %v", came)
		}
		return nil
	})
	if diff := cmp.Diff(want, came); diff != "" || len(went)+len(written) > 0 {
		l.T.Errorf("install (-rendered +came):\n%s\nwent: %v, written: %v", diff, went, written)
	}
	if strings.Contains(r.notes, "not-a-real-token") || strings.Contains(r.notes, "create secret") || !strings.Contains(r.notes, "pullsecrets/status") {
		l.T.Errorf("NOTES: %s", r.notes)
	}
	l.run = l.start(l.to.namespace, "pullsecrets")
	l.served("helm-team-a", "regcred")
	l.served("helm-team-b", "regcred")
	l.judged("Ready")
	l.tells(r.notes)
}

// tells runs the command in NOTES that shows what became of the policy.
func (l *life) tells(notes string) {
	l.T.Helper()
	if _, err := exec.LookPath("kubectl"); err != nil {
		return
	}
	for line := range strings.SplitSeq(notes, "\n") {
		if strings.Contains(line, "get configmap pullsecrets-policy") {
			cmd := exec.Command("sh", "-c", line)
			cmd.Env = append(os.Environ(), "KUBECONFIG="+l.Kubeconfig)
			if out, err := cmd.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "Ready: ") {
				l.T.Errorf("%s\n%v %s", line, err, out)
			}
			return
		}
	}
	l.T.Errorf("NOTES have no such command:\n%s", notes)
}

// judged waits until the policy has a status, which is of its text.
func (l *life) judged(want string) {
	l.T.Helper()
	l.Eventually("the policy is "+want, func() error {
		u := l.get(api.ConfigMaps, l.to.namespace, "pullsecrets-policy")
		data, _, _ := unstructured.NestedStringMap(u.Object, "data")
		annotations := u.GetAnnotations()
		if got := annotations["pullsecrets/status"]; got != want || annotations["pullsecrets/observed"] != policy.Hash(data) {
			return fmt.Errorf("of text %s it is %s: %s", annotations["pullsecrets/observed"], got, annotations["pullsecrets/message"])
		}
		return nil
	})
}

func (l *life) deployment() *unstructured.Unstructured {
	l.T.Helper()
	return l.get(deployments, l.to.namespace, "pullsecrets")
}

// keepsPods adds a rule, which must not start the pods anew, and no copy may change.
func (l *life) keepsPods() {
	copyBefore, account := l.get(api.Secrets, "helm-team-a", "regcred"), l.deployment().GetGeneration()
	_, err := l.h.Upgrade(l.to, two(), false)
	l.must(err)
	if got := l.deployment().GetGeneration(); got != account {
		l.T.Errorf("a policy of another text has the Deployment at generation %d, after %d", got, account)
	}
	l.served("helm-team-a", "regcred", "quay")
	l.served("helm-team-b", "regcred", "quay")
	l.judged("Ready")
	l.same(copyBefore)
	l.changesNothing(two())
}

// changesNothing upgrades to what is there, which writes Helm's own records alone; the controller may note its status.
func (l *life) changesNothing(given values) {
	l.T.Helper()
	before := l.snapshot()
	_, err := l.h.Upgrade(l.to, given, false)
	l.must(err)
	came, went, written := changes(before, l.snapshot())
	for _, id := range slices.Concat(came, went, written) {
		if !strings.HasPrefix(id, "Secret "+l.to.namespace+" sh.helm.release.") && id != "ConfigMap "+l.to.namespace+" pullsecrets-status" {
			l.T.Errorf("the same values change %s", id)
		}
	}
}

// same sees that a copy was not written.
func (l *life) same(was *unstructured.Unstructured) {
	l.T.Helper()
	is := l.get(api.Secrets, was.GetNamespace(), was.GetName())
	if is == nil || is.GetUID() != was.GetUID() || is.GetResourceVersion() != was.GetResourceVersion() {
		l.T.Errorf("the copy %s/%s was written", was.GetNamespace(), was.GetName())
	}
}

// upgradesAndRollsBack goes to another strategy of the Deployment and back.
func (l *life) upgradesAndRollsBack() {
	copyBefore := l.get(api.Secrets, "helm-team-a", "quay")
	before := l.deployment()
	given := two()
	given["ha"], given["logLevel"] = values{"enabled": true}, "debug"
	_, err := l.h.Upgrade(l.to, given, false)
	l.must(err)
	if got, _, _ := unstructured.NestedString(l.deployment().Object, "spec", "strategy", "type"); got != "RollingUpdate" {
		l.T.Errorf("with ha.enabled the strategy is %q", got)
	}
	l.must(l.h.Rollback(l.to, 2))
	after := l.deployment()
	if diff := cmp.Diff(before.Object["spec"], after.Object["spec"]); diff != "" {
		l.T.Errorf("rolled back (-before +after):\n%s", diff)
	}
	l.served("helm-team-b", "regcred", "quay")
	l.same(copyBefore)
}

// removesARule has its copies removed, which takes their name in the roles until then; and makes it anew.
func (l *life) removesARule() {
	given := one()
	given["rbac"] = values{"fromStatus": true}
	_, err := l.h.Upgrade(l.to, given, false)
	l.must(err)
	l.served("helm-team-a", "regcred")
	l.served("helm-team-b", "regcred")
	l.Eventually("the copies are gone", func() error {
		if l.get(api.Secrets, "helm-team-a", "quay") != nil || l.get(api.Secrets, "helm-team-b", "quay") != nil {
			return errors.New("there still")
		}
		return nil
	})
	_, err = l.h.Upgrade(l.to, two(), false)
	l.must(err)
	l.served("helm-team-a", "regcred", "quay")
	l.served("helm-team-b", "regcred", "quay")
}

// uninstalls sees that what was distributed stays, and nothing else but what the docs say; purge removes it.
func (l *life) uninstalls() {
	a, b := l.get(api.Secrets, "helm-team-a", "regcred"), l.get(api.Secrets, "helm-team-b", "quay")
	l.run.stop()
	l.must(l.h.Uninstall(l.to))
	l.same(a)
	l.same(b)
	l.served("helm-team-a", "regcred", "quay")
	var came, went, written []string
	l.Eventually("the definition is gone", func() error {
		if came, went, written = changes(l.before, l.snapshot()); slices.ContainsFunc(came, func(id string) bool { return strings.HasPrefix(id, "CustomResource") }) {
			return fmt.Errorf("left: %v", came)
		}
		return nil
	})
	ns := l.to.namespace
	left := []string{"ConfigMap " + ns + " pullsecrets-status", "Namespace  " + ns,
		"Secret " + ns + " quay", "Secret helm-team-a quay", "Secret helm-team-a regcred", "Secret helm-team-b quay",
		"Secret helm-team-b regcred", "ServiceAccount " + ns + " default"}
	slices.Sort(left)
	if diff := cmp.Diff(left, came); diff != "" || len(went) > 0 {
		l.T.Errorf("uninstall leaves (-want +got):\n%s\nwent: %v", diff, went)
	}
	if diff := cmp.Diff([]string{"ServiceAccount helm-team-a default", "ServiceAccount helm-team-b default"}, written); diff != "" {
		l.T.Errorf("written (-want +got):\n%s", diff)
	}
	out, err := exec.Command(harness.Binary(l.T), "purge", "-kubeconfig", l.Kubeconfig, "-namespace", ns, "-yes").CombinedOutput()
	if err != nil {
		l.T.Errorf("purge: %v\n%s", err, out)
	}
	for _, team := range []string{"helm-team-a", "helm-team-b"} {
		l.served(team)
		if l.get(api.Secrets, team, "regcred") != nil || l.get(api.Secrets, team, "quay") != nil {
			l.T.Errorf("purge leaves copies in %s:\n%s", team, out)
		}
	}
}
