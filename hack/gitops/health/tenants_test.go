package health

import (
	"fmt"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// TestSevenOfFourHundredTenants has four hundred namespaces on the real API server, some with a secret of somebody else in the
// copy's place: seven leave the policy healthy in both tools and are told, more than forty do not, and neither does a source that is bad.
func TestSevenOfFourHundredTenants(t *testing.T) {
	r := newRepository(t)
	r.Source("hub", api.Credential("hub.example", "s"))
	r.Cluster.Patience = 3 * harness.Patient // of so many, on a busy machine
	all := r.tenants(400)
	r.foreign(all[:7])
	r.edit("dockerhub", "hub")
	r.edit("exclude:", "include: ['"+r.Prefix+"*']\n    exclude:") // no namespace of other tests
	r.applyAndExpect("Progressing", "InProgress")
	running := r.Start()
	r.becomes("Healthy", "Current", "Ready: in force; 7 of 400 namespaces have problems of their own: 7 ForeignSecret; first: ")
	running.Stop()

	r.foreign(all[7:41])
	r.edit("exclude: [", "exclude: [none, ") // another text, so that health is that of a whole roll-out
	r.applyAndExpect("Progressing", "InProgress")
	r.Start()
	r.becomes("Degraded", "InProgress", "Degraded: 41 of 400 namespaces have problems of their own, more than the 40 that -max-failing allows: 41 ForeignSecret; first: ")
	r.Delete(api.Secrets, all[3], "regcred")
	r.becomes("Healthy", "Current", "Ready: in force; 40 of 400 namespaces")
	r.Source("hub", "{}")
	r.becomes("Degraded", "InProgress", "SourceInvalid")
}

// tenants makes as many namespaces.
func (r *repository) tenants(n int) (all []string) {
	r.T.Helper()
	for i := range n {
		u := api.Object("v1", "Namespace", "", r.Name(fmt.Sprintf("team-%03d", i)))
		_, err := r.Client.Resource(api.Namespaces).Create(r.Ctx, u, metav1.CreateOptions{})
		harness.Must(r.T, err)
		all = append(all, u.GetName())
	}
	return all
}

// foreign has somebody put a secret of his own in the copy's place, while no controller runs.
func (r *repository) foreign(namespaces []string) {
	r.T.Helper()
	for _, ns := range namespaces {
		err := r.Client.Resource(api.Secrets).Namespace(ns).Delete(r.Ctx, "regcred", metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			r.T.Fatal(err)
		}
		r.Create(api.Secrets, api.Secret(ns, "regcred", api.Credential("theirs.example", "x")))
	}
}
