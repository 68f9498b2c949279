package main

import "time"

// other measures another program's first convergence: its copies, under their own name, in all namespaces.
func (l *lab) other(r *result) error {
	if err := l.reset(); err != nil {
		return err
	}
	w := l.witness([]string{l.baselineCopy})
	defer w.cancel()
	before, err := l.requests()
	if err != nil {
		return err
	}
	server := l.serverCPU()
	started := time.Now()
	p, err := l.command("sh", "-c", "exec "+l.baseline)
	if err != nil {
		return err
	}
	ended, err := w.until(each(l.names, func(ns string) bool {
		return w.copies[ns+"/"+l.baselineCopy] != "" && w.lists[ns+"/default"] > 0
	}))
	server = l.serverCPU() - server
	u := p.stop()
	if err != nil {
		return err
	}
	after, err := l.requests()
	r.took(ended.Sub(started))
	r.used(u, server)
	r.asked(after.since(before))
	return err
}
