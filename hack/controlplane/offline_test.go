package main

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// A laptop that is offline has a loopback and no route. These tests run themselves again in a network namespace that is so.
func TestItStartsWithoutADefaultRoute(t *testing.T) {
	if !offline(t) {
		return
	}
	p, err := up(t.Context(), options{dir: t.TempDir(), bind: "127.0.0.1", bin: os.Getenv("CONTROLPLANE_OFFLINE")})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
}

func TestTheDemoNeedsNoNetwork(t *testing.T) {
	if _, err := os.Stat("../../bin/pullsecrets"); err != nil {
		t.Skip("needs bin/pullsecrets: run make build")
	}
	if !offline(t) {
		return
	}
	demo := exec.Command("../demo.sh")
	demo.Env = append(os.Environ(), "DEMO_NODE=0", "DEMO_KUBECONFIG=", "KEEP=")
	if out, err := demo.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// offline reports whether this test runs in a network namespace that has only lo. Where it does not, it is run in one.
func offline(t *testing.T) bool {
	if os.Getenv("CONTROLPLANE_OFFLINE") != "" {
		if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return true
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs the command ip")
	}
	if err := unshared("-test.run=^$").Run(); err != nil {
		t.Skipf("this machine permits no network namespace: %v", err)
	}
	bin, err := build(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	again := unshared("-test.v", "-test.run=^"+t.Name()+"$")
	again.Env = append(os.Environ(), "CONTROLPLANE_OFFLINE="+bin)
	if out, err := again.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

// unshared is this test binary in a network namespace of its own, below a user namespace, so that nobody has to be root.
func unshared(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	return cmd
}
