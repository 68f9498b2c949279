package load

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/hack/chaos/table"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

var upgradeSize = flag.Int("upgraded", 300, "`NUMBER` of namespaces in which one version takes over from another")

// earlier are states of the program that this one takes over from. internal/e2e has them too, with writes of the one before that
// arrive late.
var earlier = []struct {
	commit, has string
	older       bool // its ledgers and copies do not say which installation they are of
	back        bool // it can take over from this one again
}{
	{"c2bebbb", "copies and ledgers do not say which installation they are of", true, false},
	{"d4c6d64", "the status names the first problems alone", false, true},
}

const upgradeKey = "upgrade"

// upgraded is what came of taking over from an earlier version.
type upgraded struct {
	Commit, Has  string
	Namespaces   int
	Takeovers    []string  // what was going on
	Right        []float64 // seconds from then until everything was right
	OlderLedgers int       // accounts whose ledger names no installation, as this version found them
	OlderCopies  int       // copies that do not
	Writes       int       // of copies and accounts, by all versions
	Needed       int
	Lost, Twice  int
	Fights       int // lines of the logs that tell of one
	Left         int // objects with something of ours when nothing was to be left
}

func commits() (all []string) {
	for _, e := range earlier {
		all = append(all, e.commit)
	}
	return all
}

// TestUpgrade has this version take over from an earlier one in the middle of a roll-out, and where that is possible the earlier one
// again in the middle of a rotation. The one that takes over stands by already, as when a Deployment is rolled.
func TestUpgrade(t *testing.T) {
	kubeconfig := os.Getenv("PULLSECRETS_TEST_KUBECONFIG")
	if kubeconfig == "" {
		t.Skip("PULLSECRETS_TEST_KUBECONFIG names no cluster: make load-test starts one")
	}
	for i, e := range earlier {
		t.Run(e.commit, func(t *testing.T) {
			old := builtAt(t, e.commit)
			l := newUpgrade(t, kubeconfig, fmt.Sprintf("up%d-", i))
			u := upgraded{Commit: e.commit, Has: e.has, Namespaces: *upgradeSize}
			now := l.binary
			began := l.requests()

			l.startOf(old)
			l.awaitRightAfter(t, &u, func() { l.edit("everything") })
			u.OlderCopies, u.OlderLedgers = l.olderForms()
			if e.older && (u.OlderCopies == 0 || u.OlderLedgers == 0) {
				t.Fatalf("%d copies and %d ledgers are of the older form", u.OlderCopies, u.OlderLedgers)
			}
			l.w.forgive() // copies that came are no copies made anew

			l.takesOver(t, &u, "roll-out of another copy", now, func() {
				l.mu.Lock()
				l.extra[0] = true
				l.mu.Unlock()
				l.edit("one more copy for all")
			}, func() int { return l.w.named(extraName(0)) })
			if e.back {
				l.takesOver(t, &u, "rotation, back to the earlier one", old, func() { l.check(l.rotateAll(4)) }, l.fresh)
				l.takesOver(t, &u, "rotation, this one again", now, func() { l.check(l.rotateAll(4)) }, l.fresh)
			}
			l.rest(t)
			u.Twice = l.w.madeAnew()
			var counts result
			counts.takeRequests(l.requests(), began, l.applied)
			u.Writes = counts.Writes
			u.Left = l.withdraw(t)
			u.Lost = l.w.lostOfOthers()
			u.Fights += l.fights()
			l.p.Stop()
			t.Logf("%+v", u)
			if u.Lost > 0 || u.Twice > 0 || u.Fights > 0 || u.Left > 0 {
				t.Errorf("%d lost, %d made twice, %d fights, %d left", u.Lost, u.Twice, u.Fights, u.Left)
			}
			if *update && !t.Failed() {
				saveUpgrade(t, u)
			}
		})
	}
}

// newUpgrade is a cluster with namespaces in which somebody else has an entry and a secret too.
func newUpgrade(t *testing.T, kubeconfig, prefix string) *lab {
	t.Helper()
	l := newLab(t, kubeconfig, prefix, size{namespaces: *upgradeSize, rules: 3})
	l.fill(l.size.namespaces, l.size.rules)
	l.must(api.Parallel(16, l.size.namespaces, func(i int) error {
		ns := l.ns(i)
		app := api.Object("v1", "ServiceAccount", ns, "app-theirs")
		app.Object["imagePullSecrets"] = []any{map[string]any{"name": "theirs"}}
		l.mu.Lock()
		l.also[ns+"/app-theirs"], l.theirs[ns+"/app-theirs"] = true, []string{"theirs"}
		l.mu.Unlock()
		if err := l.create(api.Accounts, app); err != nil {
			return err
		}
		return l.create(api.Secrets, api.Secret(ns, "theirs", api.Credential("theirs.example.com", "theirs")))
	}))
	l.must(l.rotateAll(8))
	clear(l.applied)
	ctx, cancel := context.WithCancel(l.ctx)
	t.Cleanup(cancel)
	l.w = l.witness(ctx)
	return l
}

// startOf starts a version in place of the one that runs.
func (l *lab) startOf(binary string) {
	l.t.Helper()
	l.p = start(l.whole, binary, os.Getenv("PULLSECRETS_TEST_KUBECONFIG"), "-leader-elect")
	l.p.ready()
}

// awaitRightAfter adds up what has to be written after a change, and waits until that is done.
func (l *lab) awaitRightAfter(t *testing.T, u *upgraded, change func()) {
	t.Helper()
	copies, accounts := map[string]string{}, map[string][]string{}
	if l.edited {
		copies, accounts = l.wanted()
	}
	change()
	l.edited = true
	l.awaitRight(t, measured{})
	u.Needed += needed(copies, accounts, l)
}

// takesOver makes a change, has another version take over when a third of it is done, and waits until all of it is.
func (l *lab) takesOver(t *testing.T, u *upgraded, what, binary string, change func(), done func() int) {
	t.Helper()
	from := l.p
	to := start(t, binary, os.Getenv("PULLSECRETS_TEST_KUBECONFIG"), "-leader-elect")
	to.ready()
	began := time.Now()
	l.awaitRightAfter(t, u, func() {
		before := done()
		change()
		l.until("it is in the middle of that", func() string {
			if n := done() - before; n < l.size.namespaces/3 {
				return fmt.Sprintf("%d so far", n)
			}
			return ""
		})
		u.Fights += l.fights()
		from.Stop()
		began = time.Now()
		l.p = to
	})
	u.Takeovers = append(u.Takeovers, what)
	u.Right = append(u.Right, time.Since(began).Seconds())
}

// fights are lines of the log that tell of one.
func (l *lab) fights() int {
	lines := l.p.Log.Lines(`"reason":"Contested"`)
	return len(lines)
}

// named is how many copies there are of a name.
func (w *witness) named(name string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for key := range w.copies {
		if strings.HasSuffix(key, "/"+name) {
			n++
		}
	}
	return n
}

// fresh is how many copies have been written so far.
func (l *lab) fresh() int {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return l.w.changes
}

// olderForms are how many copies do not say whom they are for, and how many ledgers name no installation.
func (l *lab) olderForms() (copies, ledgers int) {
	for i := range l.size.namespaces {
		secrets, err := l.client.Resource(api.Secrets).Namespace(l.ns(i)).List(l.ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/managed-by=pullsecrets"})
		l.must(err)
		for _, s := range secrets.Items {
			if s.GetAnnotations()["pullsecrets/for"] == "" {
				copies++
			}
		}
		accounts, err := l.client.Resource(api.Accounts).Namespace(l.ns(i)).List(l.ctx, metav1.ListOptions{})
		l.must(err)
		for _, a := range accounts.Items {
			if text := a.GetAnnotations()["pullsecrets/added"]; text != "" && !strings.Contains(text, ":") {
				ledgers++
			}
		}
	}
	return copies, ledgers
}

// withdraw has everything removed, which is too much at once and is confirmed, and returns on how many objects something is left.
func (l *lab) withdraw(t *testing.T) (left int) {
	l.applyPolicy("# of "+l.prefix+"\napiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules: []\n", "nothing in "+l.prefix)
	l.until("the prune is held", func() string {
		if state, current := l.status(); state != "Degraded" || !current {
			return state
		}
		return ""
	})
	u, err := l.client.Resource(api.ConfigMaps).Namespace(api.Home).Get(l.ctx, "pullsecrets-policy", metav1.GetOptions{})
	l.must(err)
	_, err = l.client.Resource(api.ConfigMaps).Namespace(api.Home).Patch(l.ctx, u.GetName(), types.MergePatchType,
		fmt.Appendf(nil, `{"metadata":{"annotations":{"pullsecrets/confirm-prune":%q}}}`, u.GetAnnotations()["pullsecrets/observed"]), metav1.PatchOptions{})
	l.must(err)
	l.until("nothing of ours is left", func() string {
		if state, current := l.status(); state != "Ready" || !current {
			return state
		}
		return ""
	})
	for i := range l.size.namespaces {
		secrets, err := l.client.Resource(api.Secrets).Namespace(l.ns(i)).List(l.ctx, metav1.ListOptions{})
		l.must(err)
		accounts, err := l.client.Resource(api.Accounts).Namespace(l.ns(i)).List(l.ctx, metav1.ListOptions{})
		l.must(err)
		if len(secrets.Items) != 1 { // theirs
			left++
		}
		for _, a := range accounts.Items {
			if !slices.Equal(api.PullSecrets(&a), append([]string{}, l.theirs[a.GetNamespace()+"/"+a.GetName()]...)) || a.GetAnnotations()["pullsecrets/added"] != "" {
				left++
			}
		}
	}
	return left
}

// builtAt returns the program as it was at a commit.
func builtAt(t *testing.T, commit string) string {
	t.Helper()
	root := "../../.."
	if err := exec.Command("git", "-C", root, "cat-file", "-e", commit+"^{commit}").Run(); err != nil {
		t.Skipf("the history of this clone does not reach back to %s", commit)
	}
	folder := t.TempDir()
	archive := filepath.Join(folder, "tree.tar")
	build := exec.Command("go", "build", "-trimpath", "-o", "program", ".")
	build.Dir, build.Env = folder, append(os.Environ(), "CGO_ENABLED=0")
	for _, cmd := range []*exec.Cmd{
		exec.Command("git", "-C", root, "archive", "--output", archive, commit), exec.Command("tar", "-xf", archive, "-C", folder), build,
	} {
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", cmd, err, out)
		}
	}
	return filepath.Join(folder, "program")
}

// saveUpgrade writes what came of it into the page and the file beside it.
func saveUpgrade(t *testing.T, newer upgraded) {
	t.Helper()
	all, err := table.Read[upgraded](upgradeKey)
	if err == nil {
		all = append(slices.DeleteFunc(all, func(u upgraded) bool { return u.Commit == newer.Commit }), newer)
		slices.SortFunc(all, func(a, b upgraded) int { return slices.Index(commits(), a.Commit) - slices.Index(commits(), b.Commit) })
		err = table.Save(upgradeKey, all)
	}
	if err == nil {
		err = table.Fill(upgradeKey, renderUpgrades(all))
	}
	if err != nil {
		t.Error(err)
	}
}

func renderUpgrades(all []upgraded) string {
	var cells [][]string
	for _, u := range all {
		var over []string
		for i, what := range u.Takeovers {
			over = append(over, fmt.Sprintf("%s: %s s", what, seconds(u.Right[i])))
		}
		older := "none"
		if u.OlderCopies+u.OlderLedgers > 0 {
			older = fmt.Sprintf("%d copies without `pullsecrets/for`, %d ledgers without a home", u.OlderCopies, u.OlderLedgers)
		}
		cells = append(cells, []string{"`" + u.Commit + "`: " + u.Has, fmt.Sprint(u.Namespaces), strings.Join(over, "; "), older,
			fmt.Sprint(u.Writes), fmt.Sprint(u.Needed), fmt.Sprint(u.Writes - u.Needed), fmt.Sprint(u.Lost), fmt.Sprint(u.Twice), fmt.Sprint(u.Fights), fmt.Sprint(u.Left)})
	}
	return table.Markdown([]string{"from the version at", "namespaces", "taken over in the middle of, right again after", "of the older form", "writes", "needed", "in vain",
		"lost", "made twice", "fights", "left after the last rule went"}, cells)
}
