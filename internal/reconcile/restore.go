package reconcile

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// restore loads the last good policy and the names in use, once. The text is judged again, because what is allowed
// may have changed with the flags or the version.
func (j *judge) restore() {
	if j.restored {
		return
	}
	j.restored = true
	saved := j.statusMap()
	if saved == nil {
		j.lost = true
		return
	}
	j.inUse = cluster.SecretNames(saved.Data[status.KeyNames])
	j.spent = status.Decode(saved.Data[status.KeyRecord]).Confirmed
	if j.fixed() {
		j.restoredState = status.Decode(saved.Data[status.KeyRecord]).Status
		return // the last good policy is that of the ConfigMap
	}
	documents, err := status.UnpackPolicy(saved.BinaryData[status.KeyPolicy])
	if err != nil {
		j.c.Log.Warn().Str("error", bound.Text(err.Error())).Msg("the last good policy cannot be restored from the status ConfigMap")
		return
	}
	if documents == nil {
		return
	}
	p, problems := j.parse(documents)
	if p == nil {
		j.c.Log.Warn().Strs("problems", lines(problems.Errors())).Msg("the last good policy is no longer acceptable; nothing is removed")
		return
	}
	j.accepted = accepted{documents, p}
}

// follow has a standby watch all that the leader watches, so that it can take over at once. It remembers nothing of
// what it reads: whoever takes over starts from the status as the last leader left it.
func (j *judge) follow() {
	var sources []types.NamespacedName
	var names []string
	documents, _, _ := j.text()
	p, _ := j.parse(documents)
	if saved := j.statusMap(); saved != nil {
		names = cluster.SecretNames(saved.Data[status.KeyNames])
		if p == nil {
			documents, _ = status.UnpackPolicy(saved.BinaryData[status.KeyPolicy])
			p, _ = j.parse(documents)
		}
	}
	if p != nil {
		sources, names = j.c.watchedSources(p), cluster.Union(names, p.CopyNames())
	}
	j.c.watches.need(sources, names)
	j.c.watches.keep(sources, names)
	j.settled.Store(j.c.watches.settled())
}

// startOver has a judge that put nothing in force yet begin again from the status as it is by then. One that did knows
// better than the status what is in use.
func (j *judge) startOver() {
	if j.c.active.Load() == nil {
		j.restored, j.judged, j.verdict, j.accepted = false, false, verdict{}, accepted{}
	}
}
