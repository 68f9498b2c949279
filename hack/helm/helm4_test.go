package helm

import (
	"cmp"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/loader"
	"helm.sh/helm/v4/pkg/kube"
	"helm.sh/helm/v4/pkg/release"
	"k8s.io/cli-runtime/pkg/genericclioptions"
)

// helm4 is Helm 4, which applies on the server what it installed so.
type helm4 struct{}

func (helm4) Name() string { return "Helm 4" }

func (helm4) configure(to target) (*action.Configuration, error) {
	flags := genericclioptions.NewConfigFlags(false)
	flags.KubeConfig, flags.Namespace = &to.kubeconfig, &to.namespace
	cfg := action.NewConfiguration()
	kube.ManagedFieldsManager = "helm" // as the command sets it
	return cfg, cfg.Init(flags, to.namespace, "secret")
}

func (helm4) Template(to target, given values) (result, error) {
	install := action.NewInstall(action.NewConfiguration())
	install.DryRunStrategy, install.Replace = action.DryRunClient, true
	install.ReleaseName, install.Namespace = to.release, to.namespace
	version, err := common.ParseKubeVersion(cmp.Or(to.kubeVersion, newest))
	if err != nil {
		return result{}, err
	}
	install.KubeVersion = version
	return helm4{}.install(install, to, given)
}

func (helm4) install(install *action.Install, to target, given values) (result, error) {
	install.WaitStrategy = kube.HookOnlyStrategy
	chart, err := loader.Load(to.chart)
	if err != nil {
		return result{}, err
	}
	r, err := install.Run(chart, given)
	if err != nil {
		return result{}, err
	}
	return helm4{}.result(r)
}

func (helm4) result(r release.Releaser) (result, error) {
	accessor, err := release.NewAccessor(r)
	if err != nil {
		return result{}, err
	}
	return result{accessor.Manifest(), accessor.Notes()}, nil
}

func (helm4) Lint(chart string, given values) []error {
	lint := action.NewLint()
	lint.Strict, lint.Namespace = true, "pullsecrets"
	lint.KubeVersion, _ = common.ParseKubeVersion(newest)
	return lint.Run([]string{chart}, given).Errors
}

func (h helm4) Install(to target, given values) (result, error) {
	cfg, err := h.configure(to)
	if err != nil {
		return result{}, err
	}
	install := action.NewInstall(cfg)
	install.ReleaseName, install.Namespace, install.CreateNamespace = to.release, to.namespace, true
	return h.install(install, to, given)
}

func (h helm4) Upgrade(to target, given values, reuse bool) (result, error) {
	cfg, err := h.configure(to)
	if err != nil {
		return result{}, err
	}
	chart, err := loader.Load(to.chart)
	if err != nil {
		return result{}, err
	}
	upgrade := action.NewUpgrade(cfg)
	upgrade.Namespace, upgrade.ReuseValues = to.namespace, reuse
	upgrade.ServerSideApply, upgrade.WaitStrategy = "auto", kube.HookOnlyStrategy
	r, err := upgrade.Run(to.release, chart, given)
	if err != nil {
		return result{}, err
	}
	return h.result(r)
}

func (h helm4) Rollback(to target, version int) error {
	cfg, err := h.configure(to)
	if err != nil {
		return err
	}
	rollback := action.NewRollback(cfg)
	rollback.Version = version
	rollback.ServerSideApply, rollback.WaitStrategy = "auto", kube.HookOnlyStrategy
	return rollback.Run(to.release)
}

func (h helm4) Uninstall(to target) error {
	cfg, err := h.configure(to)
	if err != nil {
		return err
	}
	uninstall := action.NewUninstall(cfg)
	uninstall.WaitStrategy = kube.HookOnlyStrategy
	_, err = uninstall.Run(to.release)
	return err
}
