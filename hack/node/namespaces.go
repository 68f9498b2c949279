package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The program starts itself again, as these, within the namespaces.
const (
	stageInit  = "(init)"  // process 1: it prepares the mounts, starts the next and reaps what is orphaned
	stageNode  = "(node)"  // it starts the node and runs the command
	stageCheck = "(check)" // it prepares the mounts and ends
)

// binVariable tells the stages where the programs are.
const binVariable = "PULLSECRETS_NODE_BIN"

// unshared is this program in namespaces of its own, as process 1 there. The kernel ends all of them with that process,
// and that process with this one.
func unshared(ctx context.Context, stage string, args ...string) (*exec.Cmd, error) {
	// The kernel sends the signal when the thread ends that started the process, so this one must not.
	runtime.LockOSThread()
	// An interrupted go run or go test does not always pass it on.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGTERM), 0, 0, 0); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "/proc/self/exe", append([]string{stage}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET |
			syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		UidMappings:                ids(os.Getuid()),
		GidMappings:                ids(os.Getgid()),
		GidMappingsEnableSetgroups: os.Getuid() == 0,
		Pdeathsig:                  syscall.SIGKILL,
	}
	return cmd, nil
}

// ids is what the user namespace maps: all ids of this machine for root, and for everybody else the own one, as root.
func ids(own int) []syscall.SysProcIDMap {
	if os.Getuid() == 0 {
		return []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 65536}}
	}
	return []syscall.SysProcIDMap{{ContainerID: 0, HostID: own, Size: 1}}
}

// check makes the namespaces and mounts for a moment. It returns what this machine lacks.
func check(ctx context.Context) error {
	cmd, err := unshared(ctx, stageCheck)
	if err != nil {
		return err
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	err = cmd.Run()
	if err == nil {
		return nil
	}
	if said.Len() > 0 { // it could start, and says itself what it lacks
		return fmt.Errorf("this machine cannot run a node: %s", strings.TrimPrefix(strings.TrimSpace(said.String()), "node: "))
	}
	return fmt.Errorf("this machine cannot run a node: it permits no user namespaces (%w)%s", err, forbiddenBy())
}

// forbiddenBy names the settings that forbid user namespaces.
func forbiddenBy() string {
	for setting, forbids := range map[string]string{
		"user/max_user_namespaces":                     "0",
		"kernel/unprivileged_userns_clone":             "0",
		"kernel/apparmor_restrict_unprivileged_userns": "1",
	} {
		if value, err := os.ReadFile("/proc/sys/" + setting); err == nil && strings.TrimSpace(string(value)) == forbids {
			return fmt.Sprintf("; sysctl %s is %s", strings.ReplaceAll(setting, "/", "."), forbids)
		}
	}
	return ""
}
