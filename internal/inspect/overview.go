package inspect

import (
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/inspect/overview"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/admission"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/report"
)

// ProblemMeanings are what the reasons of all problems mean.
func ProblemMeanings() []plan.Meaning {
	return slices.Concat(plan.Problems, report.Problems, admission.Problems)
}

// OverviewQuery says which installation is asked about.
type OverviewQuery struct {
	At      Place  // its Namespace, PolicyName and StatusName
	Kubectl string // how kubectl is called for this cluster, quoted for a shell
}

// Overview reads the two ConfigMaps of an installation, and nothing else. What may not be read is said in it; where the API server
// does not answer, or does not know who asks, that is an error.
func Overview(ctx context.Context, client dynamic.Interface, q OverviewQuery) (*overview.Overview, error) {
	ctx, cancel := context.WithTimeout(ctx, overviewPatience)
	defer cancel()
	in := overview.Input{
		Namespace: q.At.Namespace, PolicyName: q.At.PolicyName, StatusName: q.At.StatusName, Kubectl: q.Kubectl, Meanings: ProblemMeanings(),
	}
	r := reader{lookup: liveLookup{ctx, client}}
	// The status is read first: what the annotations say later is never older than it.
	for _, of := range []struct {
		what, name string
		to         **cluster.ConfigMap
		denied     *string
	}{{"status", in.StatusName, &in.Status, &in.StatusDenied}, {"policy", in.PolicyName, &in.Policy, &in.PolicyDenied}} {
		u, err := r.configMapObject(q.At.key(of.name))
		switch {
		case apierrors.IsForbidden(err):
			*of.denied = kube.Redact(err)
		case err != nil:
			return nil, fmt.Errorf("read the %s ConfigMap %s: %w", of.what, q.At.key(of.name), err)
		case u != nil:
			*of.to = cluster.NewConfigMap(u)
			if of.to == &in.Policy {
				in.Edited = editedAt(u)
			}
		}
	}
	return overview.From(in), nil
}

// overviewPatience is how long an answer is waited for.
const overviewPatience = 20 * time.Second

// editedAt is when somebody else than we last wrote what a ConfigMap holds.
func editedAt(u *unstructured.Unstructured) string {
	var last metav1.Time
	for _, f := range u.GetManagedFields() {
		if f.Manager != cluster.FieldManager && f.Time != nil && last.Before(f.Time) {
			last = *f.Time
		}
	}
	return timeText(last)
}

const (
	// pollEvery is how often the ConfigMaps are read where they may not be watched.
	pollEvery = 2 * time.Second
	// readAnyway is how often they are read although no watch says that they changed: a connection can die without a word.
	readAnyway = 30 * time.Second
	// watchAgain is how long a watch that ended waits.
	watchAgain = time.Second
)

// FollowOverview calls each with how an installation stands, at once and whenever one of its ConfigMaps changes, until each returns
// false or ctx ends. Where reading fails, each is told that in place of it, and it is tried again. A watch only says when to read,
// so nothing is missed when it ends; where the ConfigMaps may not be watched, they are read every 2 seconds.
func FollowOverview(ctx context.Context, client dynamic.Interface, q OverviewQuery, each func(*overview.Overview, error) (more bool)) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changed := make(chan struct{}, 1)
	for _, name := range []string{q.At.PolicyName, q.At.StatusName} {
		go watchConfigMap(ctx, client, q.At.Namespace, name, changed)
	}
	for {
		o, err := Overview(ctx, client, q)
		if ctx.Err() != nil || !each(o, err) {
			return
		}
		wait := readAnyway
		if err != nil {
			wait = pollEvery
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-time.After(wait):
		}
	}
}

// watchConfigMap says when a ConfigMap may be another than before, until ctx ends.
func watchConfigMap(ctx context.Context, client dynamic.Interface, namespace, name string, changed chan<- struct{}) {
	selector := fields.OneTermEqualSelector(metav1.ObjectNameField, name).String()
	for ctx.Err() == nil {
		pause := watchAgain
		w, err := client.Resource(kube.ConfigMaps).Namespace(namespace).Watch(ctx, metav1.ListOptions{FieldSelector: selector})
		if err != nil {
			pause = pollEvery
		} else {
			tell(ctx, w, changed)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		ring(changed)
	}
}

// tell passes on that something happened, until the watch ends.
func tell(ctx context.Context, w watch.Interface, changed chan<- struct{}) {
	defer w.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case e, open := <-w.ResultChan():
			if !open || e.Type == watch.Error {
				return
			}
			ring(changed)
		}
	}
}

func ring(changed chan<- struct{}) {
	select {
	case changed <- struct{}{}:
	default:
	}
}
