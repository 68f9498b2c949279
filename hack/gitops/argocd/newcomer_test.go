package argocd

import (
	"context"
	"strings"
	"testing"

	"github.com/argoproj/gitops-engine/pkg/health"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/hack/gitops/cases"
	"github.com/pullsecrets/pullsecrets/hack/gitops/cases/luahealth"
)

// TestArgoCDAsThePageSays follows docs/gitops.md to the letter in a fresh repository, and has Argo CD's engine sync what
// comes of it, wave after wave, as the Application says that was applied.
func TestArgoCDAsThePageSays(t *testing.T) {
	c := cases.NewCluster(t)
	binary := c.Program()
	c.Define("github.com/argoproj/argo-cd/v3@v3.4.13", "manifests/crds/application-crd.yaml", "manifests/crds/appproject-crd.yaml")
	var followed []string
	follow := func(name string, steps []string, then func(a *application)) {
		followed = append(followed, steps...)
		t.Run(name, func(t *testing.T) {
			then(newApplication(t, binary, steps))
		})
	}

	follow("vendored, without External Secrets",
		[]string{"argocd-folder", "argocd-vendored", "argocd-roles", "argocd-without-external-secrets", "argocd-commit", "argocd-application"},
		func(a *application) {
			a.Offline()
			a.source()
			a.must(a.sync())
			a.wantCopies()
		})
	follow("by reference, before 1.36",
		[]string{"argocd-folder", "argocd-references", "argocd-before-1.36", "argocd-without-external-secrets", "argocd-commit", "argocd-application"},
		func(a *application) {
			a.source()
			a.must(a.sync())
			a.wantCopies()
		})

	c.Define("github.com/external-secrets/external-secrets@v1.3.2", "config/crds/bases/external-secrets.io_externalsecrets.yaml")
	follow("by reference", []string{"argocd-folder", "argocd-references", "argocd-roles", "argocd-commit", "argocd-application", "argocd-notifications"}, func(a *application) {
		a.syncFails("SourceMissing")
		a.source()
		a.must(a.sync())
		a.wantCopies()
		a.policyIsRefused()
		a.componentGoes()
	})
	cases.AllFollowed(t, "argocd-", followed)
}

// application is the Application of examples/argocd, as it is in the cluster.
type application struct {
	*cases.Newcomer
	ctx  context.Context
	argo *argo
	last []*unstructured.Unstructured // what was synced last, or tried
	all  []*unstructured.Unstructured // what was ever synced
}

// kinds are all that the example has.
var kinds = only{
	"Namespace", "ServiceAccount", "Secret", "ConfigMap", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "Deployment",
	"PodDisruptionBudget", "NetworkPolicy", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "MutatingAdmissionPolicy",
	"MutatingAdmissionPolicyBinding", "CustomResourceDefinition", "ExternalSecret",
}

func newApplication(t *testing.T, binary string, steps []string) *application {
	t.Helper()
	a := &application{Newcomer: cases.NewNewcomer(cases.NewCluster(t), binary), ctx: context.WithoutCancel(t.Context())}
	_, _ = a.Kubectl("", "create", "namespace", "argocd")
	t.Cleanup(func() { _, _ = a.Kubectl("", "delete", "namespace", "argocd") }) // and waits: the next one makes it anew
	a.Follow(steps...)
	app, err := a.Get(a.ctx, cases.Object("argoproj.io/v1alpha1", "Application", "argocd", "pullsecrets"))
	a.must(err)
	chosen, _, _ := unstructured.NestedStringSlice(app.Object, "spec", "syncPolicy", "syncOptions")
	config, err := a.Get(a.ctx, cases.Object("v1", "ConfigMap", "argocd", "argocd-cm"))
	a.must(err)
	script, _, _ := unstructured.NestedString(config.Object, "data", luahealth.Key)
	a.argo = newArgo(a.Cluster, options{
		serverSideApply: strings.Contains(strings.Join(chosen, " "), "ServerSideApply=true"),
		serverSideDiff:  app.GetAnnotations()["argocd.argoproj.io/compare-options"] == "ServerSideDiff=true",
		kinds:           kinds, health: checks{luahealth.New(script)},
	}).(*argo)
	if refresh, _, _ := unstructured.NestedBool(app.Object, "spec", "syncPolicy", "retry", "refresh"); !refresh {
		t.Error("a retry would go on with the commit that failed")
	}
	stop := cases.StartNode(a.Cluster, binary)
	t.Cleanup(func() {
		stop()
		a.Uninstall(a.ctx, a.all)
	})
	return a
}

// checks has the engine ask argocd-cm about ConfigMaps, as Argo CD does.
type checks struct{ configMaps *luahealth.Check }

func (c checks) GetResourceHealth(u *unstructured.Unstructured) (*health.HealthStatus, error) {
	if u.GetKind() != "ConfigMap" {
		return nil, nil
	}
	verdict, err := c.configMaps.Health(u)
	return &health.HealthStatus{Status: health.HealthStatusCode(verdict.Status), Message: verdict.Message}, err
}

// sync applies the newest commit, as a retry with refresh does too.
func (a *application) sync() error {
	a.T.Helper()
	a.last = a.Build(a.Checkout() + "/pullsecrets")
	a.all = append(a.all, a.last...)
	return a.argo.sync(a.ctx, a.last)
}

// syncFails is a sync that waits for the policy and ends with what is wrong with it.
func (a *application) syncFails(why string) {
	a.T.Helper()
	if err := a.sync(); err == nil || !strings.Contains(err.Error(), "Failed") || !strings.Contains(err.Error(), why) {
		a.T.Fatalf("the sync should have failed because of %s, but: %v", why, err)
	}
}

// policyIsRefused tells what a sync makes of a policy that is refused, with and without an object in a later wave, and
// that the next try takes the commit that mends it.
func (a *application) policyIsRefused() {
	a.T.Helper()
	a.Do("sed -i s/^rules:/rulez:/ pullsecrets/policy.yaml\ngit commit --quiet --all --message=typo\ngit push --quiet")
	a.syncFails("refused, the last good policy stays in force")

	var withoutWave []*unstructured.Unstructured
	for _, u := range a.last {
		if u.GetName() != "pullsecrets-rolled-out" {
			withoutWave = append(withoutWave, u)
		}
	}
	if out, err := a.Kubectl("", "--namespace", cases.Home, "delete", "configmap", "pullsecrets-rolled-out"); err != nil { // or pruning it would be a wave
		a.T.Fatalf("%v\n%s", err, out)
	}
	if err := a.argo.sync(a.ctx, withoutWave); err != nil {
		a.T.Errorf("the policy is in the last wave, so the engine should not have waited for it: %v", err)
	}

	a.Do("sed -i s/^rulez:/rules:/ pullsecrets/policy.yaml\ngit commit --quiet --all --message=mended\ngit push --quiet")
	a.must(a.sync())
	a.wantCopies()
}

// componentGoes takes the component admission out. Argo CD prunes it but for the definition, of which it says nothing.
func (a *application) componentGoes() {
	a.T.Helper()
	a.Follow("argocd-before-1.36")
	a.Do("git commit --quiet --all --message='without admission'\ngit push --quiet")
	a.must(a.sync())
	for kind, want := range map[string]bool{"MutatingAdmissionPolicy": false, "MutatingAdmissionPolicyBinding": false, "CustomResourceDefinition": true} {
		for _, u := range a.all {
			if u.GetKind() != kind {
				continue
			}
			if live, err := a.Get(a.ctx, u); err != nil || (live != nil) != want {
				a.T.Errorf("%s is there: %v, %v", cases.ID(u), live != nil, err)
			}
			break
		}
	}
	result, diffs, err := a.argo.compare(a.ctx, a.last)
	a.must(err)
	if ids := outOfSync(result, diffs); len(ids) > 0 {
		a.T.Errorf("OutOfSync: %v", ids)
	}
	if out, err := a.Kubectl("", "delete", "crd", "admissionrules.pullsecrets.internal"); err != nil {
		a.T.Errorf("%v\n%s", err, out)
	}
}

// wantCopies holds the sync to its word: it has succeeded, so all is there.
func (a *application) wantCopies() {
	a.T.Helper()
	for _, u := range []*unstructured.Unstructured{
		cases.Object("v1", "Secret", "default", "regcred"), cases.Object("v1", "Secret", cases.Home, "regcred"),
		cases.Object("v1", "ConfigMap", cases.Home, "pullsecrets-rolled-out"),
	} {
		if live, err := a.Get(a.ctx, u); err != nil || live == nil {
			a.T.Errorf("the sync has succeeded, and there is no %s (%v)", cases.ID(u), err)
		}
	}
}

// source is what External Secrets would write, or whoever makes it by hand.
func (a *application) source() {
	a.T.Helper()
	out, err := a.Kubectl("", "--namespace", cases.Home, "create", "secret", "docker-registry", "dockerhub", "--docker-username=robot", "--docker-password=not-a-real-one")
	if err != nil {
		a.T.Fatalf("%v\n%s", err, out)
	}
}

func (a *application) must(err error) {
	a.T.Helper()
	if err != nil {
		a.T.Fatal(err)
	}
}
