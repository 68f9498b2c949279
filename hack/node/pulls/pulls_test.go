package pulls

import (
	"strings"
	"testing"
)

// What people install pullsecrets for. A pod that came before it stays as it was, because an account's names are put
// into a pod when it is created.
func TestAPodPullsFromTwoRegistries(t *testing.T) {
	node(t)
	install(t, beside)
	namespace(t, "early")
	early := pod{t: t, namespace: "early", name: "web", images: images}
	early.create()
	said := early.isRefused()
	for _, host := range []string{"127.0.0.1:5001", "127.0.0.1:5002"} {
		if !strings.Contains(said, "host "+host+" failed with status code [manifests 1]: 401 Unauthorized") {
			t.Errorf("it is not %s that refuses:\n%s", host, said)
		}
	}

	startController(t)
	eventually(t, "the account of early has the names", func() bool {
		return field("early", "serviceaccount/default", "{.imagePullSecrets[*].name}") == names
	})
	if has := early.field("{.spec.imagePullSecrets}"); has != "" {
		t.Errorf("a pod that was there before has names: %s", has)
	}

	kubectl(t, "create", "namespace", "served")
	t.Cleanup(func() { kubectl(t, "delete", "namespace", "served", "--wait=false") })
	eventually(t, "the account of served has the names", func() bool {
		return field("served", "serviceaccount/default", "{.imagePullSecrets[*].name}") == names
	})
	served := pod{t: t, namespace: "served", name: "web", images: images}
	served.create()
	served.runs()

	if early.isRunning() {
		t.Error("the pod that came before runs, although nobody made it anew")
	}
	early.isExplained("before its service account had the name: delete the pod, or restart its workload")
	early.isExplained("host 127.0.0.1:5001 failed with status code [manifests 1]: 401 Unauthorized")
	early.delete()
	early.create()
	early.runs()
}
