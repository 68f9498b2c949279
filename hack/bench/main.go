// Command bench measures pullsecrets against the API server's own speed. In each round the floor, a bare loop that sends
// the very same writes and does nothing else, and pullsecrets, a process of its own, take turns on the same cluster, so
// that what else the machine does hits both. Ratios within one run mean something; seconds of two runs do not compare.
//
//	make bench                                  the default sizes
//	make bench BENCHFLAGS='-sizes 1000 -secrets 5 -accounts 10 -rounds 5 -json out.json'
//	make bench BENCHFLAGS='-only burst'         a part of it
//	make bench BENCHFLAGS='-attach pods'        with rules that attach to pods
//	make bench-apart                            with the control plane on one processor, and all else on another
//	make bench BENCHFLAGS='-baseline "tool -flags" -baseline-name tool -baseline-copy image-pull-secret'
//	make bench-docs                             every size, for docs/performance-log.md; takes most of an hour
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// config is what is measured.
type config struct {
	kubeconfig, binary     string
	before                 string // another build, to compare with
	sizes                  []int
	secrets, accounts      int
	rounds                 int
	unrelated              int
	baseline, baselineCopy string
	baselineName           string
	jsonFile               string
	noise                  float64
	logs                   bool
	only                   string
	modes                  []mode    // in which is measured
	apart                  bool      // the control plane and what is measured have a processor each
	earlier                bool      // what is measured is what later builds are held against
	loop                   *bareLoop // this process is only that
	docs                   string
}

func main() {
	c := config{}
	sizes := ""
	flag.StringVar(&c.kubeconfig, "kubeconfig", os.Getenv("PULLSECRETS_TEST_KUBECONFIG"), "kubeconfig `FILE` of a cluster that is there for nothing else")
	flag.StringVar(&c.binary, "binary", "bin/pullsecrets", "`FILE` of the program")
	flag.StringVar(&c.before, "before", "", "`FILE` of another build of the program, which takes part in the first convergences")
	flag.StringVar(&sizes, "sizes", "300,1000", "`NUMBERS` of namespaces, ascending")
	flag.IntVar(&c.secrets, "secrets", 1, "`NUMBER` of secrets that each namespace gets")
	flag.IntVar(&c.accounts, "accounts", 1, "`NUMBER` of service accounts in each namespace")
	flag.IntVar(&c.rounds, "rounds", 3, "`NUMBER` of rounds; medians are shown")
	flag.IntVar(&c.unrelated, "unrelated", 0, "`NUMBER` of other secrets of 8 KiB in the cluster")
	flag.StringVar(&c.baseline, "baseline", "", "`COMMAND` of another program that distributes one secret; KUBECONFIG is set")
	flag.StringVar(&c.baselineCopy, "baseline-copy", "image-pull-secret", "`NAME` of the copies of that program")
	flag.StringVar(&c.baselineName, "baseline-name", "", "`NAME` of that program in results (default: the first word of its command)")
	flag.StringVar(&c.jsonFile, "json", "", "`FILE` for the results as JSON")
	flag.Float64Var(&c.noise, "noise", 0.25, "`SHARE` by which a bound may be missed before the exit status says so")
	flag.BoolVar(&c.logs, "logs", false, "show the logs of the processes that are measured")
	flag.StringVar(&c.only, "only", "", "`TEXT`: convergence, changes, burst (of the changes only the new namespaces)or large (a first convergence and restarts, without a floor), to measure only these workloads")
	flag.StringVar(&c.docs, "docs", "", "measure nothing; write what the JSON `FILE` says into the .md and the .svg beside it")
	attach := ""
	flag.StringVar(&attach, "attach", "accounts,admission,pods", "`HOW` pods get the names, comma-separated: by accounts, by accounts beside the admission component, or as pods, where only copies are written")
	flag.BoolVar(&c.apart, "apart", false, "say of the results that the control plane and what is measured had a processor each; make bench-apart sees to it")
	flag.BoolVar(&c.earlier, "earlier", false, "say of the results that they are of an earlier build, for the table that holds builds against one another")
	loop := bareLoop{}
	isLoop := flag.Bool("loop", false, "be the bare loop (the bench starts itself so)")
	flag.IntVar(&loop.workers, "loop-workers", 16, "`NUMBER` of namespaces that the bare loop writes at a time")
	flag.IntVar(&loop.copies, "loop-copies", 1, "`NUMBER` of copies that the bare loop writes to each namespace")
	flag.IntVar(&loop.from, "loop-from", 0, "`NUMBER` of the first copy that the bare loop writes")
	flag.StringVar(&loop.password, "loop-password", "", "`TEXT` in the credentials that the bare loop writes")
	flag.BoolVar(&loop.accounts, "loop-accounts", false, "the bare loop writes the service accounts too")
	flag.BoolVar(&loop.informers, "loop-informers", false, "the bare loop keeps caches too")
	flag.Parse()
	if *isLoop {
		c.loop = &loop
	}
	if c.docs != "" {
		if err := document(c.docs, flag.Args()); err != nil {
			fail(err)
		}
		return
	}
	if err := c.check(sizes, attach); err != nil {
		fail(err)
	}
	if c.loop != nil {
		if err := loopOnly(context.Background(), c); err != nil {
			fail(err)
		}
		return
	}
	missed, err := run(context.Background(), c)
	if err != nil {
		fail(err)
	}
	if missed {
		os.Exit(1)
	}
}

// check checks what flag itself cannot.
func (c *config) check(sizes, attach string) (err error) {
	if c.sizes, err = numbers(sizes); err != nil {
		return fmt.Errorf("-sizes %q: %w", sizes, err)
	}
	if !slices.Contains([]string{"", "convergence", "changes", "burst", "large"}, c.only) {
		return fmt.Errorf("-only %q: convergence, changes, burst or large", c.only)
	}
	if c.modes, err = modesOf(attach); err != nil {
		return fmt.Errorf("-attach: %w", err)
	}
	if c.kubeconfig == "" {
		return errors.New("no cluster: run make bench, or give -kubeconfig")
	}
	return nil
}

func numbers(text string) (out []int, err error) {
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 1 {
			return nil, errors.New("numbers of namespaces, comma-separated")
		}
		out = append(out, n)
	}
	return out, nil
}

// loopOnly is what a child process does.
func loopOnly(ctx context.Context, c config) error {
	l, err := connect(ctx, c)
	if err != nil {
		return err
	}
	l.named(c.sizes[0])
	return c.loop.run(l)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(2)
}
