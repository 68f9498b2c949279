package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// instructions counts how many instructions pullsecrets, in each mode, the bare loop and the other program take for a namespace.
// However busy a machine is, they are nearly the same. valgrind counts them, in a process that is slower by a factor of fifty: so
// nothing else that is measured here holds for it, and small clusters have to do. What a program takes whatever the cluster is goes
// out by counting at two sizes.
func (l *lab) instructions() (results []result, err error) {
	if _, err := exec.LookPath("valgrind"); err != nil {
		return nil, errors.New("instructions are counted by valgrind: install it")
	}
	if len(l.names) <= fewNamespaces {
		return nil, fmt.Errorf("instructions are counted in %d namespaces and in more: give -sizes 500", fewNamespaces)
	}
	for _, m := range l.modes {
		if err := l.enter(m); err != nil {
			return nil, err
		}
		ours := l.result(workloadInstructions)
		if ours.Instr, err = l.perNamespace(func() error { return l.converge(&result{}, "counted") }); err != nil {
			return nil, err
		}
		results = append(results, ours)
		if m == admission {
			continue
		}
		for _, informers := range []bool{false, true} {
			bare := l.result(workloadInstructions)
			bare.Name = loopName(informers)
			bare.Instr, err = l.perNamespace(func() error {
				if err := l.reset(); err != nil {
					return err
				}
				_, err := l.bare(bareLoop{workers: 32, copies: l.secrets, password: "counted", accounts: m != pods, informers: informers})
				return err
			})
			if err != nil {
				return nil, err
			}
			results = append(results, bare)
		}
	}
	if l.baseline == "" {
		return results, nil
	}
	if err := l.enter(accounts); err != nil {
		return nil, err
	}
	other := l.result(workloadInstructions)
	other.Name = l.otherName()
	other.Instr, err = l.perNamespace(func() error { return l.other(&result{}) })
	return append(results, other), err
}

// fewNamespaces is the smaller size at which instructions are counted.
const fewNamespaces = 20

func loopName(informers bool) string {
	if informers {
		return "bare loop with informers"
	}
	return "bare loop"
}

// perNamespace is how many instructions a program takes for each further namespace.
func (l *lab) perNamespace(measure func() error) (float64, error) {
	all := l.names
	defer func() { l.names, l.counts = all, "" }()
	var counted [2]float64
	for i, names := range [][]string{all[:fewNamespaces], all} {
		folder, err := os.MkdirTemp("", "bench-")
		if err != nil {
			return 0, err
		}
		defer os.RemoveAll(folder)
		l.names, l.counts = names, folder
		if err := measure(); err != nil {
			return 0, err
		}
		if counted[i], err = collected(folder); err != nil {
			return 0, err
		}
	}
	return (counted[1] - counted[0]) / float64(len(all)-fewNamespaces), nil
}

// countedBy is the command that runs another one and has its instructions counted, by lackey: callgrind does not bear the signals that
// Go programs get. Those that the Go runtime sends to itself it is told to leave.
func countedBy(folder string, command ...string) *exec.Cmd {
	cmd := exec.Command("valgrind", append([]string{
		"--tool=lackey", "--basic-counts=yes", "--trace-children=yes", "--log-file=" + filepath.Join(folder, "%p")}, command...)...)
	cmd.Env = append(os.Environ(), "GODEBUG=asyncpreemptoff=1")
	return cmd
}

// collected adds up what was counted.
func collected(folder string) (sum float64, err error) {
	logs, err := filepath.Glob(filepath.Join(folder, "*"))
	for _, file := range logs {
		f, err := os.Open(file)
		if err != nil {
			return 0, err
		}
		defer f.Close()
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if _, text, ok := strings.Cut(lines.Text(), "guest instrs:"); ok {
				var n float64
				_, _ = fmt.Sscan(strings.ReplaceAll(text, ",", ""), &n)
				sum += n
			}
		}
	}
	if sum == 0 {
		return 0, errors.New("valgrind did not say what it counted")
	}
	return sum, err
}
