package report

import (
	"sync"
	"time"

	"github.com/rs/zerolog"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// throttleInterval is how often the same line is logged again while its cause lasts.
const throttleInterval = 5 * time.Minute

// ThrottledLog logs what keeps the controller as a whole from working. The informers come back with the same error every
// few seconds and each on its own, so a line that was logged is not logged again for a while.
type ThrottledLog struct {
	log  zerolog.Logger
	mu   sync.Mutex
	last map[string]time.Time
}

// NewThrottledLog returns one that logged nothing yet.
func NewThrottledLog(log zerolog.Logger) *ThrottledLog {
	return &ThrottledLog{log: log, last: map[string]time.Time{}}
}

// WatchFailed logs that a list or watch failed. It is retried in any case.
func (t *ThrottledLog) WatchFailed(what kube.Target, err error) {
	switch {
	case apierrors.IsForbidden(err):
		t.Warn("no permission to list and watch " + what.String() + "; retrying; `pullsecrets rbac -f POLICY` prints the roles (" + kube.Redact(err) + ")")
	case kube.Classify(err) == kube.Unreachable:
		t.Warn(kube.UnreachableText)
	default:
		t.Warn("cannot list and watch " + what.String() + "; retrying (" + kube.Redact(err) + ")")
	}
}

// Listing logs that something may be listed but not watched.
func (t *ThrottledLog) Listing(what kube.Target, every time.Duration) {
	t.Warn("no permission to watch " + what.String() + "; listing every " + every.String() + " instead, so that changes are seen only then")
}

// PlainLists logs that watch-lists do not work, and that all is listed and then watched from now on.
func (t *ThrottledLog) PlainLists(what kube.Target) {
	t.Warn("a watch-list of " + what.String() + " did not end with the bookmark k8s.io/initial-events-end, but a list was answered: " +
		"a proxy before the API server may lose bookmarks or end watches early; from now on everything is listed and then watched")
}

// WriteFailed logs that something of our own could not be written. It is retried.
func (t *ThrottledLog) WriteFailed(what string, err error) {
	t.Warn("cannot write " + what + "; retrying (" + kube.Redact(err) + ")")
}

// ElectionFailed logs that the Lease could not be read or written. It is retried.
func (t *ThrottledLog) ElectionFailed(err error) {
	t.Warn("cannot take part in the leader election; retrying (" + kube.Redact(err) + ")")
}

// Once logs a line that there is no remedy for, and never again.
func (t *ThrottledLog) Once(line string) {
	t.mu.Lock()
	_, said := t.last[line]
	t.last[line] = time.Now()
	t.mu.Unlock()
	if !said {
		t.log.Info().Msg(line)
	}
}

// Warn logs a line as a warning.
func (t *ThrottledLog) Warn(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if last, logged := t.last[line]; logged && now.Sub(last) < throttleInterval {
		return
	}
	t.last[line] = now
	t.log.Warn().Msg(line)
}
