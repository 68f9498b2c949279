package main

import (
	"strings"
	"testing"

	action3 "helm.sh/helm/v3/pkg/action"
	loader3 "helm.sh/helm/v3/pkg/chart/loader"
	cli3 "helm.sh/helm/v3/pkg/cli"
	registry3 "helm.sh/helm/v3/pkg/registry"
	action4 "helm.sh/helm/v4/pkg/action"
	loader4 "helm.sh/helm/v4/pkg/chart/loader"
	cli4 "helm.sh/helm/v4/pkg/cli"
	"helm.sh/helm/v4/pkg/kube"
	registry4 "helm.sh/helm/v4/pkg/registry"
	release4 "helm.sh/helm/v4/pkg/release"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"sigs.k8s.io/yaml"
)

// values are those of somebody who has the sources of examples/first-try.
func values(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	err := yaml.Unmarshal([]byte(`
policy:
  rules:
  - name: dockerhub
    secrets: [{source: {name: dockerhub}, name: regcred}]
    namespaces: {exclude: ["kube-*"]}
`), &v)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func chartURL(r *released) (url, version string) {
	return "oci://" + r.target.chart.Name(), strings.TrimPrefix(r.version, "v")
}

func getter(c *cluster) *genericclioptions.ConfigFlags {
	flags := genericclioptions.NewConfigFlags(false)
	namespace := home
	flags.KubeConfig, flags.Namespace = &c.kubeconfig, &namespace
	return flags
}

// installWithHelm4 is helm install --create-namespace --plain-http pullsecrets oci://… --version …
func installWithHelm4(t *testing.T, c *cluster, r *released) {
	kube.ManagedFieldsManager = "helm" // as the command sets it
	config := action4.NewConfiguration()
	if err := config.Init(getter(c), home, "secret"); err != nil {
		t.Fatal(err)
	}
	registry, err := registry4.NewClient(registry4.ClientOptPlainHTTP())
	if err != nil {
		t.Fatal(err)
	}
	install := action4.NewInstall(config)
	install.SetRegistryClient(registry)
	url, version := chartURL(r)
	install.ReleaseName, install.Namespace, install.CreateNamespace = "pullsecrets", home, true
	install.Version, install.PlainHTTP, install.WaitStrategy = version, true, kube.HookOnlyStrategy
	file, err := install.LocateChart(url, cli4.New())
	if err != nil {
		t.Fatal(err)
	}
	chart, err := loader4.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	installed, err := install.RunWithContext(t.Context(), chart, values(t))
	if err != nil {
		t.Fatal(err)
	}
	accessor, err := release4.NewAccessor(installed)
	if err != nil {
		t.Fatal(err)
	}
	c.equal(t, accessor.Manifest())
	c.sources(t, r.clone)
	c.works(t, r.ghcr())
	uninstall := action4.NewUninstall(config)
	uninstall.WaitStrategy = kube.HookOnlyStrategy
	if _, err := uninstall.Run("pullsecrets"); err != nil {
		t.Error(err)
	}
}

func installWithHelm3(t *testing.T, c *cluster, r *released) {
	config := &action3.Configuration{}
	if err := config.Init(getter(c), home, "secret", func(string, ...any) {}); err != nil {
		t.Fatal(err)
	}
	registry, err := registry3.NewClient(registry3.ClientOptPlainHTTP())
	if err != nil {
		t.Fatal(err)
	}
	install := action3.NewInstall(config)
	install.SetRegistryClient(registry)
	url, version := chartURL(r)
	install.ReleaseName, install.Namespace, install.CreateNamespace = "pullsecrets", home, true
	install.Version, install.PlainHTTP = version, true
	file, err := install.LocateChart(url, cli3.New())
	if err != nil {
		t.Fatal(err)
	}
	chart, err := loader3.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	installed, err := install.RunWithContext(t.Context(), chart, values(t))
	if err != nil {
		t.Fatal(err)
	}
	c.equal(t, installed.Manifest)
	c.sources(t, r.clone)
	c.works(t, r.ghcr())
	if _, err := action3.NewUninstall(config).Run("pullsecrets"); err != nil {
		t.Error(err)
	}
}
