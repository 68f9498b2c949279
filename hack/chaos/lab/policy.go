package lab

import (
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// Rule is a rule as the policy has it, and what it comes to, in words that need no evaluation.
type Rule struct {
	Source, Copy string
	text         string           // how the rule goes on after its secrets
	selects      func(i int) bool // by the number of the namespace
	accounts     []string
}

// Policy is the rules of a text.
type Policy []Rule

var (
	hub   = Rule{"hub", "chaos-hub", `namespaces: {include: ["chaos-*"]}`, func(int) bool { return true }, []string{"default"}}
	team1 = Rule{"team", "chaos-team", `namespaces: {include: ["chaos-*"], selector: {matchLabels: {team: a}}}
  serviceAccounts: {include: ["*"]}`, func(i int) bool { return i%2 == 0 }, accounts}
	team2 = Rule{"team", "chaos-team", `namespaces: {include: ["chaos-*"], selector: {matchLabels: {team: a}}}
  serviceAccounts: {include: [builder]}`, func(i int) bool { return i%2 == 0 }, []string{"builder"}}
	build1 = Rule{"build", "chaos-build", `namespaces: {include: ["chaos-*"], exclude: ["chaos-*7"]}
  serviceAccounts: {include: ["build*"]}`, func(i int) bool { return i%10 != 7 }, []string{"builder"}}
	build2 = Rule{"build", "chaos-build", `namespaces: {include: ["chaos-*"], exclude: ["chaos-*3"]}
  serviceAccounts: {include: ["build*"]}`, func(i int) bool { return i%10 != 3 }, []string{"builder"}}
)

// The policies of a lab.
var (
	Base   = Policy{hub, team1, build1} // three rules
	Edited = Policy{hub, team2, build2} // two of them changed: accounts of one, namespaces of the other
	Pruned = Policy{build1}             // two of them gone, which is more than is removed without being asked
)

// Sources are the names of the three sources.
var Sources = []string{"hub", "team", "build"}

// copies are the names of all copies that any policy has.
var copies = []string{"chaos-hub", "chaos-team", "chaos-build"}

// Apply edits the policy. It is an edit of its own each time, by its revision.
func (l *Lab) Apply(p Policy) error {
	l.mu.Lock()
	l.revision++
	revision := fmt.Sprintf("r%d", l.revision)
	l.mu.Unlock()
	var text strings.Builder
	text.WriteString("apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n")
	for _, r := range p {
		fmt.Fprintf(&text, "- name: %s\n  secrets: [{source: {name: %s}, name: %s}]\n  %s\n", r.Source, r.Source, r.Copy, r.text)
	}
	if err := l.takeBackConfirmation(); err != nil {
		return err
	}
	u := api.Object("v1", "ConfigMap", api.Home, "pullsecrets-policy")
	u.SetAnnotations(map[string]string{"pullsecrets/revision": revision})
	u.Object["data"] = map[string]any{"policy.yaml": text.String()}
	_, err := l.Client.Resource(api.ConfigMaps).Namespace(api.Home).Apply(l.ctx, u.GetName(), u, metav1.ApplyOptions{FieldManager: "chaos", Force: true})
	if err == nil {
		l.mu.Lock()
		l.policies = append(l.policies, slices.Clone(p))
		l.mu.Unlock()
	}
	return err
}

// takeBackConfirmation takes an earlier one away, if there is one: it counts once, and so the same text could not be confirmed
// again.
func (l *Lab) takeBackConfirmation() error {
	_, err := l.Client.Resource(api.ConfigMaps).Namespace(api.Home).Patch(l.ctx, "pullsecrets-policy", types.MergePatchType,
		[]byte(`{"metadata":{"annotations":{"pullsecrets/confirm-prune":null}}}`), metav1.PatchOptions{FieldManager: "chaos"})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// Rotate gives a source another password.
func (l *Lab) Rotate(source, password string) error {
	u := api.Secret(api.Home, source, api.Credential(source+".example.com", password))
	_, err := l.Client.Resource(api.Secrets).Namespace(api.Home).Apply(l.ctx, source, u, metav1.ApplyOptions{FieldManager: "chaos", Force: true})
	if err == nil {
		l.mu.Lock()
		l.password[source] = password
		l.mu.Unlock()
	}
	return err
}

// RotateAll gives all sources another password.
func (l *Lab) RotateAll(password string) error {
	for _, source := range Sources {
		if err := l.Rotate(source, password); err != nil {
			return err
		}
	}
	return nil
}

// Confirm waits until the removals of a policy are held, and returns what confirms them.
func (l *Lab) Confirm() (confirm func() error, err error) {
	var held string
	err = l.await("the prune is held", func() error {
		said, err := l.said()
		if err != nil {
			return err
		}
		if held = said["pullsecrets/held-prune"]; held == "" || said["pullsecrets/observed-revision"] != said["pullsecrets/revision"] {
			return fmt.Errorf("it says %q", said["pullsecrets/message"])
		}
		return nil
	})
	return func() error {
		_, err := l.Client.Resource(api.ConfigMaps).Namespace(api.Home).Patch(l.ctx, "pullsecrets-policy", types.MergePatchType,
			fmt.Appendf(nil, `{"metadata":{"annotations":{"pullsecrets/confirm-prune":%q}}}`, held), metav1.PatchOptions{FieldManager: "chaos"})
		return err
	}, err
}

// said is the annotations of the policy: what the program last said of it.
func (l *Lab) said() (map[string]string, error) {
	u, err := l.Client.Resource(api.ConfigMaps).Namespace(api.Home).Get(l.ctx, "pullsecrets-policy", metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return u.GetAnnotations(), nil
}

// Status is what the program says of the text that is in force: its state, with the reasons of problems that it names, such as
// Degraded (WriteFailed); empty while it has not judged that text.
func (l *Lab) Status() (state, message string, err error) {
	said, err := l.said()
	if err != nil || said["pullsecrets/observed-revision"] != said["pullsecrets/revision"] {
		return "", "", err
	}
	return stateOf(said), said["pullsecrets/message"], nil
}

// Clear takes everything back that was distributed, and forgets policy and status. No program may be running.
func (l *Lab) Clear() error {
	for _, name := range []string{"pullsecrets-policy", "pullsecrets-status"} {
		err := l.Client.Resource(api.ConfigMaps).Namespace(api.Home).Delete(l.ctx, name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	l.mu.Lock()
	l.policies = nil
	l.mu.Unlock()
	v := l.witness.view()
	return l.each(func(_ int, ns string) error {
		for _, name := range copies {
			if v.secrets[ns+"/"+name].uid == "" {
				continue
			}
			err := l.Client.Resource(api.Secrets).Namespace(ns).Delete(l.ctx, name, metav1.DeleteOptions{})
			if err != nil && !apierrors.IsNotFound(err) {
				return err
			}
		}
		for _, account := range accounts {
			if err := l.editList(ns, account, true, func(list []string) []string { return without(list, copies) }); err != nil {
				return err
			}
		}
		return nil
	})
}

// editList changes a service account's list as somebody polite does: it is read, and written only if it did not change since.
// clear also takes our annotation off.
func (l *Lab) editList(ns, account string, clear bool, edit func([]string) []string) error {
	for {
		u, err := l.Client.Resource(api.Accounts).Namespace(ns).Get(l.ctx, account, metav1.GetOptions{})
		if err != nil {
			return err
		}
		before := api.PullSecrets(u)
		after := edit(slices.Clone(before))
		if slices.Equal(before, after) && !(clear && u.GetAnnotations()["pullsecrets/added"] != "") {
			return nil
		}
		setList(u, after)
		if clear {
			annotations := u.GetAnnotations()
			delete(annotations, "pullsecrets/added")
			u.SetAnnotations(annotations)
		}
		_, err = l.Client.Resource(api.Accounts).Namespace(ns).Update(l.ctx, u, metav1.UpdateOptions{FieldManager: "somebody"})
		if !apierrors.IsConflict(err) {
			return err
		}
	}
}

func without(list, names []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(name string) bool { return slices.Contains(names, name) })
}
