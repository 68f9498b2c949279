package inspect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/inspect/coverage"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
)

// CoverageQuery is what is asked of a cluster.
type CoverageQuery struct {
	Documents  map[string]string // of the policy; nil: the cluster's
	Options    policy.Options
	Nodes      policy.Registries // besides the policy's nodeCredentials
	Namespaces []string          // none: all
	Progress   func(done, total int)
}

// CoverageDumpCommand makes a dump that has all that coverage looks at.
const CoverageDumpCommand = "kubectl get ns,sa,secrets,cm,pods,deploy,sts,ds,rs,rc,jobs,cronjobs -A -o yaml --show-managed-fields"

// Coverage reports on a cluster, with get and list alone. What is forbidden is told in the report.
func Coverage(ctx context.Context, client dynamic.Interface, at Place, q CoverageQuery) (*coverage.Report, error) {
	return coverageOf(liveObjects{liveLookup{ctx, client}}, at, q)
}

// Coverage reports on the dump, as the function of this name does on a live cluster.
func (d *Dump) Coverage(q CoverageQuery) (*coverage.Report, error) {
	from := dumpObjects{dumpLookup(d.all)}
	if !from.hasWorkloads() {
		return nil, fmt.Errorf("the dump holds no pods and nothing that makes them: make it with %s", CoverageDumpCommand)
	}
	return coverageOf(from, d.at, q)
}

func coverageOf(from objects, at Place, q CoverageQuery) (*coverage.Report, error) {
	c := &coverer{
		explainer: explainer{reader: reader{lookup: from, projector: state.NewProjector(), snapshot: emptySnapshot(at.Installation())}, at: at},
		query:     q, from: from, workloads: coverage.NewWorkloads(), others: map[types.NamespacedName]*cluster.Secret{}, unread: map[types.NamespacedName]bool{},
	}
	c.progress = q.Progress
	c.status(at.key(at.StatusName))
	c.annotations(at.key(at.PolicyName))
	if err := errors.Join(c.errs...); err != nil {
		return nil, err
	}
	p, err := c.policyInForce(q.Documents, q.Options)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return nil, fmt.Errorf("%s; name the policy with -f", strings.Join(c.notes, "; "))
	}
	c.policy = p
	if err := c.read(); err != nil {
		return nil, err
	}
	return coverage.Compute(c.input()), nil
}

// coverer gathers what a report is made of.
type coverer struct {
	explainer
	query     CoverageQuery
	from      objects
	workloads *coverage.Workloads
	others    map[types.NamespacedName]*cluster.Secret // registry credentials besides the copies and sources
	unread    map[types.NamespacedName]bool            // secrets that pods name and that may not be read
	denied    []coverage.Unread
	blind     int // kinds of what makes pods that may not be listed
}

// targets are the lists that a kind takes: one, or one for each namespace that is asked for.
func (c *coverer) targets(what kube.Target) (out []kube.Target) {
	if len(c.query.Namespaces) == 0 {
		return []kube.Target{what}
	}
	for _, namespace := range c.query.Namespaces {
		what.Namespace = namespace
		out = append(out, what)
	}
	return out
}

func (c *coverer) read() error {
	c.total = 10 + len(c.policy.CopyNames()) + len(c.policy.Sources())
	if err := c.readNamespaces(); err != nil {
		return err
	}
	c.each(kube.Target{Resource: kube.ServiceAccounts}, c.take, func(err error) {
		if c.snapshot.accountsDenied == nil {
			c.deny("service accounts", "which pull secrets pods get from their service account")
		}
		c.snapshot.accountsDenied = err
	})
	c.snapshot.recover()
	c.readWorkloads()
	for _, key := range c.policy.Sources() {
		c.one(kube.Target{Resource: kube.Secrets, Namespace: key.Namespace, Name: key.Name}, c.take, func(err error) {
			c.snapshot.sourcesDenied[key] = err
			c.deny("the source "+key.String(), "for which registries it has an entry, and who else holds it")
		})
	}
	c.readSecrets()
	if c.blind == len(workloadKinds) {
		return errors.New("you may list neither pods nor anything that makes them, so there is nothing to say: " + CoverageRights)
	}
	return errors.Join(c.errs...)
}

// CoverageRights says what a reader of a whole cluster needs.
const CoverageRights = "it takes list on pods, and better on deployments, statefulsets, daemonsets, replicasets (apps), jobs and cronjobs (batch) too"

func (c *coverer) deny(what, text string) {
	c.denied = append(c.denied, coverage.Unread{What: what, Text: text})
}

// readNamespaces reads those that were asked for by name, so that a team needs no right on others.
func (c *coverer) readNamespaces() error {
	for _, name := range c.query.Namespaces {
		u, err := c.lookup.get(kube.Namespaces, types.NamespacedName{Name: name})
		if err != nil {
			return fmt.Errorf("read the namespace %s: %w", name, err)
		}
		_ = c.take(u) // fails for other kinds only
	}
	if len(c.query.Namespaces) > 0 {
		return nil
	}
	err := c.from.list(kube.Target{Resource: kube.Namespaces}, c.take)
	if apierrors.IsForbidden(err) {
		return fmt.Errorf("you may not list namespaces: name yours with -n (%w)", err)
	}
	c.failed("namespaces", err, nil)
	return errors.Join(c.errs...)
}

// input is what the decision is made on.
func (c *coverer) input() coverage.Input {
	in := coverage.Input{
		Policy: c.policy, Nodes: slices.Concat(c.policy.NodeCredentials, c.query.Nodes), Sources: c.snapshot.Sources(c.policy),
		Workloads: c.workloads, Narrowed: c.query.Namespaces, UsesKnown: c.blind == 0,
		Ended: func(v cluster.Validity) bool { return !v.Until.IsZero() && !c.snapshot.now.Before(v.Until) }, Unread: c.denied, Notes: c.notes,
	}
	if c.snapshot.statusDenied != nil && slices.ContainsFunc(c.policy.Rules, func(r *policy.Rule) bool { return r.Attach == policy.AttachPods }) {
		in.Unread = append(in.Unread, coverage.Unread{What: "the status ConfigMap", Text: "whether the API server adds names to pods by now"})
	}
	secrets := c.secrets()
	for _, ns := range c.snapshot.namespaces {
		if !ns.Terminating {
			in.Namespaces = append(in.Namespaces, c.namespace(ns, secrets[ns.Name]))
		}
	}
	slices.SortFunc(in.Namespaces, func(a, b coverage.Namespace) int { return strings.Compare(a.Name, b.Name) })
	return in
}
