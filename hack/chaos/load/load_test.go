package load

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

var (
	namespaces = flag.Int("namespaces", 500, "`NUMBER` of namespaces that are there")
	rules      = flag.Int("rules", 50, "`NUMBER` of rules of the policy")
	memory     = flag.Int64("memory", 0, "`MIB` of memory that the program may have, as a container's limit; 0 for none")
	update     = flag.Bool("update", false, "write docs/reliability.json and the tables of it")
)

// rows are what is measured, in this order.
var rows = []measured{
	{name: "rollout", what: "the policy comes to a cluster that has nothing of it"},
	{name: "edits", what: "the policy is edited every second for a minute, and a namespace comes every two", load: (*lab).edits},
	{name: "storm", what: "500 namespaces come in 10 s, while every credential is rotated", load: (*lab).storm},
	{name: "restart", what: "the program is started anew, and finds all as it should be", load: (*lab).restart},
	{name: "foreign", what: "secrets of others take the place of copies that all rules give out, with -admission", load: (*lab).foreign},
}

// TestLoad puts load on the program. The cluster is filled once, and by whichever row is the first.
func TestLoad(t *testing.T) {
	kubeconfig := os.Getenv("PULLSECRETS_TEST_KUBECONFIG")
	if kubeconfig == "" {
		t.Skip("PULLSECRETS_TEST_KUBECONFIG names no cluster: make load-test starts one")
	}
	if *namespaces < 20 || *rules < 2 {
		t.Fatalf("-namespaces %d -rules %d: at least 20 and 2 are needed", *namespaces, *rules)
	}
	ready := sync.OnceValue(func() *lab { return converged(t, kubeconfig) })
	played := 0
	for _, m := range rows {
		t.Run(m.name, func(t *testing.T) {
			played++
			l := ready()
			l.t = t
			r := l.rollout
			if m.load != nil {
				r = l.measure(t, m)
			} else if l.whole.Failed() { // it was measured before this row began
				t.Fatal("the roll-out failed")
			}
			if *update && !t.Failed() {
				save(t, r)
			}
		})
	}
	if played == 0 {
		t.Errorf("there is no row of this name, but %q", names())
	}
}

// converged is a cluster in which the program has just done what the policy says.
func converged(t *testing.T, kubeconfig string) *lab {
	t.Helper()
	l := newLab(t, kubeconfig, "load-", size{namespaces: *namespaces, rules: *rules, storm: 500, foreign: 115, edits: time.Minute})
	began := time.Now()
	l.fill(l.size.namespaces, l.size.rules)
	l.must(l.rotateAll(8))
	t.Logf("%d namespaces after %s", l.size.namespaces, time.Since(began).Round(time.Second))
	ctx, cancel := context.WithCancel(l.ctx)
	t.Cleanup(cancel)
	l.w = l.witness(ctx)
	teams := l.teams
	l.teams = nil // nothing of it is wanted before there is a policy
	l.start()
	l.rollout = l.measure(t, measured{name: rows[0].name, what: rows[0].what, load: func(l *lab, _ *result) {
		l.teams = teams
		l.edit("everything")
	}})
	return l
}

// newLab is a cluster that has nothing yet.
func newLab(t *testing.T, kubeconfig, prefix string, of size) *lab {
	t.Helper()
	config, client, err := api.Connect(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	return &lab{
		cluster: &cluster{t: t, ctx: context.Background(), config: config, client: client, prefix: prefix,
			teams: map[string]int{}, extra: map[int]bool{}, also: map[string]bool{}, theirs: map[string][]string{}, secret: map[string]int{}},
		size: of, applied: map[string]int{}, binary: build(t), whole: t,
	}
}

// start starts the program, and waits until it leads.
func (l *lab) start(args ...string) {
	l.p = start(l.whole, l.binary, os.Getenv("PULLSECRETS_TEST_KUBECONFIG"), append([]string{"-leader-elect"}, args...)...)
	l.p.ready()
}

// build builds the program as the image has it.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pullsecrets")
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, ".")
	cmd.Dir, cmd.Env = "../../..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// edit applies the policy as it is to be now.
func (l *lab) edit(comment string) {
	l.policy(l.size.rules, comment)
	l.applied["configmaps"]++
}

// rotateAll gives every source another credential, several at a time.
func (l *lab) rotateAll(workers int) error {
	names := sources(l.size.rules)
	l.applied["secrets"] += len(names)
	return api.Parallel(workers, len(names), func(i int) error { return l.rotate(names[i]) })
}

// edits has the policy edited every second: every other edit gives a team a second copy, the others change a comment. A
// namespace that comes meanwhile is served without waiting for it.
func (l *lab) edits(r *result) {
	births := l.births()
	seconds := int(l.size.edits / time.Second)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for i := range seconds {
		if i%2 == 0 {
			l.mu.Lock()
			l.extra[1+i/2%(l.size.rules-1)] = true
			l.mu.Unlock()
			births.bear(fmt.Sprintf("%sborn-%03d", l.prefix, i), l.size.rules-1)
		}
		l.edit(fmt.Sprintf("edit %d", i))
		<-tick.C
	}
	l.ended = time.Now()
	births.end(r)
}

// storm has 500 namespaces come in 10 s, and every credential rotated in that time. Meanwhile service accounts come in
// namespaces that were there before, and copies there are deleted: neither may wait for the end of it.
func (l *lab) storm(r *result) {
	births, accounts, copies := l.births(), l.births(), l.births()
	var wg sync.WaitGroup
	wg.Go(func() {
		names := sources(l.size.rules)
		l.applied["secrets"] += len(names)
		pace(10*time.Second, len(names), func(i int) { l.check(l.rotate(names[i])) })
	})
	wg.Go(func() {
		pace(10*time.Second, 20, func(i int) {
			ns := l.ns(i * (l.size.namespaces / 20))
			accounts.account(ns, fmt.Sprintf("app-%02d", i))
			l.snatch(l.ns(i*(l.size.namespaces/20)+1), copies)
		})
	})
	pace(10*time.Second, l.size.storm, func(i int) {
		births.bear(fmt.Sprintf("%sstorm-%03d", l.prefix, i), 1+i%(l.size.rules-1))
	})
	wg.Wait()
	r.Needed += 20 // what was snatched is to be made anew
	l.ended = time.Now()
	births.end(r)
	var served result
	accounts.end(&served)
	r.AccountsWorst = served.NewWorst
	copies.end(&served)
	r.CopiesWorst = served.NewWorst
}

// check fails the test where something could not be done to the cluster; it goes on.
func (l *lab) check(err error) {
	if err != nil {
		l.t.Error(err)
	}
}

// snatch deletes a copy, as somebody might.
func (l *lab) snatch(ns string, b *births) {
	key := ns + "/" + copyName(0)
	l.w.mu.Lock()
	uid := l.w.copies[key].uid
	l.w.expected[key] = true
	l.w.mu.Unlock()
	at := time.Now()
	l.check(l.client.Resource(api.Secrets).Namespace(ns).Delete(l.ctx, copyName(0), metav1.DeleteOptions{}))
	b.add(at, key, func() bool { return l.w.made(key, uid) })
}

// foreign has secrets of others take the place of a copy that every rule gives out, and go again, with a program that keeps the
// admission parameters. What is right with them there is seen by the program's own count of conflicts.
func (l *lab) foreign(r *result) {
	t := l.t
	l.p.Stop()
	l.component()
	l.shared = true
	l.start("-admission")
	l.edit("all rules give out one copy")
	l.until("the parameters are there", func() string {
		list, err := l.client.Resource(api.AdmissionRules).Namespace(api.Home).List(l.ctx, metav1.ListOptions{})
		if err != nil || len(list.Items) < l.size.rules {
			return "not all are"
		}
		if state, current := l.status(); state != "Ready" || !current {
			return state
		}
		return ""
	})
	before := l.requests()
	stolen := min(l.size.foreign, l.size.namespaces)
	pace(10*time.Second, stolen, func(i int) {
		key := l.ns(i) + "/" + copyName(0)
		l.w.mu.Lock()
		l.w.expected[key] = true
		l.w.mu.Unlock()
		l.check(l.takeOver(l.ns(i), copyName(0)))
	})
	l.until("the conflicts are counted", func() string {
		m := l.p.measured()
		if n := m[`pullsecrets_problems{kind="Secret",reason="ForeignSecret"}`]; int(n) != stolen || m["pullsecrets_queue_length"] > 0 {
			return fmt.Sprintf("%v of %d", n, stolen)
		}
		return ""
	})
	l.rest(t)
	after := l.requests()
	r.ParametersTaken = after["APPLY admissionrules"] - before["APPLY admissionrules"]
	l.check(api.Parallel(8, stolen, func(i int) error {
		return l.client.Resource(api.Secrets).Namespace(l.ns(i)).Delete(l.ctx, copyName(0), metav1.DeleteOptions{})
	}))
	r.Needed += stolen
}

// restart ends the program and starts it anew. Ready is when it has read everything.
func (l *lab) restart(r *result) {
	l.p.Stop()
	l.start()
}

// component installs what acts on the parameters.
func (l *lab) component() {
	for _, name := range []string{"crd", "policy", "binding"} {
		cmd := exec.Command("kubectl", "--kubeconfig", os.Getenv("PULLSECRETS_TEST_KUBECONFIG"), "apply", "--server-side", "-f", "../../../kustomize/components/admission/"+name+".yaml")
		if out, err := cmd.CombinedOutput(); err != nil {
			l.t.Fatalf("%v\n%s", err, out)
		}
	}
}

// takeOver makes somebody else's secret of a copy: without our marks, and with nobody who says that he owns it.
func (l *lab) takeOver(ns, name string) error {
	for {
		u, err := l.client.Resource(api.Secrets).Namespace(ns).Get(l.ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		theirs := api.Secret(ns, name, api.Credential("theirs.example.com", "theirs"))
		theirs.SetResourceVersion(u.GetResourceVersion())
		theirs.Object["metadata"].(map[string]any)["managedFields"] = []any{map[string]any{}}
		_, err = l.client.Resource(api.Secrets).Namespace(ns).Update(l.ctx, theirs, metav1.UpdateOptions{})
		if !apierrors.IsConflict(err) {
			return err
		}
	}
}

// until waits for something that nothing says there is; it says why not, and nothing once it holds.
func (l *lab) until(what string, holds func() (why string)) {
	l.t.Helper()
	why := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if why = holds(); why == "" {
			return
		}
		if !l.p.Running() {
			l.t.Fatalf("%s: the program ended:\n%s", what, l.p.tail(30))
		}
	}
	l.profiles()
	l.t.Fatalf("%s: %s", what, why)
}

// pace calls f so many times, spread evenly; where it takes longer than its share the rest comes later.
func pace(over time.Duration, n int, f func(i int)) {
	began := time.Now()
	var wg sync.WaitGroup
	free := make(chan struct{}, 16)
	for i := range n {
		time.Sleep(time.Until(began.Add(over * time.Duration(i) / time.Duration(n))))
		free <- struct{}{}
		wg.Go(func() {
			f(i)
			<-free
		})
	}
	wg.Wait()
}

// births are things that came under load, and how long it took until they had what they should.
type births struct {
	l   *lab
	mu  sync.Mutex
	all []*birth

	stopped chan struct{}
	done    chan struct{}
}

type birth struct {
	at   time.Time
	took time.Duration
	has  func() bool
	born string // the account without which it cannot be complete
}

func (l *lab) births() *births {
	b := &births{l: l, stopped: make(chan struct{}), done: make(chan struct{})}
	go b.watch()
	return b
}

func (b *births) add(at time.Time, born string, has func() bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = append(b.all, &birth{born: born, at: at, has: has})
}

// bear makes a namespace. It is complete once its default account and its copies are, be it with the credential of a moment ago.
func (b *births) bear(ns string, team int) {
	at := time.Now()
	b.l.check(b.l.namespace(ns, team))
	b.add(at, ns+"/default", func() bool {
		return b.l.w.has(ns+"/default", ns, copyName(0), copyName(team))
	})
}

// account makes a service account in a namespace that has its copies.
func (b *births) account(ns, name string) {
	at := time.Now()
	b.l.mu.Lock()
	b.l.also[ns+"/"+name] = true
	team := b.l.teams[ns]
	b.l.mu.Unlock()
	b.l.check(b.l.create(api.Accounts, api.Object("v1", "ServiceAccount", ns, name)))
	b.add(at, ns+"/"+name, func() bool { return b.l.w.has(ns+"/"+name, ns, copyName(team)) })
}

// watch notes who is complete, until all are and no more come.
func (b *births) watch() {
	defer close(b.done)
	for over := false; ; {
		b.mu.Lock()
		missing := 0
		for _, one := range b.all {
			if one.took == 0 && one.has() {
				one.took = time.Since(one.at)
			}
			if one.took == 0 {
				missing++
			}
		}
		b.mu.Unlock()
		if over && missing == 0 {
			return
		}
		select {
		case <-b.stopped:
			over = true
			time.Sleep(20 * time.Millisecond)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// end waits until all are complete, and takes down how long that took them.
func (b *births) end(r *result) {
	close(b.stopped)
	select {
	case <-b.done:
	case <-b.l.p.Ended:
		b.l.t.Fatalf("the program ended:\n%s", b.l.p.tail(30))
	case <-time.After(patience):
		b.l.profiles()
		b.l.t.Fatal("what came under load is not complete")
	}
	var took, cluster []float64
	for _, one := range b.all {
		of := b.l.w.bornAfter(one.born, one.at)
		cluster = append(cluster, of.Seconds())
		took = append(took, (one.took - of).Seconds())
	}
	slices.Sort(took)
	slices.Sort(cluster)
	r.New, r.NewP50, r.NewP99, r.NewWorst = len(took), took[len(took)/2], took[len(took)*99/100], took[len(took)-1]
	r.ClusterP50, r.ClusterP99 = cluster[len(took)/2], cluster[len(took)*99/100]
}

// has reports whether an account has these names, among others, and a namespace these copies.
func (w *witness) has(account, ns string, names ...string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, name := range names {
		if !slices.Contains(w.accounts[account].names, name) {
			return false
		}
		if _, ok := w.copies[ns+"/"+name]; !ok {
			return false
		}
	}
	return true
}

// bornAfter is how long the cluster took to make an account; 0 where there is none, or it was there before.
func (w *witness) bornAfter(account string, at time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return max(w.born[account].Sub(at), 0)
}

// forgive begins to count anew what was made twice.
func (w *witness) forgive() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.remade)
	clear(w.expected)
}

// madeAnew is how many copies were deleted or made anew without need.
func (w *witness) madeAnew() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.remade)
}

// warnings are how many lines of the log are a warning or an error.
func (p *process) warnings() int {
	warned := p.Log.Lines(`"level":"warn"`)
	failed := p.Log.Lines(`"level":"error"`)
	return len(warned) + len(failed)
}
