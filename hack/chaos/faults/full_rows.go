package faults

import (
	"time"

	"github.com/pullsecrets/pullsecrets/hack/chaos/plane"
)

// fullRows are an etcd whose quota is used up: nothing can be written, the status neither, but deletions can.
var fullRows = onOwnPlane(
	full("etcd-full-roll-out", rollOut),
	full("etcd-full-rotation", rotation),
	full("etcd-full-prune", prune),
	full("etcd-full-edit", edits),
	full("etcd-full-idle", idle),
	full("etcd-full-start", start),
	// The alarm outlives the process that raised it.
	struck("etcd-full-kill-rotation", "etcd is full, killed and started again, and full still", rotation, briefly, func(s *stage) func() {
		s.plane.Fill()
		one := s.plane.Process(plane.Etcd)
		one.Kill()
		one.Start()
		s.plane.Ready()
		return s.plane.Empty
	}),
)

func full(name string, during activity) row {
	return struck(name, "etcd is full (NOSPACE)", during, 20*time.Second, func(s *stage) func() {
		s.plane.Fill()
		return func() {
			// Where something is to be written, the log says why it cannot be.
			fruitless := during.name != idle.name && during.name != prune.name
			if said := len(s.last().Log.Lines("database space exceeded")); fruitless && said == 0 && s.right() != nil {
				s.t.Error("the log does not say that etcd is full")
			}
			s.plane.Empty()
		}
	})
}
