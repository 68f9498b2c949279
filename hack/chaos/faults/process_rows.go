package faults

import (
	"syscall"
	"time"

	"github.com/pullsecrets/pullsecrets/hack/chaos/plane"
)

const (
	briefly = 5 * time.Second
	hanging = 40 * time.Second // longer than the API server waits for etcd, and than a Lease
)

// processRows are what becomes of processes: killed as by a machine that fails, and stopped as by one that hangs.
var processRows = onOwnPlane(
	killed("etcd-kill-roll-out", plane.Etcd, rollOut),
	killed("etcd-kill-rotation", plane.Etcd, rotation),
	killed("etcd-kill-prune", plane.Etcd, prune),
	killed("etcd-kill-start", plane.Etcd, start),
	killed("apiserver-kill-roll-out", plane.APIServer, rollOut),
	killed("apiserver-kill-rotation", plane.APIServer, rotation),
	killed("apiserver-kill-prune", plane.APIServer, prune),
	killed("apiserver-kill-edit", plane.APIServer, edits),
	killed("apiserver-kill-idle", plane.APIServer, idle),
	killed("apiserver-kill-start", plane.APIServer, start),
	stopped("etcd-stop-5s-edit", plane.Etcd, edits, briefly),
	stopped("etcd-stop-5s-rotation", plane.Etcd, rotation, briefly),
	stopped("etcd-stop-40s-roll-out", plane.Etcd, rollOut, hanging),
	stopped("etcd-stop-40s-prune", plane.Etcd, prune, hanging),
	stopped("etcd-stop-40s-idle", plane.Etcd, idle, hanging),
	stopped("apiserver-stop-5s-prune", plane.APIServer, prune, briefly),
	stopped("apiserver-stop-5s-rotation", plane.APIServer, rotation, briefly),
	stopped("apiserver-stop-40s-roll-out", plane.APIServer, rollOut, hanging),
	stopped("apiserver-stop-40s-edit", plane.APIServer, edits, hanging),
	stopped("apiserver-stop-40s-idle", plane.APIServer, idle, hanging),
	stopped("apiserver-stop-40s-start", plane.APIServer, start, hanging),
	programKilled("kill-roll-out", rollOut),
	programKilled("kill-rotation", rotation),
	programKilled("kill-prune", prune),
	programKilled("kill-edit", edits),
	programKilled("kill-idle", idle),
	programKilled("kill-start", start),
	programStopped("stop-5s-roll-out", rollOut, briefly),
	programStopped("stop-5s-edit", edits, briefly),
	programStopped("stop-40s-rotation", rotation, hanging),
	programStopped("stop-40s-prune", prune, hanging),
	programStopped("stop-40s-idle", idle, hanging),
	programStopped("stop-40s-start", start, hanging),
)

func onOwnPlane(rows ...row) []row {
	for i := range rows {
		rows[i].stage = ownPlane
	}
	return rows
}

// killed has a process of the control plane killed, and started again as soon as the row says. The fault ends when the API
// server answers again: how long it takes to start is no matter of this program's.
func killed(name, process string, during activity) row {
	return struck(name, process+" is killed, and started again", during, briefly, func(s *stage) func() {
		one := s.plane.Process(process)
		one.Kill()
		return func() {
			one.Start()
			s.plane.Ready()
		}
	})
}

// stopped has a process of the control plane stopped: connections stay, and nobody answers.
func stopped(name, process string, during activity, lasts time.Duration) row {
	return struck(name, process+" hangs", during, lasts, func(s *stage) func() {
		one := s.plane.Process(process)
		one.Signal(syscall.SIGSTOP)
		return func() {
			one.Signal(syscall.SIGCONT)
			s.plane.Ready()
		}
	})
}

// programKilled has the program killed, and started again as the kubelet does it.
func programKilled(name string, during activity) row {
	return struck(name, "pullsecrets is killed, and started again", during, time.Second, func(s *stage) func() {
		s.last().Signal(syscall.SIGKILL)
		s.last().Exits()
		return s.start
	})
}

// programStopped has the program stopped, as on a machine that hangs.
func programStopped(name string, during activity, lasts time.Duration) row {
	return struck(name, "pullsecrets hangs", during, lasts, func(s *stage) func() {
		p := s.last()
		p.Signal(syscall.SIGSTOP)
		return func() { p.Signal(syscall.SIGCONT) }
	})
}
