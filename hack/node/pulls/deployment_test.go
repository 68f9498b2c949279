package pulls

import (
	"os"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/pullsecrets/pullsecrets/hack/node/image"
	"github.com/pullsecrets/pullsecrets/hack/node/registry"
)

// asAPod has the image from a registry that wants a password, as a company's own mirror does. All else is the base.
const asAPod = `images:
- name: ghcr.io/pullsecrets/pullsecrets
  newName: 127.0.0.1:5001/mirror/pullsecrets
patches:
- path: rbac.yaml
- patch: '{apiVersion: v1, kind: ServiceAccount, metadata: {name: pullsecrets, namespace: pullsecrets}, imagePullSecrets: [{name: registry1}]}'
`

// withHA adds the second replica to asAPod, and newer is the next version of it.
const (
	withHA = asAPod + "components: [../../components/ha]\n"
	newer  = "newer"
)

var nextVersion = strings.Replace(withHA, "newName:", "newTag: "+newer+"\n  newName:", 1)

// The controller is a pod itself, from an image like the Dockerfile's, under restricted Pod Security. It survives what
// happens to pods: its container is killed, it is rolled out anew with two replicas, of which one is deleted, and it is
// upgraded.
func TestTheControllerIsAPod(t *testing.T) {
	node(t)
	if ids, err := os.ReadFile("/proc/self/uid_map"); err != nil || strings.Fields(string(ids))[2] == "1" {
		t.Skip("the image's user 65532 needs a second id in the user namespace, which only root can map")
	}
	version, err := os.ReadFile(repository + "/VERSION")
	if err != nil {
		t.Fatal(err)
	}
	pushController(t, strings.TrimSpace(string(version)))
	pushController(t, newer)
	install(t, asAPod)
	t.Cleanup(func() {
		kubectl(t, "-n", home, "scale", "deployment/pullsecrets", "--replicas=0")
		kubectl(t, "-n", home, "wait", "--for=delete", "pod", "-l", "app.kubernetes.io/name=pullsecrets", "--timeout=120s")
	})
	rolledOut(t)
	serves(t, "by-a-pod")

	before := restarts()
	container := strings.TrimPrefix(controllerPods("{.items[0].status.containerStatuses[0].containerID}"), "containerd://")
	if out, err := run("ctr", "--namespace", "k8s.io", "tasks", "kill", "--signal", "KILL", container); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	eventually(t, "the kubelet starts the container again", func() bool { return restarts() != before && restarts() != "" })
	serves(t, "after-a-kill")

	install(t, withHA)
	rolledOut(t)
	serves(t, "by-two-pods")
	leader, _, _ := strings.Cut(field(home, "lease/pullsecrets", "{.spec.holderIdentity}"), "_")
	kubectl(t, "-n", home, "delete", "pod", leader)
	serves(t, "by-the-other-pod")
	rolledOut(t)

	install(t, nextVersion)
	rolledOut(t)
	eventually(t, "all pods are of the next version", func() bool {
		images := strings.Fields(controllerPods("{.items[*].spec.containers[*].image}"))
		return len(images) == 2 && strings.HasSuffix(images[0], ":"+newer) && strings.HasSuffix(images[1], ":"+newer)
	})
	serves(t, "by-the-next-version")
}

// pushController makes the image that the Dockerfile makes, of the program that make build builds, and pushes it.
func pushController(t *testing.T, version string) {
	t.Helper()
	config := v1.Config{User: "65532:65532", Cmd: []string{"run"}, Labels: map[string]string{"org.opencontainers.image.version": version}}
	for _, line := range []string{"FROM scratch", "USER " + config.User, `ENTRYPOINT ["/pullsecrets"]`, `CMD ["run"]`} {
		if text, err := os.ReadFile(repository + "/Dockerfile"); err != nil || !strings.Contains(string(text), "\n"+line+"\n") {
			t.Fatalf("the Dockerfile does not say %s, so it makes another image than this: %v", line, err)
		}
	}
	made, err := image.New(program, config)
	if err != nil {
		t.Fatal(err)
	}
	reference := "127.0.0.1:5001/mirror/pullsecrets:" + version
	if err := image.Push(t.Context(), reference, made, registry.User, registry.Password("registry1")); err != nil {
		t.Fatal(err)
	}
}

func rolledOut(t *testing.T) {
	t.Helper()
	eventually(t, "the Deployment is rolled out", func() bool {
		_, err := tryKubectl("", "-n", home, "rollout", "status", "deployment/pullsecrets", "--timeout=1s")
		return err == nil
	})
}

// serves makes a namespace, and waits until a pod runs there.
func serves(t *testing.T, name string) {
	t.Helper()
	namespace(t, name)
	eventually(t, "the account of "+name+" has the names", func() bool {
		return field(name, "serviceaccount/default", "{.imagePullSecrets[*].name}") == names
	})
	web := pod{t: t, namespace: name, name: "web", images: images}
	web.create()
	web.runs()
}

func restarts() string { return controllerPods("{.items[*].status.containerStatuses[*].restartCount}") }

func controllerPods(path string) string {
	out, err := tryKubectl("", "-n", home, "get", "pods", "-l", "app.kubernetes.io/name=pullsecrets", "-o", "jsonpath="+path)
	if err != nil {
		return ""
	}
	return out
}
