package reconcile

import (
	"sync"
	"time"

	"github.com/rs/zerolog"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// troubleInterval is how often the same trouble is said again while it lasts.
const troubleInterval = 5 * time.Minute

const (
	levelInfo = zerolog.InfoLevel
	levelWarn = zerolog.WarnLevel
)

// troubles logs what keeps the controller as a whole from working. The informers come back with the same error every
// few seconds and each on its own, so a line that was said is not said again for a while.
type troubles struct {
	log  zerolog.Logger
	mu   sync.Mutex
	last map[string]time.Time
}

// watch says that a list or watch failed. It is retried in any case.
func (t *troubles) watch(what kube.Target, err error) {
	switch {
	case apierrors.IsForbidden(err):
		t.say(levelWarn, "no permission to list and watch "+what.String()+"; retrying; `pullsecrets rbac -f POLICY` prints the roles ("+kube.Redact(err)+")")
	case kube.Classify(err) == kube.Unreachable:
		t.say(levelWarn, kube.UnreachableText)
	default:
		t.say(levelWarn, "cannot list and watch "+what.String()+"; retrying ("+kube.Redact(err)+")")
	}
}

// loop says that something may be listed but not watched.
func (t *troubles) loop(what kube.Target, every time.Duration) {
	t.say(levelWarn, "no permission to watch "+what.String()+"; listing every "+every.String()+" instead, so that changes are seen only then")
}

// plain says that watch-lists do not work, and that all is listed and then watched from now on.
func (t *troubles) plain(what kube.Target) {
	t.say(levelWarn, "a watch-list of "+what.String()+" did not end with the bookmark k8s.io/initial-events-end, but a list was answered: "+
		"a proxy before the API server may lose bookmarks or end watches early; from now on everything is listed and then watched")
}

// write says that something of our own could not be written. It is retried.
func (t *troubles) write(what string, err error) {
	t.say(levelWarn, "cannot write "+what+"; retrying ("+kube.Redact(err)+")")
}

// election says that the Lease could not be read or written. It is retried.
func (t *troubles) election(err error) {
	t.say(levelWarn, "cannot take part in the leader election; retrying ("+kube.Redact(err)+")")
}

// once says a line that there is no remedy for, and never again.
func (t *troubles) once(line string) {
	t.mu.Lock()
	_, said := t.last[line]
	t.last[line] = time.Now()
	t.mu.Unlock()
	if !said {
		t.log.Info().Msg(line)
	}
}

func (t *troubles) say(level zerolog.Level, line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if last, said := t.last[line]; said && now.Sub(last) < troubleInterval {
		return
	}
	t.last[line] = now
	t.log.WithLevel(level).Msg(line)
}
