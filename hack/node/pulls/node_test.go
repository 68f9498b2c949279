package pulls

import (
	"path/filepath"
	"strings"
	"testing"
)

// That a kubelet pulls proves that the pod has the names: it is a node for the API server, which lets it read a secret
// only because one of its pods names it.
func TestTheKubeletReadsWhatItsPodsName(t *testing.T) {
	asKubelet := []string{"--kubeconfig", filepath.Join(node(t), "plane", "node.kubeconfig"), "-n", "without-names", "get", "secret"}
	namespace(t, "without-names")
	for _, name := range []string{"named", "other"} {
		kubectl(t, "-n", "without-names", "create", "secret", "generic", name, "--type=kubernetes.io/dockerconfigjson",
			"--from-file=.dockerconfigjson="+filepath.Join(node(t), "registry1.json"))
	}
	web := pod{t: t, namespace: "without-names", name: "web", images: images[:1], names: []string{"named"}}
	web.create()
	web.runs()
	if out, err := tryKubectl("", append(asKubelet, "named")...); err != nil {
		t.Errorf("the kubelet may not read what its pod names: %v\n%s", err, out)
	}
	if out, err := tryKubectl("", append(asKubelet, "other")...); err == nil || !strings.Contains(out, "no relationship found between node 'node1' and this object") {
		t.Errorf("the kubelet may read what no pod names: %v\n%s", err, out)
	}
}
