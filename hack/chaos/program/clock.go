package program

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
)

// Clock is the wall clock of processes of a binary of BuildWithClock. A jump is seen by all that were started with it,
// at once; what counts from one moment to another (the monotonic clock) goes on, as it does when a machine's clock is set.
type Clock struct {
	t    *testing.T
	path string
	off  time.Duration
}

// NewClock is a clock that is right.
func NewClock(t *testing.T) *Clock {
	t.Helper()
	c := &Clock{t: t, path: filepath.Join(t.TempDir(), "clock")}
	c.Jump(0)
	return c
}

// Jump moves the clock by so much, forward or back, from where it is.
func (c *Clock) Jump(by time.Duration) {
	c.t.Helper()
	c.off += by
	f, err := os.OpenFile(c.path, os.O_CREATE|os.O_WRONLY, 0o600) // in place: the processes have mapped this file
	harness.Must(c.t, err)
	defer f.Close()
	_, err = f.WriteAt(binary.LittleEndian.AppendUint64(nil, uint64(c.off/time.Second)), 0)
	harness.Must(c.t, err)
}

// Now is what the clock shows.
func (c *Clock) Now() time.Time { return time.Now().Add(c.off) }

const clockVariable = "PULLSECRETS_TEST_CLOCK"

// offset is added to package time of Go: how far the wall clock is off, in seconds, read from a file that is mapped once.
// The program itself has no such thing.
const offset = `package time

import (
	"syscall"
	"unsafe"
)

var wallClock = mapWallClock()

func mapWallClock() *int64 {
	path, ok := syscall.Getenv("` + clockVariable + `")
	if !ok {
		return new(int64)
	}
	fd, err := syscall.Open(path, syscall.O_RDONLY, 0)
	if err != nil {
		panic("` + clockVariable + `: " + err.Error())
	}
	defer syscall.Close(fd)
	text, err := syscall.Mmap(fd, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		panic("` + clockVariable + `: " + err.Error())
	}
	return (*int64)(unsafe.Pointer(&text[0]))
}
`

// The wall clock is read in Now alone; Since and Until ask the monotonic one where the time that they are given has it.
const (
	readsClock = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	movesClock = readsClock + "\tif wallClock != nil {\n\t\tsec += *wallClock\n\t}\n"
)

// BuildWithClock returns the path of a program with a wall clock that jumps, built once. It takes minutes the first time:
// all that uses package time is compiled anew.
func BuildWithClock(t *testing.T) string {
	t.Helper()
	path, err := withClock(harness.Root(t))
	harness.Must(t, err)
	return path
}

var built struct {
	sync.Once
	path string
	err  error
}

func withClock(root string) (string, error) {
	built.Do(func() { built.path, built.err = buildWithClock(root) })
	return built.path, built.err
}

func buildWithClock(root string) (string, error) {
	folder, err := os.MkdirTemp("", "pullsecrets-clock-")
	if err != nil {
		return "", err
	}
	overlay, err := writeOverlay(folder)
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "pullsecrets")
	build := exec.Command("go", "build", "-trimpath", "-overlay", overlay, "-o", path, ".")
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build with a clock that jumps: %w\n%s", err, out)
	}
	return path, nil
}

// writeOverlay writes what go build -overlay reads: package time with a Now that adds the offset.
func writeOverlay(folder string) (string, error) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	source := filepath.Join(strings.TrimSpace(string(out)), "src", "time")
	original, err := os.ReadFile(filepath.Join(source, "time.go"))
	if err != nil {
		return "", err
	}
	changed := strings.Replace(string(original), readsClock, movesClock, 1)
	if changed == string(original) {
		return "", fmt.Errorf("time.Now of this Go is another one than the clock that jumps was made for: see readsClock")
	}
	replace := map[string]string{}
	for name, text := range map[string]string{"time.go": changed, "wallclock.go": offset} {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(source, name)] = path
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "overlay.json")
	return path, os.WriteFile(path, text, 0o600)
}
