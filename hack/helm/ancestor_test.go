package helm

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
)

// ofList are values as people give them to JanSvoboda's chart, ofMapping to tamcore's.
func ofList() values {
	return values{
		"image":         values{"tag": "v0.15"},
		"dockerSecrets": values{"hostname": "hub.example.com", "username": "robot", "password": "not-a-real-token"},
		"resources":     values{"limits": values{"memory": "30Mi", "cpu": "200m"}, "requests": values{"memory": "15Mi", "cpu": "10m"}},
	}
}

func ofMapping() values {
	return values{
		"volumes":      []any{values{"name": "src", "secret": values{"secretName": "source"}}},
		"volumeMounts": []any{values{"name": "src", "mountPath": "/secrets", "readOnly": true}},
		"env":          values{"CONFIG_DOCKERCONFIGJSONPATH": "/secrets/.dockerconfigjson", "CONFIG_DEBUG": true},
		"livenessProbe": values{"httpGet": values{"path": "/healthz", "port": 8081.0},
			"initialDelaySeconds": 15.0},
		"extraObjects": []any{values{"apiVersion": "v1", "kind": "Secret", "metadata": values{"name": "source"}}},
		"resources":    values{"limits": values{"memory": "100Mi"}, "requests": values{"memory": "15Mi", "cpu": "10m"}},
	}
}

// reused are the values of --reuse-values: those of the release's last chart, in the place of this chart's own.
func reused(given, ofTheirChart values) values {
	out := values{}
	overlay(out, ofTheirChart)
	overlay(out, given)
	return out
}

// withoutDefaults is the chart without values of its own.
func withoutDefaults(t *testing.T) string {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "pullsecrets")
	harness.Must(t, os.CopyFS(folder, os.DirFS(chartFolder)))
	harness.Must(t, os.WriteFile(filepath.Join(folder, "values.yaml"), nil, 0o644))
	return folder
}

// TestMissingValuesAreFilledIn is what --reuse-values asks for: the values of the last chart take the place of this one's.
func TestMissingValuesAreFilledIn(t *testing.T) {
	bare := here
	bare.chart = withoutDefaults(t)
	everything := two()
	overlay(everything, switches["ha"])
	eachEngine(t, func(t *testing.T, h engine) {
		for name, given := range map[string]values{"a policy": one(), "more": everything, "JanSvoboda's": ofList(), "tamcore's": ofMapping()} {
			want, err := h.Template(here, given)
			harness.Must(t, err)
			got, err := h.Template(bare, given)
			harness.Must(t, err)
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(result{})); diff != "" {
				t.Errorf("%s (-with the chart's values +without):\n%s", name, diff)
			}
		}
	})
}

// shown is a release in the words of these tests.
type shown struct {
	Objects, Env []string
	Image        string
	Memory       string
}

func show(t *testing.T, h engine, given values) (shown, corev1.PodSpec, result) {
	t.Helper()
	r, err := h.Template(target{release: "ips", namespace: "registry", chart: chartFolder}, given)
	harness.Must(t, err)
	out, pod := shown{}, corev1.PodSpec{}
	for _, u := range objects(t, r.manifest) {
		out.Objects = append(out.Objects, u.GetKind()+" "+u.GetName())
		if spec, ok, _ := unstructured.NestedMap(u.Object, "spec", "template", "spec"); ok {
			harness.Must(t, runtime.DefaultUnstructuredConverter.FromUnstructured(spec, &pod))
		}
	}
	container := pod.Containers[0]
	for _, e := range container.Env {
		out.Env = append(out.Env, e.Name+"="+e.Value)
	}
	out.Image, out.Memory = container.Image, container.Resources.Limits.Memory().String()
	return out, pod, r
}

var ofAncestor = []string{
	"ServiceAccount ips-imagepullsecret-patcher", "ClusterRole ips-imagepullsecret-patcher",
	"ClusterRoleBinding ips-imagepullsecret-patcher", "Role ips-imagepullsecret-patcher-status",
	"RoleBinding ips-imagepullsecret-patcher-status", "Deployment ips-imagepullsecret-patcher",
}

// TestValuesOfImagepullsecretPatcher says what becomes of them; hack/helm/migration_test.go has what happens in a cluster.
func TestValuesOfImagepullsecretPatcher(t *testing.T) {
	image := "ghcr.io/pullsecrets/pullsecrets:" + strings.TrimSpace(read(t, "../../VERSION"))
	list := shown{
		Objects: append([]string{ofAncestor[0], "Secret image-pull-secret"}, ofAncestor[1:]...),
		Env: []string{"POD_NAMESPACE=", "PULLSECRETS_HEALTH_ADDR=:8081", "CONFIG_DOCKERCONFIGJSONPATH=/app/secrets/.dockerconfigjson",
			"CONFIG_EXCLUDED_NAMESPACES=kube-system,kube-node-lease,kube-public", "CONFIG_SECRETNAME=image-pull-secret"},
		Image: image, Memory: "256Mi",
	}
	theirs := values{ // what the chart itself says, of what matters here
		"replicaCount": 1.0, "image": values{"registry": "", "repository": "svoboh/imagepullsecret-patcher", "tag": ""},
		"serviceAccount": values{"create": true, "automount": true, "annotations": values{}, "name": ""},
		"autoscaling":    values{"enabled": false}, "nodeSelector": values{}, "securityContext": values{}, "podSecurityContext": values{},
		"env": []any{values{"name": "CONFIG_FORCE", "value": "true"}, values{"name": "CONFIG_SECRETNAME", "value": "registry"}},
	}
	withEnv := list
	withEnv.Objects = append([]string{ofAncestor[0], "Secret registry"}, ofAncestor[1:]...)
	withEnv.Env = []string{"POD_NAMESPACE=", "PULLSECRETS_HEALTH_ADDR=:8081", "CONFIG_SECRETNAME=registry", "CONFIG_FORCE=true"}
	mapping := shown{
		Objects: append([]string{ofAncestor[0], "Secret source"}, ofAncestor[1:]...),
		Env: []string{"POD_NAMESPACE=", "PULLSECRETS_HEALTH_ADDR=:8081", "CONFIG_EXCLUDED_NAMESPACES=kube-*",
			"CONFIG_EXCLUDE_ANNOTATION=pborn.eu/imagepullsecret-patcher-exclude", "CONFIG_SECRETNAME=global-imagepullsecret",
			"CONFIG_DEBUG=true", "CONFIG_DOCKERCONFIGJSONPATH=/secrets/.dockerconfigjson"},
		Image: image, Memory: "256Mi",
	}
	policy := ofList()
	policy["policy"] = values{"rules": []any{rule("image-pull-secret", "image-pull-secret")}}
	policy["env"] = theirs["env"]
	withPolicy := shown{
		Objects: []string{"NetworkPolicy pullsecrets", "ServiceAccount pullsecrets", "Secret registry", "ConfigMap pullsecrets-policy",
			"ClusterRole pullsecrets", "ClusterRoleBinding pullsecrets", "Role pullsecrets", "RoleBinding pullsecrets",
			"Deployment pullsecrets", "ValidatingAdmissionPolicy pullsecrets-guard", "ValidatingAdmissionPolicyBinding pullsecrets-guard"},
		Env: []string{"POD_NAMESPACE="}, Image: image, Memory: "256Mi",
	}
	mirrored := ofMapping()
	mirrored["image"] = values{"repository": "tamcore/imagepullsecret-patcher", "reference": "mirror.example.com/pullsecrets:v9"}
	mirror := mapping
	mirror.Image = "mirror.example.com/pullsecrets:v9"
	eachEngine(t, func(t *testing.T, h engine) {
		for _, c := range []struct {
			why   string
			given values
			want  shown
			notes string
		}{
			{"JanSvoboda's values, and what that chart says by itself", ofList(), list, "raised from 30Mi"},
			{"with --reuse-values", reused(ofList(), theirs), withEnv, "raised from 30Mi"},
			{"tamcore's values", ofMapping(), mapping, "raised from 100Mi"},
			{"with --reuse-values and an image of one's own", reused(mirrored, values{"monitoring": values{"enabled": false}, "unheardOf": 1.0}), mirror, "unheardOf"},
			{"with a policy the settings are no longer followed", policy, withPolicy, "CONFIG_ variables in env are left out"},
		} {
			got, pod, r := show(t, h, c.given)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.why, diff)
			}
			if !strings.Contains(r.notes, c.notes) {
				t.Errorf("%s: NOTES have nothing of %q:\n%s", c.why, c.notes, r.notes)
			}
			if pod.SecurityContext.RunAsNonRoot == nil || pod.Containers[0].SecurityContext.AllowPrivilegeEscalation == nil || pod.NodeSelector["kubernetes.io/os"] != "linux" {
				t.Errorf("%s: the pod is not restricted: %v", c.why, pod)
			}
			if strings.Contains(r.notes, "not-a-real-token") {
				t.Errorf("%s: NOTES have the credential", c.why)
			}
		}
		_, pod, _ := show(t, h, ofMapping())
		if len(pod.Volumes) != 1 || pod.Containers[0].LivenessProbe.InitialDelaySeconds != 15 || pod.Containers[0].ReadinessProbe.HTTPGet.Path != "/readyz" {
			t.Errorf("volumes and probes: %v", pod)
		}
		if group := pod.SecurityContext.FSGroup; group == nil || *group != 1000 {
			t.Errorf("the pod has the group %v, and tamcore's chart gives it 1000, by which a mounted Secret may be read", group)
		}
	})
}

// TestAPodThatRunsAsRootMayGoOnToDoSo has the user at either of the two places: what the chart adds must not contradict.
func TestAPodThatRunsAsRootMayGoOnToDoSo(t *testing.T) {
	eachEngine(t, func(t *testing.T, h engine) {
		for _, place := range []string{"podSecurityContext", "securityContext"} {
			given := ofList()
			overlay(given, values{place: values{"runAsUser": 0.0}})
			for _, chart := range []string{chartFolder, withoutDefaults(t)} { // with -f, and with --reuse-values
				r, err := h.Template(target{release: "ips", namespace: "registry", chart: chart}, given)
				harness.Must(t, err)
				if !strings.Contains(r.manifest, "runAsUser: 0") || strings.Contains(r.manifest, "runAsNonRoot: true") {
					t.Errorf("%s: the kubelet will not start the container:\n%s", place, r.manifest)
				}
			}
		}
	})
}

// TestWhatDoesNotGoWithImagepullsecretPatcher has the mistakes of those who come from there.
func TestWhatDoesNotGoWithImagepullsecretPatcher(t *testing.T) {
	with := func(change values) values { given := ofList(); overlay(given, change); return given }
	eachEngine(t, func(t *testing.T, h engine) {
		for word, given := range map[string]values{
			"ha.enabled needs a policy":         with(values{"ha": values{"enabled": true}}),
			"admission.enabled needs a policy":  with(values{"admission": values{"enabled": true}}),
			"evict.enabled needs a policy":      with(values{"evict": values{"enabled": true}}),
			"viewer.enabled needs a policy":     with(values{"viewer": values{"enabled": true}}),
			"dockerSecrets.password is missing": with(values{"dockerSecrets": values{"password": ""}}),
		} {
			if _, err := h.Template(here, given); err == nil || !strings.Contains(err.Error(), word) {
				t.Errorf("%v, want %q", err, word)
			}
		}
	})
}

// TestNumbersKeepTheirDigits has what people forget to quote: YAML makes a number of it, and Go writes that as 1.0020034e+08.
func TestNumbersKeepTheirDigits(t *testing.T) {
	list, mapping := ofList(), ofMapping()
	list["dockerSecrets"] = values{"hostname": "hub.example.com", "username": 100200300.0, "password": 12345678901.0}
	list["image"] = values{"tag": 0.15}
	overlay(mapping, values{"env": values{"CONFIG_MAX_CONCURRENT_RECONCILES": 10000000.0}})
	eachEngine(t, func(t *testing.T, h engine) {
		r, err := h.Template(here, list)
		harness.Must(t, err)
		for _, u := range objects(t, r.manifest) {
			if u.GetKind() == "Secret" {
				text, _, _ := unstructured.NestedString(u.Object, "data", ".dockerconfigjson")
				got, err := base64.StdEncoding.DecodeString(text)
				harness.Must(t, err)
				if want := `{"auths":{"hub.example.com":{"email":null,"password":"12345678901","username":"100200300"}}}`; string(got) != want {
					t.Errorf("the secret has %s", got)
				}
			}
		}
		list["resources"] = values{"limits": values{"memory": 31457280.0}}
		if got, _, r := show(t, h, list); got.Memory != "256Mi" || !strings.Contains(r.notes, "raised from 31457280 to 256Mi") {
			t.Errorf("a limit of 31457280 bytes is %s:\n%s", got.Memory, r.notes)
		}
		if got, _, _ := show(t, h, mapping); !slices.Contains(got.Env, "CONFIG_MAX_CONCURRENT_RECONCILES=10000000") {
			t.Errorf("the variables are %q", got.Env)
		}
	})
}
