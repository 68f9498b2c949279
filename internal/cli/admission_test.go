package cli

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"k8s.io/client-go/rest"
)

func TestAnAPIServerIsAskedWhetherItKnowsMutatingPolicies(t *testing.T) {
	for _, tt := range []struct {
		why, resources string
		status         int
		want, fails    bool
	}{
		{"1.36 and later", `{"name": "mutatingadmissionpolicies", "kind": "MutatingAdmissionPolicy"}, {"name": "validatingadmissionpolicies"}`, 200, true, false},
		{"before", `{"name": "validatingadmissionpolicies", "kind": "ValidatingAdmissionPolicy"}`, 200, false, false},
		{"one that is not ready", ``, 503, false, true},
	} {
		t.Run(tt.why, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/apis/admissionregistration.k8s.io/v1" {
					t.Errorf("it asks for %s", r.URL)
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(tt.status)
				fmt.Fprintf(w, `{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "admissionregistration.k8s.io/v1", "resources": [%s]}`, tt.resources)
			}))
			defer server.Close()
			ask, err := mutates(&rest.Config{Host: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			got, err := ask(t.Context())
			if got != tt.want || (err != nil) != tt.fails {
				t.Errorf("got %t and %v, want %t", got, err, tt.want)
			}
		})
	}
}
