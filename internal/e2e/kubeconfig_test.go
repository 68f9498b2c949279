package e2e

import (
	"encoding/base64"
	"fmt"
	"os"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// kubeconfigOf is that of a service account.
func (s *sandbox) kubeconfigOf(namespace, account string) string {
	s.T.Helper()
	request := api.Object("authentication.k8s.io/v1", "TokenRequest", namespace, account)
	answer, err := s.Client.Resource(api.Accounts).Namespace(namespace).Create(s.Ctx, request, metav1.CreateOptions{}, "token")
	harness.Must(s.T, err)
	token, _, _ := unstructured.NestedString(answer.Object, "status", "token")
	authority := s.Config.CAData
	if len(authority) == 0 {
		authority, err = os.ReadFile(s.Config.CAFile)
		harness.Must(s.T, err)
	}
	return fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}],
  clusters: [{name: a, cluster: {server: %q, certificate-authority-data: %s}}], users: [{name: a, user: {token: %s}}]}`,
		s.Config.Host, base64.StdEncoding.EncodeToString(authority), token)
}
