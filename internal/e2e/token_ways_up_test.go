package e2e

import (
	"net/http"
	"slices"
	"testing"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// waysUp are the attempts of TestKnownWaysUp, in a namespace that holds a copy and a secret of somebody else.
func waysUp(s *sandbox, ns string) []attempt {
	reg := s.Name("reg")
	in := func(namespace string) string { return "/api/v1/namespaces/" + namespace }
	return append([]attempt{
		{why: "all secrets", method: http.MethodGet, path: "/api/v1/secrets"},
		{why: "all secrets of a namespace", method: http.MethodGet, path: in(ns) + "/secrets"},
		{why: "all secrets, by label", method: http.MethodGet, path: "/api/v1/secrets?labelSelector=app.kubernetes.io/managed-by=pullsecrets"},
		{why: "all secrets, by type", method: http.MethodGet, path: "/api/v1/secrets?fieldSelector=type=kubernetes.io/dockerconfigjson"},
		{why: "all secrets but one", method: http.MethodGet, path: "/api/v1/secrets?fieldSelector=metadata.name!=" + reg},
		{why: "a secret of another name", method: http.MethodGet, path: in(ns) + "/secrets/theirs"},
		{why: "a secret of another name, by listing it", method: http.MethodGet, path: in(ns) + "/secrets?fieldSelector=metadata.name=theirs"},
		{why: "a secret beside the sources", method: http.MethodGet, path: in(api.Home) + "/secrets/other"},
		{why: "another secret's metadata", method: http.MethodGet, path: in(ns) + "/secrets/theirs",
			header: map[string]string{"Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"}},
		{why: "writing the source", method: http.MethodPatch, path: in(api.Home) + "/secrets/hub", body: labelled("x", "y")},
		{why: "a new secret, of any name", method: http.MethodPost, path: in(ns) + "/secrets", body: api.Secret(ns, "new", api.Credential("hub.example", "x")).Object},
		{why: "a new secret, of a copy's name but not by apply", method: http.MethodPost, path: in(s.Name("a")) + "/secrets",
			body: map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"generateName": reg}}},
		{why: "putting a copy in place of another", method: http.MethodPut, path: in(ns) + "/secrets/" + reg, body: api.Secret(ns, reg, api.Credential("hub.example", "x")).Object},
		{why: "deleting all copies at once", method: http.MethodDelete, path: in(ns) + "/secrets?fieldSelector=metadata.name=" + reg},
		{why: "deleting a secret of somebody else", method: http.MethodDelete, path: in(ns) + "/secrets/theirs"},
		{why: "a ConfigMap of somebody else", method: http.MethodPost, path: in("kube-system") + "/configmaps", body: named("v1", "ConfigMap", "kube-system")},
		{why: "opting a namespace in", method: http.MethodPatch, path: in(ns), body: labelled("team", "platform")},
		{why: "a namespace", method: http.MethodPost, path: "/api/v1/namespaces", body: named("v1", "Namespace", "")},
		{why: "the Lease of somebody else", method: http.MethodPost, path: "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases", body: named("coordination.k8s.io/v1", "Lease", "kube-system")},
	}, slices.Concat(identities(ns), rules(), s.mutatingRules(), guarded(s, ns))...)
}

func named(apiVersion, kind, namespace string) map[string]any {
	return api.Object(apiVersion, kind, namespace, "way-up").Object
}

func labelled(key, value string) map[string]any {
	return map[string]any{"metadata": map[string]any{"labels": map[string]any{key: value}}}
}

func annotated(key, value string) map[string]any {
	return map[string]any{"metadata": map[string]any{"annotations": map[string]any{key: value}}}
}

// identities are the ways to become somebody else.
func identities(ns string) []attempt {
	pod := named("v1", "Pod", ns)
	pod["spec"] = map[string]any{"containers": []any{map[string]any{"name": "a", "image": "a"}}}
	csr := named("certificates.k8s.io/v1", "CertificateSigningRequest", "")
	csr["spec"] = map[string]any{"signerName": "kubernetes.io/kube-apiserver-client", "request": certificateRequest, "usages": []any{"client auth"}}
	as := func(user, group string) map[string]string {
		h := map[string]string{"Impersonate-User": user}
		if group != "" {
			h["Impersonate-Group"] = group
		}
		return h
	}
	token := map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": map[string]any{}}
	return []attempt{
		{why: "impersonating an administrator", method: http.MethodGet, path: "/api/v1/namespaces", header: as("admin", "system:masters")},
		{why: "impersonating a controller of the control plane", method: http.MethodGet, path: "/api/v1/namespaces/" + ns + "/serviceaccounts",
			header: as("system:serviceaccount:kube-system:namespace-controller", "system:masters")},
		{why: "a token of another account", method: http.MethodPost, path: "/api/v1/namespaces/" + ns + "/serviceaccounts/default/token", body: token},
		{why: "a token of its own that lives on", method: http.MethodPost, path: "/api/v1/namespaces/" + api.Home + "/serviceaccounts/pullsecrets/token", body: token},
		{why: "another service account", method: http.MethodPost, path: "/api/v1/namespaces/" + ns + "/serviceaccounts", body: named("v1", "ServiceAccount", ns)},
		{why: "a service account gone", method: http.MethodDelete, path: "/api/v1/namespaces/" + ns + "/serviceaccounts/default"},
		{why: "a pod, which can mount any secret of its namespace", method: http.MethodPost, path: "/api/v1/namespaces/" + ns + "/pods", body: pod},
		{why: "a client certificate", method: http.MethodPost, path: "/apis/certificates.k8s.io/v1/certificatesigningrequests", body: csr},
	}
}

// rules are the ways to change what is permitted, or what every request becomes.
func rules() []attempt {
	const rbac = "/apis/rbac.authorization.k8s.io/v1"
	role := func(kind, namespace string) map[string]any {
		o := named("rbac.authorization.k8s.io/v1", kind, namespace)
		o["rules"] = []any{map[string]any{"apiGroups": []any{"*"}, "resources": []any{"*"}, "verbs": []any{"*"}}}
		return o
	}
	binding := func(kind, namespace string) map[string]any {
		o := named("rbac.authorization.k8s.io/v1", kind, namespace)
		o["roleRef"] = map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
		o["subjects"] = []any{map[string]any{"kind": "ServiceAccount", "name": "pullsecrets", "namespace": api.Home}}
		return o
	}
	crd := named("apiextensions.k8s.io/v1", "CustomResourceDefinition", "")
	crd["metadata"] = map[string]any{"name": "ways.up.example"}
	crd["spec"] = map[string]any{"group": "up.example", "scope": "Cluster",
		"names": map[string]any{"kind": "Way", "plural": "ways"},
		"versions": []any{map[string]any{"name": "v1", "served": true, "storage": true,
			"schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object"}}}}}
	service := named("apiregistration.k8s.io/v1", "APIService", "")
	service["metadata"] = map[string]any{"name": "v1.up.example"}
	service["spec"] = map[string]any{"group": "up.example", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1,
		"insecureSkipTLSVerify": true, "service": map[string]any{"name": "a", "namespace": api.Home}}
	return []attempt{
		{why: "more in its own ClusterRole", method: http.MethodPatch, path: rbac + "/clusterroles/pullsecrets", body: map[string]any{"rules": role("ClusterRole", "")["rules"]}},
		{why: "more in its own Role", method: http.MethodPatch, path: rbac + "/namespaces/" + api.Home + "/roles/pullsecrets", body: map[string]any{"rules": role("Role", "")["rules"]}},
		{why: "a role", method: http.MethodPost, path: rbac + "/clusterroles", body: role("ClusterRole", "")},
		{why: "a binding to cluster-admin", method: http.MethodPost, path: rbac + "/clusterrolebindings", body: binding("ClusterRoleBinding", "")},
		{why: "a binding in one namespace", method: http.MethodPost, path: rbac + "/namespaces/kube-system/rolebindings", body: binding("RoleBinding", "kube-system")},
		{why: "a validating admission policy", method: http.MethodPost, path: admissionPath + "/validatingadmissionpolicies",
			body: admissionObject("ValidatingAdmissionPolicy", map[string]any{"matchConstraints": newSecrets, "validations": []any{map[string]any{"expression": "true"}}})},
		{why: "the guard gone", method: http.MethodDelete, path: admissionPath + "/validatingadmissionpolicies/pullsecrets-guard"},
		{why: "the guard unbound", method: http.MethodDelete, path: admissionPath + "/validatingadmissionpolicybindings/pullsecrets-guard"},
		{why: "a webhook that changes objects", method: http.MethodPost, path: admissionPath + "/mutatingwebhookconfigurations", body: admissionObject("MutatingWebhookConfiguration", nil)},
		{why: "a webhook that reads objects", method: http.MethodPost, path: admissionPath + "/validatingwebhookconfigurations", body: admissionObject("ValidatingWebhookConfiguration", nil)},
		{why: "a resource definition", method: http.MethodPost, path: "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body: crd},
		{why: "an API of its own", method: http.MethodPost, path: "/apis/apiregistration.k8s.io/v1/apiservices", body: service},
	}
}

const admissionPath = "/apis/admissionregistration.k8s.io/v1"

// newSecrets is what an admission policy of theirs would see.
var newSecrets = map[string]any{"resourceRules": []any{map[string]any{
	"apiGroups": []any{""}, "apiVersions": []any{"v1"}, "operations": []any{"CREATE"}, "resources": []any{"secrets"}}}}

func admissionObject(kind string, spec map[string]any) map[string]any {
	o := named("admissionregistration.k8s.io/v1", kind, "")
	if spec != nil {
		o["spec"] = spec
	}
	return o
}

// mutatingRules are those of the rules that an older API server does not know.
func (s *sandbox) mutatingRules() []attempt {
	if !s.Serves(harness.Mutation) {
		return nil
	}
	mutating := map[string]any{"matchConstraints": newSecrets, "reinvocationPolicy": "Never", "failurePolicy": "Ignore",
		"mutations": []any{map[string]any{"patchType": "JSONPatch", "jsonPatch": map[string]any{"expression": `[JSONPatch{op: "remove", path: "/data"}]`}}}}
	return []attempt{
		{why: "a mutating admission policy", method: http.MethodPost, path: admissionPath + "/mutatingadmissionpolicies", body: admissionObject("MutatingAdmissionPolicy", mutating)},
		{why: "its binding", method: http.MethodPost, path: admissionPath + "/mutatingadmissionpolicybindings", body: admissionObject("MutatingAdmissionPolicyBinding", map[string]any{"policyName": "pullsecrets"})},
	}
}

// guarded are the ways that RBAC leaves open, because it knows no fields.
func guarded(s *sandbox, ns string) []attempt {
	reg := s.Name("reg")
	tokens := map[string]any{"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
		"metadata": map[string]any{"name": reg, "annotations": map[string]any{"kubernetes.io/service-account.name": "default"}}}
	apply := map[string]string{"Content-Type": "application/apply-patch+yaml"}
	return []attempt{
		{why: "a copy's name for a secret that gets an account's token", method: http.MethodPatch,
			path: "/api/v1/namespaces/default/secrets/" + reg + "?fieldManager=thief", body: tokens, header: apply},
		{why: "an account's identity at a cloud", method: http.MethodPatch, path: "/api/v1/namespaces/" + ns + "/serviceaccounts/default",
			body: annotated("eks.amazonaws.com/role-arn", "arn:aws:iam::1:role/admin")},
		{why: "an account's labels", method: http.MethodPatch, path: "/api/v1/namespaces/" + ns + "/serviceaccounts/default", body: labelled("team", "x")},
		{why: "the secrets that an account may mount", method: http.MethodPatch, path: "/api/v1/namespaces/" + ns + "/serviceaccounts/default",
			body: map[string]any{"secrets": []any{map[string]any{"name": "theirs"}}}},
		{why: "the text of the policy", method: http.MethodPatch, path: "/api/v1/namespaces/" + api.Home + "/configmaps/pullsecrets-policy",
			body: map[string]any{"data": map[string]any{"policy.yaml": "rules: []"}}},
	}
}

// TestTheGuardHoldsNobodyElse tries what the guard refuses the controller as somebody else, whose account has a like name.
func TestTheGuardHoldsNobodyElse(t *testing.T) {
	s := newSandbox(t)
	ns := s.Namespace("a")
	s.Policy(harness.OneRule)
	_, admin := s.thief(harness.OneRule)
	for _, a := range guarded(s, ns) {
		a.header = map[string]string{"Impersonate-User": "system:serviceaccount:" + ns + ":not-pullsecrets", "Impersonate-Group": "system:masters",
			"Content-Type": a.header["Content-Type"]}
		if a.header["Content-Type"] == "" {
			a.header["Content-Type"] = "application/merge-patch+json"
		}
		if code, message := admin.try(a); code >= 400 {
			t.Errorf("%s: %d %s", a.why, code, message)
		}
	}
}

// certificateRequest asks for the common name "way-up"; its key is thrown away.
const certificateRequest = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlITU1ITUNBUUF3RVRFUE1BMEdBMVVFQXd3R2QyRjVMWFZ3TUZrd0V3WUhLb1pJemowQ0FRWUlLb1pJemowRApBUWNEUWdBRUVZWkVDaUZlMTlCM281aTJhbU9FcXVDc1RsNVdUQzd1OG00d3l1bmU2UXZWTnVsSVU1YmEwVlRWClhjWG56VU5vWlg2MEtkT0MzSG9RTWFoVC92dWMzNkFBTUFvR0NDcUdTTTQ5QkFNQ0Ewa0FNRVlDSVFDcURNZmIKdHZWTHNSUjZaUHc0VEZ6MC85OEN5WW1xczczcjU2ZDlrYmhqcWdJaEFPM1p4dFFPS0FidDRYaUVySEJVb2lxbQphbEtCaG0xS3AwSTBWcE1MeE9xSgotLS0tLUVORCBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0K"
