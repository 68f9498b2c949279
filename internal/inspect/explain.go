package inspect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/state"
)

// Explanation says why a namespace has what it has. It is made of the very decision that the controller makes.
type Explanation struct {
	Namespace string   `json:"namespace"`
	Notes     []string `json:"notes,omitempty"` // what holds for the namespace as a whole
	// PolicyUnknown says that whoever asks may not read which policy is in force, so nothing is said of rules.
	PolicyUnknown bool                 `json:"policyUnknown,omitempty"`
	Rules         []RuleExplanation    `json:"rules"`
	Copies        []CopyExplanation    `json:"copies,omitempty"`
	Accounts      []AccountExplanation `json:"serviceAccounts,omitempty"`
	// Workload is what makes pods, if it was asked for.
	Workload *WorkloadExplanation `json:"workload,omitempty"`
	// Pod is the pod that was asked for, or one of the workload's that waits for an image.
	Pod *PodExplanation `json:"pod,omitempty"`
	// Waiting are the pods of the namespace that wait for an image, if no object was asked for.
	Waiting []WaitingPod `json:"waiting,omitempty"`
	// Do are commands, in the order in which they help.
	Do []Step `json:"do,omitempty"`
}

// RuleExplanation is a rule and why it does not select the namespace; WhyNot is empty where it does.
type RuleExplanation struct {
	Rule   string `json:"rule"`
	WhyNot string `json:"whyNot,omitempty"`
	// Attach is pods where the API server adds the rule's names to pods, so that service accounts need not have them.
	Attach string `json:"attach,omitempty"`
}

// CopyExplanation is a copy that a rule wants, or that is left of one.
type CopyExplanation struct {
	Name    string   `json:"name"`
	Rule    string   `json:"rule,omitempty"`
	Source  string   `json:"source,omitempty"`
	Exists  bool     `json:"exists"`
	Unread  bool     `json:"unread,omitempty"`  // who asks may not read it, so whether it exists is not known
	Since   string   `json:"since,omitempty"`   // when it was created, RFC 3339
	Written string   `json:"written,omitempty"` // when we wrote it last, RFC 3339
	Owners  []string `json:"owners,omitempty"`  // others that own its content
	Reason  string   `json:"reason"`
	Text    string   `json:"text"`
	Diff    []string `json:"diff,omitempty"`
	Status  []string `json:"status,omitempty"` // what came of the controller's work on it
	// Warnings are what is said of its source beside whether it can be copied.
	Warnings []string `json:"warnings,omitempty"`
}

// AccountExplanation is a service account with the names that rules give it.
type AccountExplanation struct {
	Name    string            `json:"name"`
	Written string            `json:"written,omitempty"` // when we wrote its list last, RFC 3339
	Owners  []string          `json:"owners,omitempty"`  // others that own its list
	Notes   []string          `json:"notes,omitempty"`
	Names   []NameExplanation `json:"names,omitempty"`
	Rules   []RuleExplanation `json:"rules,omitempty"`  // that select the namespace
	Status  []string          `json:"status,omitempty"` // what came of the controller's work on it
	list    []string
}

// NameExplanation is one name in, or missing from, a list of pull secrets.
type NameExplanation struct {
	Name    string `json:"name"`
	Rule    string `json:"rule,omitempty"`
	Present bool   `json:"present"`
	Text    string `json:"text"`
	adds    bool   // the API server adds it to a pod that is created now
}

// explainer gathers what an explanation is made of.
type explainer struct {
	reader
	at        Place
	namespace string
	raw       map[types.NamespacedName]*unstructured.Unstructured // secrets
	accounts  map[string]*unstructured.Unstructured
	notes     []string
	policy    *policy.Policy // nil where that in force is not known
	desired   policy.Desired

	labelsUnknown bool // of the namespace, and its annotations
	copies        []CopyExplanation
	tried         map[types.NamespacedName]bool // secrets that were asked for
	asked         int                           // how many of them beyond those of the namespace's rules
}

// Explain explains a namespace, and of it one service account, pod or workload if there is a target.
// documents may be nil: the policy is then the cluster's.
func Explain(ctx context.Context, client dynamic.Interface, at Place, opts policy.Options, documents map[string]string, namespace string, target Target) (*Explanation, error) {
	return explain(liveLookup{ctx, client}, at, opts, documents, namespace, target)
}

// Explain explains a namespace of the dump, as the function of this name does one of a live cluster. A pod is found if the
// dump has pods.
func (d *Dump) Explain(opts policy.Options, documents map[string]string, namespace string, target Target) (*Explanation, error) {
	return explain(dumpLookup(d.all), d.at, opts, documents, namespace, target)
}

func explain(from lookup, at Place, opts policy.Options, documents map[string]string, namespace string, target Target) (*Explanation, error) {
	e := &explainer{
		reader: reader{lookup: from, projector: state.NewProjector(), snapshot: emptySnapshot(at.Installation())},
		at:     at, namespace: namespace,
		raw: map[types.NamespacedName]*unstructured.Unstructured{}, accounts: map[string]*unstructured.Unstructured{},
		tried: map[types.NamespacedName]bool{},
	}
	e.status(at.key(at.StatusName))
	e.annotations(at.key(at.PolicyName))
	if err := errors.Join(e.errs...); err != nil {
		return nil, err
	}
	p, err := e.policyInForce(documents, opts)
	if err != nil {
		return nil, err
	}
	ns, err := e.read(p)
	if err != nil {
		return nil, err
	}
	out := e.explain(p, ns)
	e.copies, e.asked = out.Copies, 0
	if err := errors.Join(e.narrow(out, ns, target), errors.Join(e.errs...)); err != nil {
		return nil, err
	}
	return out, nil
}

// read reads the namespace, its accounts, and the secrets that the rules for it are about.
func (e *explainer) read(p *policy.Policy) (*cluster.Namespace, error) {
	if err := e.readNamespace(); err != nil {
		return nil, err
	}
	ns := e.snapshot.Namespace(e.namespace)
	accounts := kube.Target{Resource: kube.ServiceAccounts, Namespace: e.namespace}
	err := e.lookup.each(kube.ServiceAccounts, e.namespace, "", func(u *unstructured.Unstructured) error {
		e.accounts[u.GetName()] = u
		return e.snapshot.add(e.projector, u)
	})
	e.failed(accounts.String(), err, func(err error) { e.snapshot.accountsDenied = err })
	e.snapshot.recover()
	names := e.snapshot.names
	if p == nil {
		e.marked()
		return ns, errors.Join(e.errs...)
	}
	for _, rule := range p.Rules {
		if rule.Namespaces.Matches(ns.Name, ns.Labels) {
			for _, s := range rule.Secrets {
				names = cluster.Union(names, []string{s.Name})
				e.source(s.Source)
			}
		}
	}
	for _, name := range names {
		e.secret(types.NamespacedName{Namespace: e.namespace, Name: name}, func(err error) { e.snapshot.copiesDenied[name] = err })
	}
	return ns, errors.Join(e.errs...)
}

func (e *explainer) source(key types.NamespacedName) {
	e.secret(key, func(err error) { e.snapshot.sourcesDenied[key] = err })
}

func (e *explainer) secret(key types.NamespacedName, denied func(error)) {
	if e.tried[key] || e.gone {
		return
	}
	e.tried[key] = true
	e.asked++
	u, err := e.lookup.get(kube.Secrets, key)
	switch {
	case err == nil:
		e.raw[key] = u
		_ = e.snapshot.add(e.projector, u) // fails for other kinds only
	case apierrors.IsForbidden(err):
		denied(err)
	case !apierrors.IsNotFound(err):
		e.fail(fmt.Errorf("read the secret %s: %w", key, err))
	}
}

func (e *explainer) explain(p *policy.Policy, ns *cluster.Namespace) *Explanation {
	out := &Explanation{Namespace: ns.Name, Notes: e.notes}
	switch {
	case ns.Excluded:
		out.Notes = append(out.Notes, "its annotation opts it out: no rule applies")
	case ns.Terminating:
		out.Notes = append(out.Notes, "it is being deleted: nothing is done in it")
	}
	if e.snapshot.accountsDenied != nil {
		out.Notes = append(out.Notes, "you may not list its service accounts, so nothing is said of them")
	}
	if p == nil {
		out.PolicyUnknown = true
		e.asMarked(out)
		return out
	}
	for _, rule := range p.Rules {
		out.Rules = append(out.Rules, e.rule(rule, e.whyNotNamespace(rule, ns)))
	}
	todo := e.snapshot.plan(p, ns, false)
	for _, a := range todo.Actions {
		if a.Kind == plan.KindSecret {
			out.Copies = append(out.Copies, e.copy(a))
		}
	}
	in, _, _ := state.Observe(e.snapshot, p, ns.Name, e.snapshot.circumstances(false))
	e.policy, e.desired = p, p.Desired(in)
	for _, account := range e.desired.Accounts {
		out.Accounts = append(out.Accounts, e.account(p, ns, account, todo))
	}
	return out
}

func (e *explainer) rule(rule *policy.Rule, whyNot string) RuleExplanation {
	out := RuleExplanation{Rule: rule.Name, WhyNot: whyNot}
	if rule.Attach == policy.AttachPods && e.snapshot.attachment().Of(rule) == policy.ToPods {
		out.Attach = string(policy.AttachPods)
	}
	return out
}

func (e *explainer) copy(a plan.Action) CopyExplanation {
	c := CopyExplanation{Name: a.Name, Rule: a.Rule, Reason: string(a.Reason), Text: describeCopy(a), Diff: a.Diff, Status: e.statusOf(a)}
	if a.Verb != plan.None {
		c.Text = e.pending(a.Verb, c.Status)
	}
	if a.Source.Name != "" {
		c.Source = a.Source.String()
	}
	c.Unread = e.snapshot.copiesDenied[a.Name] != nil
	c.Warnings = e.saidOfSource(a.Source)
	key := types.NamespacedName{Namespace: e.namespace, Name: a.Name}
	if u := e.raw[key]; u != nil {
		c.Exists = true
		c.Since = timeText(u.GetCreationTimestamp())
		c.Written = appliedAt(u)
		c.Owners = ownerTexts(e.snapshot.secrets[key].Owners)
	}
	return c
}

func describeCopy(a plan.Action) string {
	if text := unread(a.Reason); text != "" {
		return text
	}
	text := a.Explain()
	if a.Defect != "" {
		text += " (" + string(a.Defect) + ")"
	}
	switch {
	case text != "":
		return text
	case a.Verb == plan.None:
		return a.Describe()
	}
	return aboutTo(a.Verb)
}

// unread says what whoever asks may not read, which says nothing of the controller's rights; "" for other reasons.
func unread(reason plan.Reason) string {
	switch reason {
	case plan.CopyForbidden, plan.LeftForbidden:
		return "you may not read it, so nothing is known here of what is in it"
	case plan.SourceForbidden:
		return "you may not read its source, so nothing is known here of what should be in it"
	}
	return ""
}

func (e *explainer) account(p *policy.Policy, ns *cluster.Namespace, account policy.Account, todo plan.Plan) AccountExplanation {
	out := AccountExplanation{
		Name: account.Name, Written: appliedAt(e.accounts[account.Name]),
		Owners: ownerTexts(account.Owners), list: account.PullSecrets,
	}
	if account.Excluded {
		out.Notes = append(out.Notes, "its annotation opts it out: no rule applies")
	}
	if ns.Excluded {
		out.Notes = append(out.Notes, "its namespace is opted out: no rule applies")
	}
	for _, rule := range p.Rules {
		if rule.Namespaces.Matches(ns.Name, ns.Labels) {
			out.Rules = append(out.Rules, e.rule(rule, rule.ServiceAccounts.WhyNot(account.Name, account.Labels)))
		}
	}
	action := todo.Find(plan.KindServiceAccount, account.Name)
	out.Status = e.statusOf(action)
	ledger := e.snapshot.installation.NotedOn(account.ServiceAccount)
	for _, n := range account.Names {
		name := NameExplanation{Name: n.Name, Rule: n.Rule.Name, Present: slices.Contains(account.PullSecrets, n.Name)}
		switch {
		case name.Present && slices.Contains(ledger, n.Name):
			name.Text = "there; pullsecrets added it"
		case name.Present:
			name.Text = "there; pullsecrets would not remove it, because somebody else added it or the rule does not prune"
		case action.List != nil && slices.Contains(action.List.Added, n.Name):
			name.Text = "missing; " + e.pending("add", out.Status)
		case action.Reason == plan.OtherInstallation:
			name.Text = "not added: " + action.Explain()
		case unread(todo.Find(plan.KindSecret, n.Name).Reason) != "":
			name.Text = "missing; see what is said of the secret"
		default:
			name.Text = notAdded(ns, todo.Find(plan.KindSecret, n.Name))
		}
		out.Names = append(out.Names, name)
	}
	return out
}

// notAdded says why an account does not get a name, of which the copy's action tells.
func notAdded(ns *cluster.Namespace, copied plan.Action) string {
	if ns.Terminating { // nothing was decided
		return "not added: its namespace is being deleted"
	}
	return "not added: " + describeCopy(copied)
}

// narrow leaves of an explanation what is about the target, and adds what is said of that alone.
func (e *explainer) narrow(out *Explanation, ns *cluster.Namespace, target Target) error {
	name := target.name
	switch {
	case target.kind == nil:
		return e.waiting(out)
	case target.kind == podKind:
		u, err := e.lookup.get(kube.Pods, types.NamespacedName{Namespace: e.namespace, Name: name})
		if err != nil {
			return fmt.Errorf("read the pod: %w", err)
		}
		out.Pod = e.pod(out, ns, u, false)
		out.Do = e.doAbout(ns, out, u)
		name = out.Pod.Account
	case target.kind != accountKind:
		if err := e.workload(out, ns, target); err != nil {
			return err
		}
		name = out.Workload.New.Account
	}
	out.Accounts = slices.DeleteFunc(out.Accounts, func(a AccountExplanation) bool { return a.Name != name })
	if len(out.Accounts) > 0 || e.snapshot.accountsDenied != nil {
		return nil
	}
	none := fmt.Sprintf("there is no service account %s in namespace %s", name, e.namespace)
	if target.kind == accountKind {
		return kube.Plain(none)
	}
	out.Notes = append(out.Notes, none+": no pod of it can be made")
	return nil
}

// appliedAt is when we wrote an object last, as its managedFields say.
func appliedAt(u *unstructured.Unstructured) string {
	if u == nil {
		return ""
	}
	for _, f := range u.GetManagedFields() {
		if f.Manager == cluster.FieldManager && f.Operation == metav1.ManagedFieldsOperationApply && f.Time != nil {
			return timeText(*f.Time)
		}
	}
	return ""
}

func timeText(t metav1.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

func ownerTexts(owners []cluster.Owner) (out []string) {
	for _, o := range owners {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s (%s) %s", o.Manager, o.Operation, o.Time)))
	}
	return out
}
