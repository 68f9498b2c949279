package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestFlagsOfEvictAreChecked(t *testing.T) {
	for _, c := range []struct {
		flags evictFlags
		want  string
	}{
		{evictFlags{namespace: "home", rate: 2}, ""},
		{evictFlags{namespace: "home", rate: 0.1, owners: "StatefulSet.apps.kruise.io, Cluster.postgresql.cnpg.io"}, ""},
		{evictFlags{namespace: "Home", rate: 2}, `"Home" is not the name of a namespace`},
		{evictFlags{namespace: "home", sourceNamespaces: "a,b/c", rate: 2}, `"b/c" is not the name of a namespace`},
		{evictFlags{namespace: "home"}, "-rate 0: must be from 0.01 to 100"},
		{evictFlags{namespace: "home", rate: 2, owners: ".apps"}, `-owners: ".apps" is no kind`},
		{evictFlags{namespace: "home", rate: 2, owners: "apps/v1 ReplicaSet"}, "is no kind"},
	} {
		_, err := c.flags.validate()
		if text := ""; err != nil {
			if text = err.Error(); c.want == "" || !strings.Contains(text, c.want) {
				t.Errorf("%+v: %s", c.flags, text)
			}
		} else if c.want != "" {
			t.Errorf("%+v is taken, want %s", c.flags, c.want)
		}
	}
	f := evictFlags{namespace: "home", rate: 2, owners: "StatefulSet.apps.kruise.io,Odd"}
	owners, err := f.validate()
	want := []schema.GroupKind{{Group: "apps.kruise.io", Kind: "StatefulSet"}, {Kind: "Odd"}}
	if diff := cmp.Diff(want, owners); diff != "" || err != nil {
		t.Error(err, diff)
	}
}
