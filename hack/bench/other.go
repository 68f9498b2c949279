package main

import (
	"path/filepath"
	"strings"
)

// otherName is what another program is called in results: its command may hold what is nobody's business.
func (c config) otherName() string {
	if c.baselineName != "" || c.baseline == "" {
		return c.baselineName
	}
	return filepath.Base(strings.Fields(c.baseline)[0])
}

// other measures another program's first convergence: its copies, under their own name, in all namespaces.
func (l *lab) other(r *result) error {
	if err := l.reset(); err != nil {
		return err
	}
	w := l.witness([]string{l.baselineCopy})
	defer w.cancel()
	return l.run(r, w, func() (*process, error) { return l.startOther(l.kubeconfig) }, l.otherComplete(w))
}

// startOther starts the other program.
func (l *lab) startOther(kubeconfig string) (*process, error) {
	p := l.prepared("sh", "-c", "exec "+l.baseline)
	p.cmd.Env = append(p.cmd.Env, "KUBECONFIG="+kubeconfig)
	if err := p.cmd.Start(); err != nil {
		return p, err
	}
	p.wait()
	return p, nil
}

// otherComplete is the condition that it has done its work.
func (l *lab) otherComplete(w *witness) func() bool {
	return each(l.names, func(ns string) bool {
		return w.copies[ns+"/"+l.baselineCopy] != "" && w.lists[ns+"/default"] > 0
	})
}
