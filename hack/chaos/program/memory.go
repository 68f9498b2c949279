package program

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
)

// group is a cgroup with a limit of memory, of version 1 or 2, as the machine has them.
type group struct {
	t   *testing.T
	dir string
	v2  bool
}

// CanLimitMemory says what stands against it on this machine; nil where nothing does.
func CanLimitMemory() error {
	dir, v2, err := memoryController()
	if err != nil {
		return err
	}
	try := filepath.Join(dir, fmt.Sprintf("pullsecrets-try-%d", os.Getpid()))
	if err := os.Mkdir(try, 0o755); err != nil {
		return fmt.Errorf("no cgroup can be made: %w", err)
	}
	defer os.Remove(try)
	return os.WriteFile(filepath.Join(try, limitFile(v2)), []byte("1073741824"), 0)
}

const mount = "/sys/fs/cgroup"

// memoryController finds the folder that groups with a limit of memory can be made in.
func memoryController() (dir string, v2 bool, err error) {
	if text, err := os.ReadFile(filepath.Join(mount, "cgroup.controllers")); err == nil {
		if strings.Contains(string(text), "memory") {
			// What a group's children may have limited has to be named in it; root's is enough.
			err := os.WriteFile(filepath.Join(mount, "cgroup.subtree_control"), []byte("+memory"), 0)
			return mount, true, err
		}
	}
	dir = filepath.Join(mount, "memory")
	if _, err := os.Stat(filepath.Join(dir, limitFile(false))); err != nil {
		return "", false, fmt.Errorf("the machine has no cgroups with a limit of memory below %s", mount)
	}
	return dir, false, nil
}

func limitFile(v2 bool) string {
	if v2 {
		return "memory.max"
	}
	return "memory.limit_in_bytes"
}

// newGroup makes one, and skips the test where that is not possible.
func newGroup(t *testing.T, limit int64) *group {
	t.Helper()
	if err := CanLimitMemory(); err != nil {
		t.Skip("memory cannot be limited here: ", err)
	}
	dir, v2, err := memoryController()
	harness.Must(t, err)
	dir, err = os.MkdirTemp(dir, "pullsecrets-")
	harness.Must(t, err)
	g := &group{t: t, dir: dir, v2: v2}
	harness.Must(t, os.WriteFile(g.file(limitFile(v2)), []byte(strconv.FormatInt(limit, 10)), 0))
	return g
}

func (g *group) file(name string) string { return filepath.Join(g.dir, name) }

// procs is the file that a process writes its id into to be a member.
func (g *group) procs() string { return g.file("cgroup.procs") }

// killed says how many processes the limit ended.
func (g *group) killed() int {
	g.t.Helper()
	file := "memory.oom_control"
	if g.v2 {
		file = "memory.events"
	}
	text, err := os.ReadFile(g.file(file))
	harness.Must(g.t, err)
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == "oom_kill" {
			n, _ := strconv.Atoi(fields[1])
			return n
		}
	}
	g.t.Fatalf("%s does not say how many were killed:\n%s", file, text)
	return 0
}

// remove deletes the group, which takes until the kernel has let go of the process.
func (g *group) remove() {
	for range 100 {
		if os.Remove(g.dir) == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	g.t.Errorf("the cgroup %s is left", g.dir)
}
