package load

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
)

// lab is a cluster in which the program runs and has done what it should, and what it is measured with.
type lab struct {
	*cluster
	w      *witness
	p      *process
	whole  *testing.T // the test that ends the processes
	binary string
	size   size

	applied map[string]int // by resource: what this test applied itself
	edited  bool           // there is a policy, so something is wanted
	ended   time.Time      // when the load of a row ended that then waits for what came of it; zero: it does not wait
	rollout result         // how the program came to have done what it should
}

// size is how much there is.
type size struct {
	namespaces, rules, storm, foreign int
	edits                             time.Duration
}

// patience is how long the program may take until everything is right after the load ended: whoever waits that long has no
// figure, but a fault.
const patience = 20 * time.Minute

// measured is a piece of load: what is done to the cluster.
type measured struct {
	name string
	what string
	load func(l *lab, r *result)
	// also has to hold besides, before everything counts as right; nil: nothing.
	also func(l *lab) string
}

// measure puts load on the program and takes down what came of it. It ends when everything is right and rests.
func (l *lab) measure(t *testing.T, m measured) result {
	t.Helper()
	r := result{Row: m.name, What: m.what, Namespaces: l.size.namespaces, Rules: l.size.rules}
	copies, accounts := l.wanted()
	l.p.forgetPeak()
	process := l.p
	lines := len(l.p.Log.Lines())
	warned := l.p.warnings()
	requests, cpu := l.requests(), l.p.measured()["process_cpu_seconds_total"]
	_, transitions := l.lease()
	clear(l.applied)
	l.w.forgive()
	stop := l.sample(&r)
	began := time.Now()
	l.profileDuring(m.name)
	l.ended = time.Time{}
	m.load(l, &r)
	ended := l.ended
	if ended.IsZero() {
		ended = time.Now()
	}
	r.Lasted = ended.Sub(began).Seconds()
	if l.p != process { // it was started anew: all that it counts is of now, and the Lease changed hands once
		lines, warned, cpu, transitions = 0, 0, 0, transitions+1
	}
	l.awaitRight(t, m)
	r.Right = time.Since(ended).Seconds()
	stop()
	r.Needed += needed(copies, accounts, l)
	l.rest(t)
	r.takeRequests(l.requests(), requests, l.applied)
	metrics := l.p.measured()
	r.CPU = metrics["process_cpu_seconds_total"] - cpu
	r.Peak = int(l.p.Usage().Peak >> 20)
	l.profileAfter(m.name)
	now, _ := l.wanted()
	r.Bound = bound(len(now), l.size.rules, l.size.namespaces)
	all := len(l.p.Log.Lines())
	r.Lines, r.Warnings = all-lines, l.p.warnings()-warned
	r.Status, _ = l.status()
	r.StatusKiB = l.statusBytes() >> 10
	holder, after := l.lease()
	r.Leader = "kept"
	if after != transitions || holder == "" {
		r.Leader = fmt.Sprintf("changed %d times", after-transitions)
		t.Errorf("the leader changed under load")
	}
	r.Twice = l.w.madeAnew()
	if r.Twice > 0 {
		t.Errorf("%d copies were made anew", r.Twice)
	}
	if r.Peak > r.Bound {
		t.Errorf("a peak of %d MiB, more than the %d that the sizes account for", r.Peak, r.Bound)
	}
	t.Logf("%+v", r)
	return r
}

// bound is how much memory the program may have at its peak, in MiB: a half more than docs/performance-log.md's model says of so
// many copies and accounts, and for each rule what two watches cost, that of its source and that of its copy: 400 KiB, and with the
// stacks that grow where its credential is rotated 480.
func bound(copies, rules, accounts int) int {
	const start, copyKiB, accountKiB, ruleKiB = 40531, 3.13, 2.16, 480
	return int(1.5*(start+copyKiB*float64(copies)+accountKiB*float64(accounts))+ruleKiB*float64(rules)) >> 10
}

// needed is how many writes there have to be at least: one for each copy and each account that has to be another than before.
func needed(copies map[string]string, accounts map[string][]string, l *lab) (n int) {
	nowCopies, nowAccounts := l.wanted()
	for key, want := range nowCopies {
		if copies[key] != want {
			n++
		}
	}
	for key, want := range nowAccounts {
		if !same(accounts[key], want) {
			n++
		}
	}
	return n
}

// awaitRight waits until everything is as it should be, and nothing is left to do.
func (l *lab) awaitRight(t *testing.T, m measured) {
	t.Helper()
	why := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if !l.p.Running() {
			t.Fatalf("the program ended:\n%s", l.p.tail(30))
		}
		if first, n := l.w.wrong(); n > 0 {
			why = fmt.Sprintf("%d wrong, such as: %s", n, first)
			continue
		}
		if m.also != nil {
			if why = m.also(l); why != "" {
				continue
			}
		}
		metrics := l.p.measured()
		if len(metrics) == 0 {
			why = "it does not tell its metrics"
			continue
		}
		if metrics["pullsecrets_queue_length"] > 0 || metrics["pullsecrets_oldest_unsynced_seconds"] > 0 {
			why = fmt.Sprintf("the queue has %v, the oldest of %v s", metrics["pullsecrets_queue_length"], metrics["pullsecrets_oldest_unsynced_seconds"])
			continue
		}
		if state, current := l.status(); !current || state != "Ready" {
			why = fmt.Sprintf("the policy is %s, of the text that was applied last: %t", state, current)
			continue
		}
		return
	}
	l.profiles()
	t.Fatalf("not right %s after the load ended: %s; the log ends with\n%s", patience, why, l.p.tail(30))
}

// rest waits until nothing is written any more.
func (l *lab) rest(t *testing.T) {
	t.Helper()
	const quiet = 12 * time.Second // longer than two of what is written every so often
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); {
		before := writesOf(l.requests())
		time.Sleep(quiet)
		if after := writesOf(l.requests()); maps.Equal(before, after) {
			return
		}
	}
	t.Errorf("it goes on writing; the log ends with\n%s", l.p.tail(30))
}

// sample looks at the queue until it is told to stop.
func (l *lab) sample(r *result) (stop func()) {
	ctx, cancel := context.WithCancel(l.ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			m := l.p.measured()
			r.Queue = max(r.Queue, int(m["pullsecrets_queue_length"]))
			r.Oldest = max(r.Oldest, m["pullsecrets_oldest_unsynced_seconds"])
			select {
			case <-ctx.Done():
			case <-time.After(250 * time.Millisecond):
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
	}
}

// requests are the API server's counts of what it was asked, by verb and resource.
func (l *lab) requests() map[string]int {
	l.t.Helper()
	config := rest.CopyConfig(l.config)
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	client, err := rest.UnversionedRESTClientFor(config)
	l.must(err)
	text, err := client.Get().RequestURI("/metrics").DoRaw(l.ctx)
	l.must(err)
	out := map[string]int{}
	for line := range strings.SplitSeq(string(text), "\n") {
		labels, ok := strings.CutPrefix(line, "apiserver_request_total{")
		if !ok {
			continue
		}
		var n float64
		if _, err := fmt.Sscan(line[strings.LastIndexByte(line, ' ')+1:], &n); err == nil {
			out[label(labels, "verb")+" "+label(labels, "resource")] += int(n)
		}
	}
	return out
}

func label(text, name string) string {
	_, rest, _ := strings.Cut(text, name+`="`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// writesOf are those requests that are of the program, be it under load or not.
func writesOf(requests map[string]int) map[string]int {
	out := map[string]int{}
	for key, n := range requests {
		verb, resource, _ := strings.Cut(key, " ")
		if slices.Contains([]string{"secrets", "serviceaccounts", "configmaps", "admissionrules"}, resource) &&
			slices.Contains([]string{"APPLY", "DELETE"}, verb) {
			out[key] = n
		}
	}
	return out
}

// takeRequests takes down how many writes there were that this test did not send itself.
func (r *result) takeRequests(after, before, applied map[string]int) {
	for key, n := range writesOf(after) {
		_, resource, _ := strings.Cut(key, " ")
		n -= before[key]
		switch resource {
		case "configmaps":
			r.ConfigMaps += n
		case "admissionrules":
			r.Parameters += n
		default:
			r.Writes += n
		}
	}
	r.Writes -= applied["secrets"]
	r.ConfigMaps -= applied["configmaps"]
}

// profileDuring keeps profiles of the program's processor time and heap under a row's load where LOAD_PROFILES names a folder.
func (l *lab) profileDuring(row string) {
	if folder := os.Getenv("LOAD_PROFILES"); folder != "" {
		go func() {
			l.p.profileTo("profile?seconds=15", filepath.Join(folder, "cpu-"+row))
			l.p.profileTo("heap", filepath.Join(folder, "heap-during-"+row))
		}()
	}
}

// profileAfter keeps a profile of what is on the program's heap after a row where LOAD_PROFILES names a folder.
func (l *lab) profileAfter(row string) {
	if folder := os.Getenv("LOAD_PROFILES"); folder != "" {
		l.p.profileTo("heap", filepath.Join(folder, "heap-"+row))
	}
}

// profiles keeps profiles of the program where LOAD_PROFILES names a folder.
func (l *lab) profiles() {
	if folder := os.Getenv("LOAD_PROFILES"); folder != "" {
		l.p.profileTo("goroutine?debug=1", filepath.Join(folder, "goroutine.txt"))
		l.p.profileTo("heap", filepath.Join(folder, "heap"))
		l.p.profileTo("profile?seconds=10", filepath.Join(folder, "cpu"))
	}
}
