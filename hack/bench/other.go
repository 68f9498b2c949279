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
	return l.first(r, w, func() (*process, error) { return l.command("sh", "-c", "exec "+l.baseline) },
		each(l.names, func(ns string) bool {
			return w.copies[ns+"/"+l.baselineCopy] != "" && w.lists[ns+"/default"] > 0
		}))
}
