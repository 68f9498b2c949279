package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// earlier are states of the program that this one takes over from.
var earlier = []struct {
	commit, has string
	back        bool // it can take over from this one again
}{
	{"c2bebbb", "copies and ledgers that do not say which installation they are of", false},
	{"d4c6d64", "a status that names the first problems alone", true},
}

const (
	oneForAll = `
- name: hub
  secrets: [{source: {name: hub}, name: PREFIXreg}]
  namespaces: {include: ["PREFIX*"]}
  serviceAccounts: {include: [default, app]}
`
	twoForAll = `
- name: hub
  secrets: [{source: {name: hub}, name: PREFIXreg}, {source: {name: ghcr}, name: PREFIXghcr}]
  namespaces: {include: ["PREFIX*"]}
  serviceAccounts: {include: [default, app]}
`
)

// TestAnotherVersionTakesOver in the middle of a roll-out, and the earlier one again in the middle of a rotation. What the one
// before had sent arrives late. No entry is lost, no copy is made anew, and there is no fight.
func TestAnotherVersionTakesOver(t *testing.T) {
	for _, e := range earlier {
		t.Run(e.commit+" has "+e.has, func(t *testing.T) {
			binary := builtAt(t, e.commit)
			s := newUpgrade(t)
			old := s.replicaOf(binary, "the earlier version", 0)
			old.ready()
			s.Revised("Ready", oneForAll)
			s.want("+reg")
			copies := s.uids("reg")

			now := s.takesOver(old, 20, harness.Binary(t), "this version", func() { s.edit(twoForAll) })
			s.WantStatus("Ready")
			s.want("+reg", "+ghcr")
			for _, ns := range s.all {
				s.WantLedger(ns, "app", "ghcr", "reg")
			}
			s.same("reg", copies)
			s.rests()

			if e.back {
				copies = s.uids("reg", "ghcr")
				old = s.takesOver(now, 10, binary, "the earlier version again", func() { s.Source("hub", api.Credential("hub.example", "two")) })
				for _, ns := range s.all {
					s.WantCopy(ns, "reg", api.Credential("hub.example", "two"))
				}
				s.want("+reg", "+ghcr")
				s.same("reg", copies)
				s.same("ghcr", copies)
				s.rests()
				now = s.takesOver(old, 0, harness.Binary(t), "this version again", nil)
				s.rests()
			}

			s.edit(harness.NoRules)
			s.WantStatus("Degraded") // too much at once
			s.Confirm()
			for _, ns := range s.all {
				s.WantNothingOfOurs(ns, "default")
				s.WantList(ns, "app", "theirs")
				s.WantNoCopy(ns, "reg")
				s.WantNoCopy(ns, "ghcr")
			}
			now.stop()
			for _, r := range []*replica{old, now} {
				if lines := r.log.Lines(`"reason":"Contested"`); len(lines) > 0 {
					t.Errorf("%s fought: %q", r.name, lines)
				}
			}
		})
	}
}

// builtAt returns the program as it was at a commit.
func builtAt(t *testing.T, commit string) string {
	t.Helper()
	git := func(args ...string) *exec.Cmd {
		cmd := exec.Command("git", args...)
		cmd.Dir = "../.."
		return cmd
	}
	if err := git("cat-file", "-e", commit+"^{commit}").Run(); err != nil {
		t.Skipf("the history of this clone does not reach back to %s", commit)
	}
	folder := t.TempDir()
	archive := filepath.Join(folder, "tree.tar")
	for _, cmd := range []*exec.Cmd{git("archive", "--output", archive, commit), exec.Command("tar", "-xf", archive, "-C", folder)} {
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", cmd, err, out)
		}
	}
	binary := filepath.Join(folder, "program")
	build := exec.Command("go", "build", "-trimpath", "-o", binary, ".")
	build.Dir, build.Env = folder, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// upgrade is a cluster with namespaces in which somebody else has an entry too.
type upgrade struct {
	*sandbox
	all []string
}

func newUpgrade(t *testing.T) *upgrade {
	u := &upgrade{sandbox: newSandbox(t)}
	t.Cleanup(func() { // once all processes are gone
		err := u.Client.Resource(api.Leases).Namespace(api.Home).Delete(u.Ctx, "pullsecrets", metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Error(err)
		}
	})
	u.Source("hub", api.Credential("hub.example", "one"))
	u.Source("ghcr", api.Credential("ghcr.example", "one"))
	for i := range 20 {
		ns := u.Namespace(fmt.Sprintf("n%02d", i))
		app := api.Object("v1", "ServiceAccount", ns, "app")
		app.Object["imagePullSecrets"] = []any{map[string]any{"name": "theirs"}}
		u.Create(api.Accounts, app)
		u.all = append(u.all, ns)
	}
	return u
}

// edit puts rules into the policy, and waits for nothing.
func (u *upgrade) edit(rules string) {
	u.T.Helper()
	harness.Revisions++
	u.Policy(rules, fmt.Sprintf("pullsecrets/revision=r%d", harness.Revisions))
}

// takesOver has a process that writes end after so many writes of a change, with others on their way that arrive when the next
// process is there.
func (u *upgrade) takesOver(from *replica, writes int32, binary, name string, change func()) *replica {
	u.T.Helper()
	if change != nil {
		release := from.holdAfter(writes)
		defer release()
		change()
		u.Eventually("it is in the middle of that", func() error {
			from.mu.Lock()
			defer from.mu.Unlock()
			if from.stuck == 0 {
				return fmt.Errorf("%d writes so far", from.writes.Load())
			}
			return nil
		})
	}
	from.stop()
	to := u.replicaOf(binary, name, 0)
	to.ready()
	return to
}

// stop ends a replica as the kubelet does.
func (r *replica) stop() {
	r.s.T.Helper()
	r.signal(syscall.SIGTERM)
	r.exits()
}

// want waits until all accounts have these names of ours, and what was there before.
func (u *upgrade) want(names ...string) {
	u.T.Helper()
	for _, ns := range u.all {
		u.WantList(ns, "default", names...)
		u.WantList(ns, "app", append([]string{"theirs"}, names...)...)
	}
}

// uids are those of the copies, by what they are called.
func (u *upgrade) uids(short ...string) map[string]string {
	u.T.Helper()
	found := map[string]string{}
	for _, name := range short {
		for _, ns := range u.all {
			found[ns+"/"+name] = string(u.Get(api.Secrets, ns, u.Name(name)).GetUID())
		}
	}
	return found
}

// same checks that the copies are the same objects as before.
func (u *upgrade) same(short string, before map[string]string) {
	u.T.Helper()
	for name, uid := range u.uids(short) {
		if before[name] != uid {
			u.T.Errorf("the copy %s was made anew", name)
		}
	}
}

// rests checks that accounts and copies are not written any more.
func (u *upgrade) rests() {
	u.T.Helper()
	u.serves()
	before := u.versions()
	u.serves()
	for name, version := range u.versions() {
		if before[name] != version {
			u.T.Errorf("%s is written again and again", name)
		}
	}
}

// serves waits until a new namespace has what both sources give it, and so all that came before was worked on.
func (u *upgrade) serves() {
	u.T.Helper()
	harness.Revisions++
	u.WantList(u.Namespace(fmt.Sprintf("after-%d", harness.Revisions)), "default", "+reg", "+ghcr")
}

// versions are those of all copies and accounts.
func (u *upgrade) versions() map[string]string {
	u.T.Helper()
	found := map[string]string{}
	for _, ns := range u.all {
		accounts, err := u.Client.Resource(api.Accounts).Namespace(ns).List(u.Ctx, metav1.ListOptions{})
		harness.Must(u.T, err)
		secrets, err := u.Client.Resource(api.Secrets).Namespace(ns).List(u.Ctx, metav1.ListOptions{})
		harness.Must(u.T, err)
		for _, o := range append(accounts.Items, secrets.Items...) {
			found[ns+"/"+o.GetKind()+"/"+o.GetName()] = o.GetResourceVersion()
		}
	}
	return found
}
