package decide

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

const rules = `
- {name: hub, secrets: [{source: {name: reg}}], namespaces: {include: [team-*]}}
- {name: more, secrets: [{source: {name: other}}, {source: {name: reg}}], namespaces: {include: [team-a]}}
- {name: pods, attach: pods, secrets: [{source: {name: direct}}], namespaces: {include: [pods-*]}}
- {name: late, secrets: [{source: {name: late}}], namespaces: {include: [pods-team]}}
`

func parse(t *testing.T, rules string) *policy.Policy {
	t.Helper()
	p, problems := policy.Parse(documents(rules), policy.Options{Namespace: "home"})
	if p == nil {
		t.Fatal(problems)
	}
	return p
}

func documents(rules string) map[string]string {
	return map[string]string{"policy.yaml": "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:" + rules}
}

// stuck is a pod of a Deployment that was created before its account had the name reg, which it has by now.
func stuck(t *testing.T) Input {
	return Input{
		Pod: &cluster.Pod{
			Meta: cluster.Meta{Namespace: "team-a", Name: "web-1", UID: "pod-1"}, Phase: "Pending", Account: "default",
			Waits: "ImagePullBackOff", Container: "web",
			Controller: &cluster.Controller{GroupKind: schema.GroupKind{Group: "apps", Kind: "ReplicaSet"}, Name: "web", UID: "set-1"},
		},
		Namespace: &cluster.Namespace{Meta: cluster.Meta{Name: "team-a"}},
		Account:   &cluster.ServiceAccount{Meta: cluster.Meta{Namespace: "team-a", Name: "default"}, PullSecrets: []string{"reg"}},
		Status:    Status{Policy: parse(t, rules)},
	}
}

// inPods moves the pod to a namespace where a rule attaches to pods, and the API server does that.
func inPods(in *Input) {
	in.Namespace.Name, in.Pod.Namespace = "pods-a", "pods-a"
	in.Account.PullSecrets = nil
	in.Status.Attached = status.Attachment{Pods: []string{"pods"}}
}

func lacks(namespace string, cut bool, names ...string) (t status.Totals) {
	for _, name := range names {
		t.Missing = append(t.Missing, status.MissingCopy{Name: name, Namespaces: []string{namespace}, Cut: cut})
	}
	return t
}

func TestWhichPodsAreEvicted(t *testing.T) {
	for _, c := range []struct {
		why    string
		change func(*Input)
		want   string // a reason, or the names that a new pod gets
	}{
		{"it was created before its account had the name", func(*Input) {}, "reg"},
		{"the first try just failed", func(in *Input) { in.Pod.Waits = "ErrImagePull" }, "reg"},
		{"two names came later", func(in *Input) { in.Account.PullSecrets = []string{"reg", "other"} }, "reg other"},
		{"it inherited what its account had then", func(in *Input) {
			in.Account.PullSecrets, in.Pod.PullSecrets = []string{"own", "reg"}, []string{"own"}
		}, "reg"},
		{"of two names one would come", func(in *Input) { in.Status.Totals = lacks("team-a", false, "other") }, "reg"},

		{"it runs", func(in *Input) { in.Pod.Phase = "Running" }, "NotStuck"},
		{"it waits for something else", func(in *Input) { in.Pod.Waits = "" }, "NotStuck"},
		{"it is being deleted", func(in *Input) { in.Pod.Deleting = true }, "BeingDeleted"},
		{"it is a bare pod", func(in *Input) { in.Pod.Controller = nil }, "NoController"},
		{"a node runs it from a file", func(in *Input) { in.Pod.Mirror = true }, "NoController"},
		{"its owner is a node", func(in *Input) { in.Pod.Controller.GroupKind = schema.GroupKind{Kind: "Node"} }, "NoController"},
		{"a TaskRun would fail without it", func(in *Input) {
			in.Pod.Controller.GroupKind = schema.GroupKind{Group: "tekton.dev", Kind: "TaskRun"}
		}, "OtherController"},
		{"a kind of the same name of another group", func(in *Input) { in.Pod.Controller.Group = "apps.kruise.io" }, "OtherController"},
		{"that kind was named", func(in *Input) {
			in.Pod.Controller.Group = "apps.kruise.io"
			in.Owners = []schema.GroupKind{{Group: "apps.kruise.io", Kind: "ReplicaSet"}}
		}, "reg"},
		{"a DaemonSet", func(in *Input) { in.Pod.Controller.Kind = "DaemonSet" }, "reg"},
		{"a StatefulSet", func(in *Input) { in.Pod.Controller.Kind = "StatefulSet" }, "reg"},
		{"a Job", func(in *Input) { in.Pod.Controller.GroupKind = schema.GroupKind{Group: "batch", Kind: "Job"} }, "reg"},
		{"a ReplicationController", func(in *Input) {
			in.Pod.Controller.GroupKind = schema.GroupKind{Kind: "ReplicationController"}
		}, "reg"},
		{"its annotation forbids it", func(in *Input) { in.Pod.Kept = true }, "OptedOut"},
		{"its annotation opts it out of all rules", func(in *Input) { in.Pod.Excluded = true }, "OptedOut"},
		{"its namespace's annotation forbids it", func(in *Input) { in.Namespace.KeepsPods = true }, "OptedOut"},
		{"its namespace is opted out of all rules", func(in *Input) { in.Namespace.Excluded = true }, "OptedOut"},
		{"its account is opted out of all rules", func(in *Input) { in.Account.Excluded = true }, "NoRule"},
		{"its namespace is being deleted", func(in *Input) { in.Namespace.Terminating = true }, "NamespaceGoing"},
		{"its namespace is not known", func(in *Input) { in.Namespace = nil }, "NamespaceGoing"},
		{"its account is not known", func(in *Input) { in.Account = nil }, "AccountUnknown"},
		{"the policy is not known", func(in *Input) { in.Status = Status{Unknown: "why"} }, "PolicyUnknown"},
		{"no rule selects its namespace", func(in *Input) { in.Namespace.Name = "kube-system" }, "NoRule"},
		{"no rule selects its account", func(in *Input) { in.Pod.Account, in.Account.Name = "builder", "builder" }, "NoRule"},
		{"it has all that its account has", func(in *Input) {
			in.Pod.PullSecrets, in.Account.PullSecrets = []string{"reg", "other"}, []string{"reg", "other"}
		}, "LacksNothing"},
		{"it has a list of its own", func(in *Input) { in.Pod.PullSecrets = []string{"own"} }, "OwnList"},
		{"its account lacks the name too", func(in *Input) { in.Account.PullSecrets = nil }, "AccountLacks"},
		{"its account has a name that no rule gives", func(in *Input) { in.Account.PullSecrets = []string{"own"} }, "AccountLacks"},
		{"the copy is not there", func(in *Input) { in.Status.Totals = lacks("team-a", false, "reg") }, "CopyMissing"},
		{"the copy is not there elsewhere", func(in *Input) { in.Status.Totals = lacks("team-b", false, "reg") }, "reg"},
		{"the copy is not there in too many namespaces", func(in *Input) { in.Status.Totals = lacks("team-b", true, "reg") }, "CopyUnknown"},
		{"too many copies are not there", func(in *Input) { in.Status.Totals.MissingCut = true }, "CopyUnknown"},

		{"the API server gives the name to new pods, whatever the account has", inPods, "direct"},
		{"so it does to pods with a list of their own", func(in *Input) {
			inPods(in)
			in.Pod.PullSecrets = []string{"own"}
		}, "direct"},
		{"so it does where the account is opted out", func(in *Input) {
			inPods(in)
			in.Account.Excluded = true
		}, "direct"},
		{"it does not do so, and the account does not have the name yet", func(in *Input) {
			inPods(in)
			in.Status.Attached = status.Attachment{}
		}, "AccountLacks"},
		{"it does not do so, and the account has the name", func(in *Input) {
			inPods(in)
			in.Status.Attached, in.Account.PullSecrets = status.Attachment{}, []string{"direct"}
		}, "direct"},
		{"it gives the name to pods of other accounts", func(in *Input) {
			inPods(in)
			in.Pod.Account, in.Account.Name = "builder", "builder"
		}, "NoRule"},
		{"without its account nothing makes it anew", func(in *Input) {
			inPods(in)
			in.Account = nil
		}, "AccountUnknown"},
		{"what the API server added is not its own list", func(in *Input) {
			inPods(in)
			in.Namespace.Name, in.Pod.Namespace = "pods-team", "pods-team"
			in.Pod.PullSecrets, in.Account.PullSecrets = []string{"direct"}, []string{"late"}
		}, "late"},
		{"it gave the name, and the pull failed for another reason", func(in *Input) {
			inPods(in)
			in.Pod.PullSecrets = []string{"direct"}
		}, "LacksNothing"},
	} {
		in := stuck(t)
		c.change(&in)
		got := Decide(in)
		text := string(got.Reason)
		if got.Evict() {
			text = strings.Join(got.Names, " ")
		}
		if text != c.want || got.Text == "" {
			t.Errorf("%s: %s (%s), want %s", c.why, text, got.Text, c.want)
		}
	}
}

func TestEachReasonHasAMeaning(t *testing.T) {
	seen := map[Reason]bool{}
	for _, m := range Meanings {
		if m.Says == "" || seen[m.Reason] {
			t.Errorf("%s is there twice, or says nothing", m.Reason)
		}
		seen[m.Reason] = true
	}
	if Reason("Odd").Says() != "Odd" {
		t.Error("a reason without a meaning says nothing at all")
	}
}

func TestWhatTheStatusTells(t *testing.T) {
	packed := func(rules string) []byte {
		text, err := status.PackPolicy(documents(rules))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	const elsewhere = "\n- {name: hub, secrets: [{source: {name: reg, namespace: vault}}]}\n"
	of := func(rules, rolledOut string, policyKey []byte) *cluster.ConfigMap {
		record, err := status.Record{Status: status.Ready, RolledOut: rolledOut, Totals: lacks("a", false, "reg")}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return &cluster.ConfigMap{Data: map[string]string{status.KeyRecord: record}, BinaryData: map[string][]byte{status.KeyPolicy: policyKey}}
	}
	hash := policy.Hash(documents(rules))
	for _, c := range []struct {
		why     string
		cm      *cluster.ConfigMap
		unknown string
	}{
		{"all is well", of(rules, hash, packed(rules)), ""},
		{"there is none", nil, "there is no status ConfigMap"},
		{"a new text is saved, and not yet in force everywhere", of(rules, "sha256:other", packed(rules)), "rolling the policy out"},
		{"an earlier version wrote it", of(rules, "", packed(rules)), "rolling the policy out"},
		{"the policy is given with flags", of(rules, hash, nil), "has no policy"},
		{"somebody edited it", of(rules, hash, []byte("odd")), "cannot be read"},
		{"a source in a namespace that is not named here", of(elsewhere, policy.Hash(documents(elsewhere)), packed(elsewhere)), "-source-namespaces"},
	} {
		got := Status{}.Read(c.cm, policy.Options{Namespace: "home"})
		if (got.Policy != nil) != (c.unknown == "") || !strings.Contains(got.Unknown, c.unknown) {
			t.Errorf("%s: policy %v, %q", c.why, got.Policy != nil, got.Unknown)
		}
		if c.unknown == "" {
			if there, _ := got.Totals.Place("a", "reg"); there {
				t.Error("what is missing is not read")
			}
		}
	}
	first := Status{}.Read(of(rules, hash, packed(rules)), policy.Options{Namespace: "home"})
	lost := first.Read(nil, policy.Options{Namespace: "home"})
	again := lost.Read(of(rules, hash, packed(rules)), policy.Options{Namespace: "home"})
	if lost.Policy != nil || !cmp.Equal(first.Policy.CopyNames(), again.Policy.CopyNames()) || first.Policy != again.Policy {
		t.Error("the same text is parsed again, or the policy is gone by without a status")
	}
}
