package main

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// initProcess is process 1. It reaps all processes whose parents have ended, and ends when the node has.
func initProcess(args []string) error {
	if err := prepareMounts(visible(args)); err != nil {
		return err
	}
	cmd := exec.Command("/proc/self/exe", append([]string{stageNode}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return fmt.Errorf("wait for the node: %w", err)
		case pid == cmd.Process.Pid && status.Exited():
			os.Exit(status.ExitStatus())
		case pid == cmd.Process.Pid:
			return fmt.Errorf("the node ended by the signal %s", status.Signal())
		}
	}
}
