package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// How a node ends is not always in its own hands. Whatever happens to it, the machine is as it was before.
func TestItLeavesNothing(t *testing.T) {
	if err := check(t.Context()); err != nil {
		t.Skip(err)
	}
	program := "../../bin/node"
	if _, err := os.Stat(program); err != nil {
		t.Skip("needs bin/node: run make node-test")
	}
	for _, how := range []struct {
		name string
		end  func(t *testing.T, n *running)
	}{
		{"when its command ends", func(t *testing.T, n *running) { n.finish() }},
		{"when it is interrupted", func(t *testing.T, n *running) { _ = n.cmd.Process.Signal(os.Interrupt) }},
		{"when it is killed", func(t *testing.T, n *running) { _ = n.cmd.Process.Kill() }},
	} {
		t.Run(how.name, func(t *testing.T) {
			before := look(t)
			n := start(t, program)
			members := inNamespace(n.pidNamespace)
			if len(members) < 10 {
				t.Errorf("only %d processes run: %v", len(members), members)
			}
			n.hasNoCgroup(members)
			n.writesNowhereElse()
			how.end(t, n)
			_ = n.cmd.Wait()
			for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
				if members = inNamespace(n.pidNamespace); len(members) == 0 {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("these processes are left: %v", members)
				}
			}
			look(t).compare(t, before)
		})
	}
}

// running is a node on which a pod runs.
type running struct {
	t            *testing.T
	cmd          *exec.Cmd
	finish       func() // ends the command
	init         int    // its process 1, as this machine numbers it
	pidNamespace string
}

// aPod waits for a container to run, says so, and for the end of its input.
const aPod = `kubectl create namespace left >/dev/null
kubectl -n left create secret generic one --type=kubernetes.io/dockerconfigjson --from-file=.dockerconfigjson=$PULLSECRETS_NODE/registry1.json >/dev/null
until kubectl -n left get serviceaccount default >/dev/null 2>&1; do sleep 0.1; done
kubectl -n left run one --image=127.0.0.1:5001/private/one:1 --overrides='{"spec":{"imagePullSecrets":[{"name":"one"}]}}' >/dev/null
kubectl -n left wait --for=condition=Ready pod/one --timeout=60s >/dev/null && echo runs && cat`

func start(t *testing.T, program string) *running {
	t.Helper()
	n := &running{t: t, cmd: exec.CommandContext(context.Background(), program, "run", "--", "sh", "-c", aPod)}
	n.cmd.Stderr = os.Stderr
	input, err := n.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	n.finish = func() { _ = input.Close() }
	said, err := n.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.cmd.Process.Signal(syscall.SIGKILL) })
	if line, err := bufio.NewReader(said).ReadString('\n'); line != "runs\n" {
		t.Fatalf("no pod runs: %v", err)
	}
	n.init = childOf(t, n.cmd.Process.Pid)
	if n.pidNamespace, err = os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", n.init)); err != nil {
		t.Fatal(err)
	}
	return n
}

// hasNoCgroup fails if a process is in another cgroup than this test, which would be left.
func (n *running) hasNoCgroup(members []string) {
	n.t.Helper()
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		n.t.Fatal(err)
	}
	for _, pid := range members {
		if its, err := os.ReadFile("/proc/" + pid + "/cgroup"); err == nil && string(its) != string(own) {
			n.t.Errorf("process %s is in a cgroup of its own:\n%s", pid, its)
		}
	}
}

// writesNowhereElse fails if something is writable that does not end with the mount namespace.
func (n *running) writesNowhereElse() {
	n.t.Helper()
	mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", n.init))
	if err != nil {
		n.t.Fatal(err)
	}
	own := 0
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line) // 36 35 98:0 /root /point rw,noatime ...
		point, options := fields[4], fields[5]
		if point == "/proc" || point == networkSettings ||
			slices.ContainsFunc(append(covered, home), func(dir string) bool { return point == dir || within(point, dir) }) {
			own++
		} else if !strings.HasPrefix(options, "ro") {
			n.t.Errorf("it may write to what is mounted at %s", point)
		}
	}
	if !strings.Contains(string(mounts), " /proc/sys ro") {
		n.t.Errorf("it may change the kernel's settings:\n%s", mounts)
	}
	if own < 4 {
		n.t.Errorf("only %d mounts are its own:\n%s", own, mounts)
	}
}
