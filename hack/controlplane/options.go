package main

import (
	"context"
	"fmt"
	"strings"
)

// options is what may be asked of a control plane.
type options struct {
	dir     string // its folder; empty for a new one
	bin     string // the folder of its binaries; empty to build them
	version string // the version of Kubernetes to build; empty for the one that the tests are made for
	port    int    // of kube-apiserver; 0 for any
	bind    string // the address that kube-apiserver listens on
	emulate string // the earlier version that kube-apiserver is to be; empty for its own
	node    bool   // a kubelet is to join
}

// binaries returns their folder.
func (o options) binaries(ctx context.Context) (string, error) {
	if o.bin != "" {
		return o.bin, nil
	}
	return build(ctx, o.version)
}

func (p *plane) apiserverFlags(o options, etcd string, port int) []string {
	flags := []string{"--etcd-servers=" + etcd, "--cert-dir=" + p.file("certs"),
		fmt.Sprintf("--secure-port=%d", port), "--bind-address=" + o.bind,
		"--advertise-address=127.0.0.1", // or it looks for a default route, which not every machine has
		"--service-account-key-file=" + p.file("sa.key"), "--service-account-signing-key-file=" + p.file("sa.key"),
		"--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=10.0.0.0/24",
		"--token-auth-file=" + p.file("tokens.csv"), "--endpoint-reconciler-type=none"}
	if o.emulate != "" {
		flags = append(flags, "--emulated-version="+o.emulate)
	}
	if o.node {
		return append(flags, "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction")
	}
	return append(flags, "--authorization-mode=RBAC")
}

func (p *plane) controllerManagerFlags(o options) []string {
	controllers := []string{"serviceaccount-controller", "namespace-controller", "garbage-collector-controller"}
	flags := []string{"--kubeconfig=" + p.Kubeconfig,
		"--leader-elect=false", "--secure-port=0", "--concurrent-serviceaccount-token-syncs=1",
		"--kube-api-qps=1000", "--kube-api-burst=1000", "--concurrent-namespace-syncs=10"}
	if o.node {
		controllers = append(controllers, nodeControllers...)
		flags = append(flags, "--root-ca-file="+p.certificate())
	}
	return append(flags, "--controllers="+strings.Join(controllers, ","))
}
