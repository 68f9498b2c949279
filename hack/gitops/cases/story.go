package cases

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// story is one tool, with the controller next to it, from the first commit on.
type story struct {
	*Cluster
	ctx       context.Context
	kind      Kind
	tool      Tool
	admission bool
	prefix    string
	git       git
	passwords map[string]string // that the copies have, also when git has no source
	status    string            // of the policy once all is done; empty where it changes all the time
	record    *record
	began     int // the first event of the case
	program   *controller
	out       *Outcomes
}

// Tell has each tool live through all cases, without and with admission.
func Tell(t *testing.T, kinds []Kind) *Outcomes {
	binary := NewCluster(t).Program()
	out := &Outcomes{untold: 2 * len(kinds)}
	for _, admission := range []bool{false, true} {
		t.Run(map[bool]string{false: "without admission", true: "with admission"}[admission], func(t *testing.T) {
			if admission {
				NewCluster(t).component(t.Context())
			}
			for _, kind := range kinds {
				t.Run(kind.Name, func(t *testing.T) { tell(t, kind, admission, binary, out) })
			}
		})
	}
	return out
}

func tell(t *testing.T, kind Kind, admission bool, binary string, out *Outcomes) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &story{
		Cluster: NewCluster(t), ctx: ctx, kind: kind, admission: admission, out: out, status: "Ready",
		prefix: fmt.Sprintf("g%x-", time.Now().UnixNano()&0xffffff), passwords: map[string]string{},
	}
	t.Cleanup(func() {
		s.forget(ctx, s.prefix)
		cancel()
	})
	s.empty(ctx)
	s.record = s.Cluster.record(ctx, s.prefix)
	var args []string
	if admission {
		args = append(args, "-admission")
	}
	s.program = s.controller(binary, args...)
	s.tool = kind.New(s.Cluster)
	for _, happens := range []func(){
		s.install, s.anAccountWithoutAList, s.anAccountWithAList, s.theSnippet, s.aNamespaceComes, s.thePolicyIsEdited,
		s.theSourceIsReplaced, s.thePolicyIsPruned,
	} {
		s.began = s.record.len()
		happens()
	}
	out.untold--
}

func (s *story) ns(short string) string { return s.prefix + short }

// install brings the policy, its sources and a namespace; what comes after it finds the policy in force.
func (s *story) install() {
	s.T.Helper()
	s.git = git{names: []string{"hub"}, sources: map[string]string{}, namespaces: []string{s.ns("a")}}
	s.rotate("hub", "one")
	s.rotate("ghcr", "one")
	s.rotate("theirs", "one")
	s.commit()
	if s.admission {
		s.promised(s.ctx, s.ns("a"), s.git.names)
	}
}

func (s *story) rotate(name, password string) {
	s.git.sources = maps.Clone(s.git.sources)
	s.git.sources[name], s.passwords[name] = password, password
}

func (s *story) anAccountWithoutAList() {
	s.T.Helper()
	a := account{namespace: s.ns("a"), name: "plain"}
	s.git = s.git.with(a)
	s.commit()
	s.steady("an account without a list in git", a)
}

func (s *story) anAccountWithAList() {
	s.T.Helper()
	a := account{namespace: s.ns("a"), name: "listed", list: []string{"theirs"}}
	s.git = s.git.with(a)
	if s.kind.OwnsDefault {
		s.git = s.git.with(account{namespace: s.ns("a"), name: "default", list: []string{"theirs"}})
	}
	if !s.admission {
		s.status = ""
	}
	s.commit()
	s.steady("an account with a list in git", a)
	s.status = "Ready"
	if s.admission && s.kind.Applier != "" {
		s.wantNoDiff()
	}
}

// wantNoDiff has kubectl ask the API server as well.
func (s *story) wantNoDiff() {
	s.T.Helper()
	objects := s.git.objects(s.prefix)
	if _, err := s.tool.Pass(s.ctx, objects); err != nil { // which puts the tool's own marks on them
		s.T.Fatal(err)
	}
	var manifest strings.Builder
	for _, u := range objects {
		text, err := yaml.Marshal(u)
		must(s.T, err)
		fmt.Fprintf(&manifest, "---\n%s", text)
	}
	out, err := s.Kubectl(manifest.String(), "diff", "--server-side", "--field-manager", s.kind.Applier, "-f", "-")
	if err != nil || out != "" {
		s.T.Errorf("kubectl diff --server-side shows (%v):\n%s", err, out)
	}
}

// theSnippet ends what is left of a fight as the documentation says. What others deliver meanwhile, which makes the
// tool apply everything, must not bring it back.
func (s *story) theSnippet() {
	s.T.Helper()
	name := "the same, with the list left out of git and its names in the policy"
	if s.kind.Snippet != "" {
		name = "the same, with `" + s.kind.Snippet + "`"
	}
	if s.admission && !s.kind.SeesItsOwnListOnly {
		s.out.add(s.kind.Name, name, s.admission, Outcome{Drift: notNeeded})
		return
	}
	if s.kind.Snippet != "" {
		s.tool.Configure()
	} else {
		s.git = s.git.withNames("hub", "theirs").withoutLists()
	}
	s.program.restart()
	s.commit()
	s.began = s.record.len()
	names := s.git.names
	s.git = s.git.withNames(append(slices.Clone(names), "ghcr")...)
	s.commit()
	s.git = s.git.withNames(names...)
	s.commit()
	s.steady(name, account{namespace: s.ns("a"), name: "listed"})
}

func (s *story) aNamespaceComes() {
	s.T.Helper()
	s.git.namespaces = append(slices.Clone(s.git.namespaces), s.ns("b"))
	plain := account{namespace: s.ns("b"), name: "plain"}
	s.git = s.git.with(plain, account{namespace: s.ns("b"), name: "listed", list: s.git.declared()})
	s.commit()
	s.steady("a namespace comes, with accounts", plain)
}

func (s *story) thePolicyIsEdited() {
	s.T.Helper()
	s.git = s.git.withNames(append(slices.Clone(s.git.names), "ghcr")...)
	s.commit()
	s.steady("the policy is edited", account{})
}

func (s *story) theSourceIsReplaced() {
	s.T.Helper()
	old := s.git
	s.git.sources = maps.Clone(s.git.sources)
	delete(s.git.sources, "hub")
	s.status = "Degraded"
	s.commit()
	s.gone(source("hub", ""))
	s.steady("a source is deleted", account{})
	s.began = s.record.len()
	s.git = old
	s.rotate("hub", "two")
	s.status = "Ready"
	s.commit()
	s.steady("and is created anew", account{})
}

func (s *story) thePolicyIsPruned() {
	s.T.Helper()
	s.git.noPolicy = true
	s.commit()
	s.gone(s.git.policy(s.prefix))
	s.steady("the policy is pruned by mistake", account{})
	s.began = s.record.len()
	s.git.noPolicy = false
	s.commit()
	s.steady("and comes back", account{})
}

// commit has the tool bring a new revision of git to the cluster, and waits until everybody is done with it.
func (s *story) commit() {
	s.T.Helper()
	if _, err := s.tool.Pass(s.ctx, s.git.objects(s.prefix)); err != nil {
		s.T.Fatalf("applying a commit: %v", err)
	}
	s.settled()
}

func (s *story) gone(u *unstructured.Unstructured) {
	s.T.Helper()
	if live, err := s.Get(s.ctx, u); err != nil || live != nil {
		s.T.Fatalf("the tool did not prune %s (%v)", ID(u), err)
	}
}

// settled waits until each account has the names of git and of the policy, each namespace its copies, the policy its
// status, and nobody writes any more.
func (s *story) settled() {
	s.T.Helper()
	s.eventually("all is as it should be", func() error {
		for _, ns := range s.git.namespaces {
			for _, name := range s.git.names {
				if err := s.checkCopy(ns, name); err != nil {
					return err
				}
			}
			if err := s.checkAccount(s.git.account(ns, "default")); err != nil {
				return err
			}
		}
		for _, a := range s.git.accounts {
			if err := s.checkAccount(a); err != nil {
				return err
			}
		}
		return s.checkStatus()
	})
	must(s.T, s.record.quiet(quietFor))
}

func (s *story) checkCopy(ns, name string) error {
	u, err := s.Get(s.ctx, Object("v1", "Secret", ns, name))
	if err != nil || u == nil {
		return fmt.Errorf("no copy %s in %s: %w", name, ns, err)
	}
	if got, _, _ := unstructured.NestedString(u.Object, "data", ".dockerconfigjson"); got != content(name, s.passwords[name]) {
		return fmt.Errorf("copy %s in %s has other content", name, ns)
	}
	if owners := u.GetManagedFields(); len(owners) != 1 || owners[0].Manager != "pullsecrets" {
		return fmt.Errorf("copy %s in %s has other owners: %v", name, ns, owners)
	}
	return nil
}

func (s *story) checkAccount(a account) error {
	u, err := s.Get(s.ctx, Object("v1", "ServiceAccount", a.namespace, a.name))
	if err != nil || u == nil {
		return fmt.Errorf("no account %s: %w", a.id(), err)
	}
	want := append(slices.Clone(s.git.names), a.list...)
	slices.Sort(want)
	if got := slices.Sorted(slices.Values(listOf(u))); !slices.Equal(got, slices.Compact(want)) {
		return fmt.Errorf("account %s has %v, want %v", a.id(), got, want)
	}
	return nil
}

func (s *story) checkStatus() error {
	if s.status == "" || s.git.noPolicy {
		return nil
	}
	u, err := s.Get(s.ctx, s.git.policy(s.prefix))
	if err != nil || u == nil {
		return fmt.Errorf("no policy: %w", err)
	}
	if a := u.GetAnnotations(); !strings.HasPrefix(a["pullsecrets/status"], s.status) {
		return fmt.Errorf("the policy is %s: %s", a["pullsecrets/status"], a["pullsecrets/message"])
	}
	return nil
}
