package apply

import (
	"errors"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/bound"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
)

// Altered is the error of a write that the API server accepted, and of which it keeps something else. Admission has the
// last word on what is written, and the answer does not say which policy or webhook it was.
type Altered struct {
	Differs []string // in words, without a value
	version string   // of the object that came back
	wait    time.Duration
	putOff  bool // it was not written now, because it has to wait
}

func (e *Altered) Error() string {
	return "the API server keeps something else than was written: " + bound.Few(e.Differs) +
		"; a mutating admission policy or webhook changes it on its way, and it is written again at growing intervals"
}

// OwnWords is for kube.Redact: the words hold no value.
func (e *Altered) OwnWords() {}

// AsAltered returns the Altered that an error is, or nil.
func AsAltered(err error) *Altered {
	var e *Altered
	errors.As(err, &e)
	return e
}

// ErrCameBack says that the API server put back names that we removed: an admission policy still adds them.
const ErrCameBack = kube.Plain("the API server put removed names back")

// IsContested reports whether a repair waits because somebody undoes it again and again.
func IsContested(err error) bool {
	var c *Contested
	return errors.As(err, &c)
}

// IsPutOff reports whether a write was not tried, because it has to wait.
func IsPutOff(err error) bool {
	e := AsAltered(err)
	return IsContested(err) || e != nil && e.putOff
}

// checkList holds a service account that came back against the list that was written. Names and ledger entries that
// admission added are no difference, and neither is another order: presence is all that is ever decided on.
func checkList(by cluster.Installation, obj metav1.Object, list *plan.List) error {
	kept := cluster.NewServiceAccount(obj)
	if cameBack(kept, list.Removed) {
		return ErrCameBack
	}
	differs := missingNames(kept, list.Names)
	ledger := by.NotedOn(kept)
	if lost := without(list.Ledger, ledger); len(lost) > 0 {
		differs = append(differs, "names missing from the annotation "+cluster.AnnotationAdded+", without which they are never removed: "+nameList(lost))
	}
	added := without(kept.PullSecrets, list.Names)
	if stale := without(ledger, slices.Concat(list.Ledger, added)); len(stale) > 0 {
		differs = append(differs, "names left in the annotation "+cluster.AnnotationAdded+": "+nameList(stale))
	}
	return newAltered(kept, differs)
}

// checkNames holds a service account that came back against the names that it had, where only its ownership changed.
func checkNames(obj metav1.Object, names, removed []string) error {
	kept := cluster.NewServiceAccount(obj)
	if cameBack(kept, removed) {
		return ErrCameBack
	}
	return newAltered(kept, missingNames(kept, names))
}

// cameBack reports whether an account still has a name that was removed.
func cameBack(kept *cluster.ServiceAccount, removed []string) bool {
	return slices.ContainsFunc(kept.PullSecrets, func(name string) bool { return slices.Contains(removed, name) })
}

// checkCopy holds a copy that came back against the one that was written. Whatever else admission put on it is its own.
func checkCopy(meant, kept *cluster.Secret) error {
	if meant.SameContent(kept) && meant.Marks == kept.Marks {
		return nil
	}
	differs := []string(plan.Difference(meant, kept))
	if len(differs) == 0 {
		differs = []string{"content: changed"}
	}
	return newAltered(kept, differs)
}

func newAltered(kept cluster.Object, differs []string) error {
	if len(differs) == 0 {
		return nil
	}
	return &Altered{Differs: differs, version: kept.GetResourceVersion()}
}

func missingNames(kept *cluster.ServiceAccount, names []string) (differs []string) {
	if missing := without(names, kept.PullSecrets); len(missing) > 0 {
		differs = append(differs, "names missing from imagePullSecrets: "+nameList(missing))
	}
	return differs
}

// without returns the names that are not among others. An entry without a name names nothing.
func without(names, others []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == "" || slices.Contains(others, name) })
}

// nameList puts names into a message, bounded as all lists are.
func nameList(names []string) string { return strings.ReplaceAll(bound.Few(names), "; ", ", ") }
