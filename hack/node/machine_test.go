package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// machine is what could be left on it.
type machine struct{ mounts, cgroups, files, settings []string }

// places are where a node's programs write by default. Elsewhere on a machine, files of others come and go; that it cannot
// write there is seen by its mounts.
var places = []string{
	home, "/etc/cni", "/etc/containerd", "/etc/kubernetes", "/opt/cni", "/opt/containerd", "/run/cni", "/run/containerd",
	"/run/netns", "/run/runc", "/usr/libexec/kubernetes", "/var/lib/cni", "/var/lib/containerd", "/var/lib/kubelet",
	"/var/log/containers", "/var/log/pods",
}

// changed are the kernel's settings that a kubelet changes.
var changed = []string{"kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
	"vm/overcommit_memory", "vm/panic_on_oom"}

func look(t *testing.T) machine {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	m := machine{mounts: strings.Split(string(mounts), "\n")}
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && strings.Contains(path, "k8s.io") { // containerd's; others come and go
			m.cgroups = append(m.cgroups, path)
		}
		return nil
	})
	for _, name := range changed {
		value, _ := os.ReadFile("/proc/sys/" + name)
		m.settings = append(m.settings, name+" "+strings.TrimSpace(string(value)))
	}
	for _, place := range places {
		for _, pattern := range []string{"", "*"} {
			names, err := filepath.Glob(filepath.Join(place, pattern))
			if err != nil {
				t.Fatal(err)
			}
			m.files = append(m.files, names...)
		}
	}
	return m
}

// compare fails for everything that was not there before.
func (m machine) compare(t *testing.T, before machine) {
	t.Helper()
	for _, part := range []struct {
		what      string
		now, then []string
	}{
		{"mount", m.mounts, before.mounts}, {"cgroup", m.cgroups, before.cgroups}, {"file", m.files, before.files},
		{"setting", m.settings, before.settings},
	} {
		for _, one := range part.now {
			if !slices.Contains(part.then, one) {
				t.Errorf("a %s is left: %s", part.what, one)
			}
		}
	}
}

// childOf is the only child of a process.
func childOf(t *testing.T, pid int) int {
	t.Helper()
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			t.Fatal(err)
		}
		if child, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			return child
		}
	}
	t.Fatalf("process %d has no child", pid)
	return 0
}

// inNamespace are the processes of a PID namespace.
func inNamespace(namespace string) []string {
	links, _ := filepath.Glob("/proc/[0-9]*/ns/pid")
	var pids []string
	for _, link := range links {
		if its, err := os.Readlink(link); err == nil && its == namespace {
			pids = append(pids, strings.Split(link, "/")[2])
		}
	}
	return pids
}
