package cli

import (
	"math"

	"github.com/KimMachineGun/automemlimit/memlimit"
	"github.com/rs/zerolog"
)

// usualMemoryShare is the share of the container's memory limit that Go's own limit is, where nobody says otherwise: the pages of the
// program file count too.
const usualMemoryShare = 0.9

// limitMemory has garbage collected more often as memory comes near the limit of the process' cgroup. Go lets as much garbage gather
// as there is in use, whatever the limit, and the kernel ends a process that goes beyond it. GOMEMLIMIT and AUTOMEMLIMIT
// in the environment win.
func limitMemory(share float64, log zerolog.Logger) {
	switch limit, err := memlimit.Set(memlimit.WithRatio(share)); {
	case err != nil: // on a machine without cgroups, for example
		log.Debug().Err(err).Msg("no memory limit is known")
	case limit < math.MaxInt64:
		log.Debug().Int64("bytes", limit).Msg("garbage is collected more often as memory comes near this limit")
	}
}
