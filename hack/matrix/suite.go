package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// suite runs the tests on the control plane that is there, prints each that ends, and writes what came of all to a file.
func suite(ctx context.Context, file, pattern string) error {
	version, err := serverVersion(ctx)
	if err != nil {
		return err
	}
	tested, err := commit(ctx)
	if err != nil {
		return fmt.Errorf("ask git for the commit: %w", err)
	}
	cmd := exec.CommandContext(ctx, "go", "test", "-json", "-count=1", "-timeout=100m", "-run="+pattern, "./internal/e2e")
	cmd.Dir, cmd.Stderr = "../..", os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	c := newCollector(os.Stdout)
	if err := c.read(out); err != nil {
		_ = cmd.Cancel() // or it waits for ever for somebody who reads on
		return errors.Join(err, cmd.Wait())
	}
	r := c.result()
	err = cmd.Wait()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && len(r.Failed) > 0 {
		err = nil // the tests ran, and the result says which failed
	}
	if err == nil && !c.ended {
		err = errors.New("the tests did not come to their end")
	}
	if err == nil && r.Passed+len(r.Failed)+len(r.Skipped) == 0 {
		err = fmt.Errorf("there is no test %q", pattern)
	}
	if err != nil {
		return err
	}
	r.Version, r.Commit = version, tested
	return results{r}.save(file)
}

// commit is what is tested; -dirty is that something differs from it, other than what came of the versions before.
func commit(ctx context.Context) (string, error) {
	hash, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=7", "HEAD").Output()
	if err != nil {
		return "", err
	}
	err = exec.CommandContext(ctx, "git", "diff", "--quiet", "HEAD", "--", ":(top)", ":(exclude)"+document+".*").Run()
	name := strings.TrimSpace(string(hash))
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 1 {
		return name + "-dirty", nil
	}
	return name, err
}

// serverVersion is the API server's own, such as 1.34.4.
func serverVersion(ctx context.Context) (string, error) {
	text, err := exec.CommandContext(ctx, "kubectl", "get", "--raw", "/version").Output()
	if err != nil {
		return "", fmt.Errorf("ask the API server for its version: %w", err)
	}
	var v struct{ GitVersion string }
	err = json.Unmarshal(text, &v)
	return strings.TrimPrefix(v.GitVersion, "v"), err
}

// event is a line of go test -json.
type event struct {
	Action, Test, Output string
	Elapsed              float64 // in seconds
}

// collector makes a result of the events of one package.
type collector struct {
	progress io.Writer
	output   map[string]string // what each test said that has not ended
	outcome  map[string]string // by test or subtest: pass, fail or skip
	skips    map[string]string // what those said that were skipped
	names    []string          // of tests and subtests, in the order in which they ended
	summed   bool              // PASS or FAIL was said of all tests together: no panic or timeout kept the last ones from running
	ended    bool              // and the package's own end was seen
}

func newCollector(progress io.Writer) *collector {
	return &collector{progress: progress, output: map[string]string{}, outcome: map[string]string{}, skips: map[string]string{}}
}

func (c *collector) read(stream io.Reader) error {
	lines := bufio.NewReader(stream)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if err := json.Unmarshal(line, &e); err != nil {
				return fmt.Errorf("what go test printed is not JSON: %.200s", line)
			}
			c.take(e)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (c *collector) take(e event) {
	switch e.Action {
	case "output":
		c.output[e.Test] += e.Output
		c.summed = c.summed || e.Test == "" && (e.Output == "PASS\n" || e.Output == "FAIL\n")
		return
	case "build-output":
		fmt.Fprint(c.progress, e.Output)
		return
	case "pass", "fail", "skip":
	default:
		return
	}
	said := c.output[e.Test]
	delete(c.output, e.Test)
	if e.Test == "" {
		c.ended = c.summed
		if len(c.outcome) == 0 || e.Action == "fail" {
			fmt.Fprint(c.progress, said)
		}
		return
	}
	c.outcome[e.Test] = e.Action
	c.names = append(c.names, e.Test)
	if e.Action == "skip" {
		c.skips[e.Test] = said
	}
	if e.Action == "fail" {
		fmt.Fprint(c.progress, said)
	}
	if !strings.Contains(e.Test, "/") {
		fmt.Fprintf(c.progress, "%-4s %s (%.1fs)\n", e.Action, e.Test, e.Elapsed)
	}
}
