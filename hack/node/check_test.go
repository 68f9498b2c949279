package main

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// Where it cannot work, one line says why. The machine is a user namespace that permits no further ones.
func TestItSaysWhatTheMachineLacks(t *testing.T) {
	program := "../../bin/node"
	if _, err := os.Stat(program); err != nil {
		t.Skip("needs bin/node: run make node-test")
	}
	if err := check(t.Context()); err != nil {
		t.Skip(err)
	}
	cmd := exec.Command("sh", "-c", "echo 0 >/proc/sys/user/max_user_namespaces && exec "+program+" run -- true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: ids(os.Getuid()), GidMappings: ids(os.Getgid())}
	out, err := cmd.CombinedOutput()
	said := string(out)
	if err == nil || strings.Count(said, "\n") != 1 || !strings.Contains(said, "it permits no user namespaces") ||
		!strings.Contains(said, "sysctl user.max_user_namespaces is 0") {
		t.Errorf("%v\n%s", err, said)
	}
}
