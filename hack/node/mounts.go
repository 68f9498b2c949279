package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// home is where the node keeps all of its files: a file system in memory, which ends with the mount namespace. The
// folder exists everywhere.
const home = "/mnt"

// covered are the folders that kubelet and containerd know by fixed paths. They see a part of home there.
var covered = []string{"/run", "/var"}

// prepareMounts gives this mount namespace its own home, and makes all else unwritable. What is kept remains visible
// where it is, even below a covered folder.
func prepareMounts(kept []string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("keep mounts to itself: %w", err)
	}
	opened, err := open(kept)
	if err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", home, "tmpfs", unix.MS_NOSUID, "mode=0755"); err != nil {
		return fmt.Errorf("mount a tmpfs: %w", err)
	}
	for _, dir := range []string{"/run", "/var/lib", "/var/log", "/tmp"} {
		if err := os.MkdirAll(home+dir, 0o755); err != nil {
			return err
		}
	}
	if err := os.Symlink("/run", home+"/var/run"); err != nil {
		return err
	}
	for path, fd := range opened {
		if err := show(path, fd); err != nil {
			return fmt.Errorf("keep %s visible: %w", path, err)
		}
	}
	for _, dir := range covered {
		if err := unix.Mount(home+dir, dir, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("mount %s: %w", dir, err)
		}
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	return protect()
}

// protect makes everything unwritable but home and what shows parts of it.
func protect() error {
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return fmt.Errorf("make mounts read-only (Linux 5.12 and later can): %w", err)
	}
	for _, dir := range append([]string{home, "/proc"}, covered...) {
		if err := unix.MountSetattr(unix.AT_FDCWD, dir, 0, &unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}); err != nil {
			return fmt.Errorf("make %s writable: %w", dir, err)
		}
	}
	return protectSettings()
}

// settings are what the kernel lets root of the machine write in /proc, even from within a user namespace. The kubelet
// would change some. Those of the network are this network namespace's own.
var settings = []string{"/proc/sys", "/proc/sysrq-trigger", "/proc/irq"}

const networkSettings = "/proc/sys/net"

func protectSettings() error {
	for _, path := range append(settings, networkSettings) {
		if _, err := os.Stat(path); err != nil {
			continue // not every kernel has each
		}
		attributes := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}
		if path == networkSettings {
			attributes = unix.MountAttr{Attr_clr: unix.MOUNT_ATTR_RDONLY}
		}
		if err := unix.Mount(path, path, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %s: %w", path, err)
		}
		if err := unix.MountSetattr(unix.AT_FDCWD, path, 0, &attributes); err != nil {
			return fmt.Errorf("protect %s: %w", path, err)
		}
	}
	return nil
}

// visible are the folders that the command needs: of its programs, its own, and where it runs.
func visible(args []string) []string {
	bin := os.Getenv(binVariable)
	kept := []string{bin, os.Getenv("PWD")}
	if plane, err := filepath.EvalSymlinks(filepath.Join(bin, "plane")); err == nil {
		kept = append(kept, plane)
	}
	if exe, err := os.Executable(); err == nil {
		kept = append(kept, filepath.Dir(exe))
	}
	if program, err := exec.LookPath(args[0]); err == nil {
		kept = append(kept, filepath.Dir(program))
	}
	return kept
}

// open opens those of the folders that the mounts will hide.
func open(paths []string) (map[string]int, error) {
	opened := map[string]int{}
	for _, path := range paths {
		if !slices.ContainsFunc(append(covered, home), func(dir string) bool { return within(path, dir) }) {
			continue
		}
		fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", path, err)
		}
		opened[path] = fd
	}
	return opened, nil
}

// show mounts a folder that is hidden to where it will be seen under its own path.
func show(path string, fd int) error {
	at := path
	if !within(path, home) {
		at = home + path
	}
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	return unix.Mount(fmt.Sprintf("/proc/self/fd/%d", fd), at, "", unix.MS_BIND|unix.MS_REC, "")
}

func within(path, dir string) bool { return strings.HasPrefix(path, dir+"/") }
