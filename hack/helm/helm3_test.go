package helm

import (
	"cmp"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/release"
	"k8s.io/cli-runtime/pkg/genericclioptions"
)

// helm3 is Helm 3, which patches three ways.
type helm3 struct{}

func (helm3) Name() string { return "Helm 3" }

func (helm3) configure(to target) (*action.Configuration, error) {
	flags := genericclioptions.NewConfigFlags(false)
	flags.KubeConfig, flags.Namespace = &to.kubeconfig, &to.namespace
	cfg := &action.Configuration{}
	return cfg, cfg.Init(flags, to.namespace, "secret", func(string, ...any) {})
}

func (helm3) Template(to target, given values) (result, error) {
	install := action.NewInstall(&action.Configuration{})
	install.ClientOnly, install.DryRun, install.Replace = true, true, true
	install.ReleaseName, install.Namespace = to.release, to.namespace
	version, err := chartutil.ParseKubeVersion(cmp.Or(to.kubeVersion, newest))
	if err != nil {
		return result{}, err
	}
	install.KubeVersion = version
	return helm3{}.install(install, to, given)
}

func (helm3) install(install *action.Install, to target, given values) (result, error) {
	chart, err := loader.Load(to.chart)
	if err != nil {
		return result{}, err
	}
	r, err := install.Run(chart, given)
	return helm3{}.result(r), err
}

func (helm3) result(r *release.Release) result {
	if r == nil {
		return result{}
	}
	return result{r.Manifest, r.Info.Notes}
}

func (helm3) Lint(chart string, given values) []error {
	lint := action.NewLint()
	lint.Strict, lint.Namespace = true, "pullsecrets"
	lint.KubeVersion, _ = chartutil.ParseKubeVersion(newest)
	return lint.Run([]string{chart}, given).Errors
}

func (h helm3) Install(to target, given values) (result, error) {
	cfg, err := h.configure(to)
	if err != nil {
		return result{}, err
	}
	install := action.NewInstall(cfg)
	install.ReleaseName, install.Namespace, install.CreateNamespace = to.release, to.namespace, true
	return h.install(install, to, given)
}

func (h helm3) Upgrade(to target, given values, reuse bool) (result, error) {
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
	r, err := upgrade.Run(to.release, chart, given)
	return h.result(r), err
}

func (h helm3) Rollback(to target, version int) error {
	cfg, err := h.configure(to)
	if err != nil {
		return err
	}
	rollback := action.NewRollback(cfg)
	rollback.Version = version
	return rollback.Run(to.release)
}

func (h helm3) Uninstall(to target) error {
	cfg, err := h.configure(to)
	if err != nil {
		return err
	}
	_, err = action.NewUninstall(cfg).Run(to.release)
	return err
}
