package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// authenticationCache is longer than the API server goes on to accept a token that it saw a moment ago: 10 s.
const authenticationCache = 12 * time.Second

const tokenAccount = "chaos-program"

// token is the program's token of its service account, as a pod has it: in a file that is replaced before the token ends.
type token struct {
	s     *stage
	file  string
	bound []string // the secrets that the tokens end with, one for each
}

// byToken has the program make its requests as a service account, with a token from a file.
func byToken(s *stage) {
	s.t.Helper()
	s.token = &token{s: s, file: filepath.Join(s.t.TempDir(), "token")}
	s.must(s.token.account())
	s.must(s.token.replace())
	kubeconfig, err := s.Proxy.TokenKubeconfig(s.t.TempDir(), s.token.file)
	s.must(err)
	s.Options.Kubeconfig = kubeconfig
}

var bindings = schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterrolebindings"}

func (k *token) account() error {
	binding := api.Object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "", tokenAccount)
	binding.Object["roleRef"] = map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
	binding.Object["subjects"] = []any{map[string]any{"kind": "ServiceAccount", "namespace": api.Home, "name": tokenAccount}}
	for resource, u := range map[schema.GroupVersionResource]*unstructured.Unstructured{
		api.Accounts: api.Object("v1", "ServiceAccount", api.Home, tokenAccount), bindings: binding,
	} {
		_, err := k.s.Lab.Client.Resource(resource).Namespace(u.GetNamespace()).Create(k.s.t.Context(), u, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return nil
}

// replace writes a new token into the file.
func (k *token) replace() error {
	ctx := k.s.t.Context()
	secret := api.Object("v1", "Secret", api.Home, "")
	secret.SetGenerateName(tokenAccount + "-")
	made, err := k.s.Lab.Client.Resource(api.Secrets).Namespace(api.Home).Create(ctx, secret, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	k.bound = append(k.bound, made.GetName())
	request := api.Object("authentication.k8s.io/v1", "TokenRequest", api.Home, tokenAccount)
	request.Object["spec"] = map[string]any{
		"audiences": []any{}, "expirationSeconds": int64(3600),
		"boundObjectRef": map[string]any{"kind": "Secret", "apiVersion": "v1", "name": made.GetName(), "uid": string(made.GetUID())},
	}
	answer, err := k.s.Lab.Client.Resource(api.Accounts).Namespace(api.Home).Create(ctx, request, metav1.CreateOptions{}, "token")
	if err != nil {
		return err
	}
	text, _, _ := unstructured.NestedString(answer.Object, "status", "token")
	if text == "" {
		return fmt.Errorf("the API server gave no token")
	}
	next := k.file + ".next"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(next, k.file)
}

// revoke ends the oldest token.
func (k *token) revoke() error {
	name := k.bound[0]
	k.bound = k.bound[1:]
	return k.s.Lab.Client.Resource(api.Secrets).Namespace(api.Home).Delete(k.s.t.Context(), name, metav1.DeleteOptions{})
}
