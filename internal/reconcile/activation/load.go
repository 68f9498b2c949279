package activation

import (
	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// load reads the last good policy and the copy names in use from the status ConfigMap, once. The text is evaluated again,
// because what is allowed may have changed with the flags or the version.
func (a *Activator) load() {
	if a.loaded {
		return
	}
	a.loaded = true
	saved := a.Cluster.StatusMap()
	if saved == nil {
		a.names.statusMissing = true
		return
	}
	record := status.Decode(saved.Data[status.KeyRecord])
	a.names.inUse = cluster.SecretNames(saved.Data[status.KeyNames])
	a.usedConfirmation, a.feedback.told = record.Confirmed, record.Sources
	a.Verifier.Restore(record.Verified)
	if a.fixed() {
		a.feedback.loadedState = record.Status
		return // the last good policy is that of the ConfigMap
	}
	documents, err := status.UnpackPolicy(saved.BinaryData[status.KeyPolicy])
	if err != nil {
		a.Log.Warn().Str("error", bound.Text(err.Error())).Msg("the last good policy cannot be restored from the status ConfigMap")
		return
	}
	if documents == nil {
		return
	}
	p, problems := a.evaluator.parse(documents)
	if p == nil {
		a.Log.Warn().Strs("problems", lines(problems.Errors())).Msg("the last good policy is no longer acceptable; nothing is removed")
		return
	}
	a.evaluator.lastGood = lastGood{documents, p}
}

// reset has an Activator that put nothing in force yet begin again from the status as it is by then. One that did knows better
// than the status what is in use.
func (a *Activator) reset() {
	if a.Active() == nil {
		a.loaded, a.evaluated = false, false
		a.evaluator.evaluation, a.evaluator.lastGood = evaluation{}, lastGood{}
	}
}
