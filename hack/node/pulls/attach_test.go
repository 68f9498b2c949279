package pulls

import (
	"fmt"
	"strings"
	"testing"
)

// A pod that names pull secrets itself never sees its account's list. A rule that attaches to pods serves it all the same.
func TestAPodWithSecretsOfItsOwnPulls(t *testing.T) {
	node(t)
	installForPods(t, "probe-own")
	namespace(t, "own")
	pullSecret(t, "own", "theirs", string(credential(t, "registry2")))
	web := pod{t: t, namespace: "own", name: "web", images: images, names: []string{"theirs"}, pull: "Always"}
	web.create()
	web.runs()
	if has := web.field("{.spec.imagePullSecrets[*].name}"); has != "theirs "+names {
		t.Errorf("it names %s", has)
	}
	if list := field("own", "serviceaccount/default", "{.imagePullSecrets}"); list != "" {
		t.Errorf("its account has %s", list)
	}
	web.isExplained("registry1 (rule registries): the pod has it")
}

// What was created before its names were there is made anew if something makes it anew. A bare pod would just be gone.
func TestAnEarlyPodIsEvictedIfItIsMadeAnew(t *testing.T) {
	node(t)
	in := withoutNames(t, "early")
	kubectl(t, "-n", in, "create", "deployment", "web", "--image="+images[0])
	bare := pod{t: t, namespace: in, name: "bare", images: images[:1], pull: "Always"}
	bare.create()
	bare.isRefused()
	first := ""
	eventually(t, "the pod of the Deployment is refused", func() bool {
		first = field(in, "pods", `{.items[?(@.metadata.ownerReferences)].metadata.name}`)
		return strings.Contains(field(in, "pod/"+first, "{.status.containerStatuses[*].state.waiting.reason}"), "ImagePull")
	})
	install(t, withAdmission, "-admission")
	t.Cleanup(removeAdmission)
	startController(t, "-admission")
	startAs(t, "pullsecrets-evict", "evict")
	eventually(t, "the Deployment has a pod that runs", func() bool { return field(in, "deployment/web", "{.status.readyReplicas}") == "1" })
	if now := field(in, "pods", `{.items[?(@.status.phase=="Running")].metadata.name}`); now == first || now == "" {
		t.Errorf("it is %q that runs, and %q that was there", now, first)
	}
	bare.isRefused()
	bare.isExplained("no controller would make the pod anew")
}

// withoutNames makes a namespace in which the API server adds nothing: it goes by what earlier tests removed for a moment.
func withoutNames(t *testing.T, prefix string) (name string) {
	t.Helper()
	removeAdmission()
	n := 0
	eventually(t, "a namespace in which nothing is added", func() bool {
		n++
		name = fmt.Sprintf("%s-%d", prefix, n)
		namespace(t, name)
		return tried(name) == ""
	})
	return name
}
