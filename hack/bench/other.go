package main

import (
	"time"
)

// other measures another program's first convergence: its copies, under their own name, in all namespaces.
func (l *lab) other() (result, error) {
	r := l.result("baseline: " + l.baseline)
	for range l.rounds {
		if err := l.reset(append(l.copyNames(l.secrets+1), l.baselineCopy)...); err != nil {
			return r, err
		}
		w := l.witness([]string{l.baselineCopy})
		before, _ := l.requests()
		server := l.serverCPU()
		started := time.Now()
		p, err := l.command("sh", "-c", "exec "+l.baseline)
		if err != nil {
			return r, err
		}
		ended, err := w.until(func() bool {
			for _, ns := range l.names {
				if w.copies[ns+"/"+l.baselineCopy] == "" || w.lists[ns+"/default"] == 0 {
					return false
				}
			}
			return true
		})
		w.cancel()
		server = l.serverCPU() - server
		after, _ := l.requests()
		u := p.stop()
		if err != nil {
			return r, err
		}
		r.took(ended.Sub(started))
		r.used(u, server)
		r.Requests = after.since(before)
	}
	return r, nil
}
