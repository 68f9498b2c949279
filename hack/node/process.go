package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// process is one that the node consists of. They end with the namespace.
type process struct {
	name  string
	ended chan struct{}
}

// start starts a process whose output goes to a file of home.
func (n *node) start(name string, args ...string) error {
	log, err := os.Create(filepath.Join(home, name+".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = home, log, log
	cmd.Env = append(os.Environ(), "HOME="+home) // or the kubelet would pull with what somebody is logged in to
	if err := cmd.Start(); err != nil {
		return err
	}
	p := &process{name: name, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		_ = cmd.Wait()
	}()
	n.last = p
	return nil
}

// eventually runs a command until it succeeds, for a minute, or until the process ends that was started last.
func (n *node) eventually(ctx context.Context, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		_, err := output(ctx, home, args[0], args[1:]...)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-n.last.ended:
			return fmt.Errorf("%s ended", n.last.name)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// explain returns the end of the log of the process that was started last.
func (n *node) explain() error {
	if n.last == nil {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(home, n.last.name+".log"))
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return fmt.Errorf("the end of the log of %s:\n%s", n.last.name, strings.Join(lines[max(0, len(lines)-15):], "\n"))
}
