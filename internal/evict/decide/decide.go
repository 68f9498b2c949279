// Package decide says whether a pod that waits for an image is to be evicted, and if not, why. A pod keeps the pull secrets that
// it had when it was created; one that was created too early can only be made anew. It is pure.
package decide

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// Input is everything that the decision on a pod looks at.
type Input struct {
	Pod       *cluster.Pod
	Namespace *cluster.Namespace      // nil: it is not known
	Account   *cluster.ServiceAccount // the pod's; nil: it is not known
	Status    Status
	Owners    []schema.GroupKind // kinds of controllers that make their pods anew, besides Kubernetes' own
}

// Verdict is what is decided about a pod.
type Verdict struct {
	Reason Reason   // why it is left alone; empty: it is to be evicted
	Names  []string // that it lacks and a new pod gets, where it is to be evicted
	Text   string   // in words
}

// Evict reports whether the pod is to be evicted.
func (v Verdict) Evict() bool { return v.Reason == "" }

// leave leaves a pod alone. What is known of the cause comes after what the reason means.
func leave(reason Reason, detail string) Verdict {
	text := reason.Says()
	if detail != "" {
		text += " (" + detail + ")"
	}
	return Verdict{Reason: reason, Text: text}
}

// builtIn are the kinds of Kubernetes itself that make their pods anew. A Job counts the evicted pod as a failed one.
// Other kinds may do so, or take the loss of a pod for the end of their work.
var builtIn = []schema.GroupKind{
	{Group: "apps", Kind: "ReplicaSet"}, {Group: "apps", Kind: "StatefulSet"}, {Group: "apps", Kind: "DaemonSet"},
	{Group: "batch", Kind: "Job"}, {Kind: "ReplicationController"},
}

// Decide decides on one pod, without regard to what was evicted before; see History.
func Decide(in Input) Verdict {
	if v := ofThePod(in); v.Reason != "" {
		return v
	}
	switch ns := in.Namespace; {
	case ns == nil:
		return leave(NamespaceGoing, "not known yet")
	case ns.Terminating:
		return leave(NamespaceGoing, "being deleted")
	case ns.KeepsPods:
		return leave(OptedOut, "the namespace's "+cluster.AnnotationEvict)
	case ns.Excluded:
		return leave(OptedOut, "the namespace's "+cluster.AnnotationExclude)
	case in.Status.Policy == nil:
		return leave(PolicyUnknown, in.Status.Unknown)
	}
	return ofTheNames(in)
}

// ofThePod decides on what the pod itself tells.
func ofThePod(in Input) Verdict {
	pod := in.Pod
	switch {
	case pod.Deleting:
		return leave(BeingDeleted, "")
	case pod.Phase != "Pending" || pod.Waits == "":
		return leave(NotStuck, "")
	case pod.Mirror || pod.Controller == nil || pod.Controller.GroupKind == schema.GroupKind{Kind: "Node"}:
		return leave(NoController, "")
	case !slices.Contains(builtIn, pod.Controller.GroupKind) && !slices.Contains(in.Owners, pod.Controller.GroupKind):
		return leave(OtherController, pod.Controller.GroupKind.String())
	case pod.Kept:
		return leave(OptedOut, "the pod's "+cluster.AnnotationEvict)
	case pod.Excluded:
		return leave(OptedOut, "the pod's "+cluster.AnnotationExclude)
	}
	return Verdict{}
}

// ofTheNames decides on the names that the policy gives to pods like this one. One that it lacks and a new pod would get is
// enough: the others do not come sooner if it waits.
func ofTheNames(in Input) Verdict {
	if in.Account == nil { // without it, no new pod can be created
		return leave(AccountUnknown, in.Pod.Account)
	}
	names := in.given()
	if len(names) == 0 {
		return leave(NoRule, "service account "+in.Pod.Account)
	}
	var added []string
	for _, n := range names {
		if n.byPods {
			added = append(added, n.name)
		}
	}
	var gets []string
	var first Verdict // of what is in the way
	for _, n := range names {
		if slices.Contains(in.Pod.PullSecrets, n.name) {
			continue
		}
		if v := in.successor(n, added); v.Reason == "" {
			gets = append(gets, n.name)
		} else if first.Reason == "" {
			first = v
		}
	}
	switch {
	case len(gets) > 0:
		return Verdict{Names: gets, Text: "it lacks " + strings.Join(gets, ", ") + ", which a new pod gets"}
	case first.Reason != "":
		return first
	}
	return leave(LacksNothing, "")
}

// name is a pull secret's name that the policy gives to pods like the one that is decided on.
type name struct {
	name   string
	byPods bool // the API server adds it to each new pod; otherwise a pod gets it from its account
}

// given are the names of the rules, each once. Where both ways give one, a pod gets it in any case.
func (in Input) given() (names []name) {
	inputs := policy.Inputs{Namespace: in.Namespace, Attached: func(rule *policy.Rule) policy.Attached {
		if in.Status.attachedToPods(rule) {
			return policy.ToPods
		}
		return policy.ToAccounts
	}}
	inputs.Accounts = []*cluster.ServiceAccount{in.Account}
	desired := in.Status.Policy.Desired(inputs)
	for _, n := range desired.PodNames(in.Pod.Account) {
		if in.Status.attachedToPods(n.Rule) {
			names = append(names, name{n.Name, true})
		}
	}
	for _, account := range desired.Accounts {
		for _, n := range account.Names {
			if !n.Keep && !slices.Contains(names, name{n.Name, true}) {
				names = append(names, name{n.Name, false})
			}
		}
	}
	return names
}

// successor says what keeps a new pod from getting a name and pulling with it; no reason where nothing does.
func (in Input) successor(n name, added []string) Verdict {
	if !n.byPods {
		switch {
		case in.ownList(added):
			return leave(OwnList, "")
		case !slices.Contains(in.Account.PullSecrets, n.name):
			return leave(AccountLacks, n.name)
		}
	}
	switch there, known := in.Status.Totals.Place(in.Pod.Namespace, n.name); {
	case !known:
		return leave(CopyUnknown, n.name)
	case !there:
		return leave(CopyMissing, n.name)
	}
	return Verdict{}
}

// ownList reports whether the pod names pull secrets itself, and so inherits none. One that inherited its list was given what
// its account had; it cannot be told from one that names some of these itself, whose successor then lacks the name again.
// Those that the API server adds to pods are not its own.
func (in Input) ownList(added []string) bool {
	return slices.ContainsFunc(in.Pod.PullSecrets, func(name string) bool {
		return !slices.Contains(in.Account.PullSecrets, name) && !slices.Contains(added, name)
	})
}
