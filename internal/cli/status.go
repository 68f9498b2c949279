package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/peterbourgon/ff/v3/ffcli"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/dynamic"

	"github.com/pullsecrets/pullsecrets/internal/inspect"
	"github.com/pullsecrets/pullsecrets/internal/inspect/overview"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// The exit status of status.
const (
	statusNotReady = 1
	statusUnknown  = 2 // it could not be told
)

// statusFlags are the flags of status, as they are given.
type statusFlags struct {
	policyFlags
	kube     clusterFlags
	form     string
	all      bool
	wait     bool
	watch    bool
	timeout  time.Duration
	revision string
}

func statusCommand(stdout, stderr io.Writer) *ffcli.Command {
	fs := newFlagSet("status", stderr)
	f := &statusFlags{}
	f.register(fs)
	return &ffcli.Command{
		Name: "status", ShortUsage: "pullsecrets status [-wait [-revision REVISION] [-timeout TIME] | -watch] [-all] [-o FORM] [FLAGS]",
		ShortHelp: "say how the policy stands, what came of each rule and source, what is held back, and all problems",
		LongHelp: "Reads the policy ConfigMap and the status ConfigMap, and nothing else: get on these two will do, as\n" +
			"kustomize/components/viewer grants it. Writes nothing. It is what the controller last said: whether one runs is not seen\n" +
			"until a text is edited and nobody judges it.\n\n" +
			"With -wait it waits until the text was judged and rolled out, as kubectl rollout status does: a refused text ends it at\n" +
			"once, a degraded one as soon as every namespace was tried. With -revision it waits for the text that has this\n" +
			"annotation pullsecrets/revision, and not for one before it. With -watch it prints what changes, until it is interrupted.\n\n" +
			"Exit status: 0 Ready, 1 not (Degraded, Invalid, being rolled out), 2 could not tell: no rights, no answer, nothing that\n" +
			"a controller said, or the time-out of -wait.",
		FlagSet: fs, Options: options(),
		Exec: func(ctx context.Context, args []string) error {
			if err := f.validate(args); err != nil {
				return exitError{statusUnknown, err}
			}
			return f.run(ctx, stdout, stderr)
		},
	}
}

func (f *statusFlags) register(fs *flag.FlagSet) {
	f.kube.register(fs)
	f.registerMap(fs)
	choiceVar(fs, &f.form, "o", "text", "`FORM`: text or json; with -watch json is an object a line", "text", "json")
	fs.BoolVar(&f.all, "all", false, "print every row, and every namespace of every problem")
	fs.BoolVar(&f.wait, "wait", false, "wait until the policy was judged and rolled out")
	fs.BoolVar(&f.watch, "watch", false, "print what changes, until it is interrupted")
	fs.DurationVar(&f.timeout, "timeout", 5*time.Minute, "`TIME` that -wait waits at most")
	fs.StringVar(&f.revision, "revision", "", "`REVISION` that -wait waits for: the value of the annotation pullsecrets/revision")
}

// validate checks what flag itself cannot.
func (f *statusFlags) validate(args []string) error {
	errs := []error{f.check(), checkForm(f.form, "text", "json")}
	if len(args) > 0 {
		errs = append(errs, fmt.Errorf("status takes flags only, found %q", args[0]))
	}
	if f.wait && f.watch {
		errs = append(errs, errors.New("-wait and -watch: give one of them"))
	}
	if f.revision != "" && !f.wait {
		errs = append(errs, errors.New("-revision needs -wait"))
	}
	if f.timeout <= 0 {
		errs = append(errs, fmt.Errorf("-timeout %s: give a time above zero, such as 5m", f.timeout))
	}
	return errors.Join(errs...)
}

func (f *statusFlags) run(ctx context.Context, stdout, stderr io.Writer) error {
	config, err := f.kube.config()
	if err != nil {
		return exitError{statusUnknown, err}
	}
	client, err := kube.NewDynamic(config)
	if err != nil {
		return exitError{statusUnknown, fmt.Errorf("make a client: %w", err)}
	}
	query := inspect.OverviewQuery{
		At:      inspect.Place{Namespace: f.namespace, PolicyName: f.policy, StatusName: statusName},
		Kubectl: f.kube.kubectl(),
	}
	switch {
	case f.wait:
		return f.waitFor(ctx, client, query, stdout, stderr)
	case f.watch:
		return f.follow(ctx, client, query, stdout, stderr)
	}
	o, err := inspect.Overview(ctx, client, query)
	if err != nil {
		return exitError{statusUnknown, err}
	}
	return f.answer(o, o.State, stdout)
}

// answer prints how it stands and ends with the exit status of a state.
func (f *statusFlags) answer(o *overview.Overview, state string, stdout io.Writer) error {
	if err := f.print(o, stdout); err != nil {
		return exitError{statusUnknown, err}
	}
	return statusOf(o, state)
}

func (f *statusFlags) print(o *overview.Overview, stdout io.Writer) error {
	if f.form == "json" {
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(o)
	}
	return writeStatus(stdout, o, f.all, time.Now())
}

// statusOf is the exit status of a state. Where no controller ever said anything, nothing can be told.
func statusOf(o *overview.Overview, state string) error {
	switch nobody := o.Observed == "" && o.InForce == ""; {
	case state == overview.Ready:
		return nil
	case state == overview.Unknown, nobody:
		return exitError{status: statusUnknown}
	}
	return exitError{status: statusNotReady}
}

// waitFor waits until the text is settled. What it waits for it says where errors go, each once.
func (f *statusFlags) waitFor(ctx context.Context, client dynamic.Interface, query inspect.OverviewQuery, stdout, stderr io.Writer) error {
	limited, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	var last *overview.Overview
	var told, state string
	settled, refused := false, false
	inspect.FollowOverview(limited, client, query, func(o *overview.Overview, err error) bool {
		text := f.waitsFor(o, err)
		if err == nil {
			last = o
			state, settled = o.Final(f.revision)
		}
		if settled || err == nil && o.Denied() {
			return false
		}
		if refused = apierrors.IsUnauthorized(err); refused {
			told = text
			return false // to ask again would have a sign-in plugin ask again
		}
		if text != told {
			told = text
			fmt.Fprintln(stderr, "waiting:", text)
		}
		return true
	})
	switch {
	case settled:
		return f.answer(reasoned(limited, client, query, last), state, stdout)
	case refused:
		return exitError{statusUnknown, errors.New(told)}
	case last == nil:
		return exitError{statusUnknown, fmt.Errorf("%s: %s", f.untold(ctx), cmp.Or(told, "the API server has not answered"))}
	}
	if err := f.print(last, stdout); err != nil {
		return exitError{statusUnknown, err}
	}
	if last.Denied() {
		return exitError{statusUnknown, errors.New("could not tell: " + last.Message)}
	}
	return exitError{statusUnknown, fmt.Errorf("%s: %s", f.untold(ctx), told)}
}

// reasoned waits a moment for the controller's own words of a verdict. They come after the verdict, and where they have no room, never.
func reasoned(ctx context.Context, client dynamic.Interface, query inspect.OverviewQuery, last *overview.Overview) *overview.Overview {
	for range reasonTries {
		if last.Reasoned() {
			break
		}
		select {
		case <-ctx.Done():
			return last
		case <-time.After(reasonEvery):
		}
		o, err := inspect.Overview(ctx, client, query)
		if err != nil || o.Text != last.Text || o.Observed != last.Observed || o.Verdict != last.Verdict {
			break // it is of something else
		}
		last = o
	}
	return last
}

// For how long a verdict waits for its reason.
const reasonTries, reasonEvery = 15, 200 * time.Millisecond

// untold says how the waiting ended without an answer.
func (f *statusFlags) untold(ctx context.Context) string {
	if ctx.Err() != nil {
		return "could not tell before it was interrupted"
	}
	return fmt.Sprintf("could not tell within %s", f.timeout)
}

// waitsFor says what is waited for.
func (f *statusFlags) waitsFor(o *overview.Overview, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case f.revision != "" && o.ObservedRevision != f.revision && o.Revision != f.revision && o.State != overview.Missing:
		return fmt.Sprintf("the revision of the policy ConfigMap is %q, not %q", o.Revision, f.revision)
	case o.Judged && !o.RolledOut && o.State != overview.Progressing:
		return fmt.Sprintf("%s, and the status ConfigMap does not say yet that all namespaces were tried: %s", o.State, o.Message)
	}
	return o.State + ": " + o.Message
}

// follow prints what changes. Where the API server does not answer, it says so once, and goes on.
func (f *statusFlags) follow(ctx context.Context, client dynamic.Interface, query inspect.OverviewQuery, stdout, stderr io.Writer) error {
	var last *overview.Overview
	var failed string
	var broken error
	inspect.FollowOverview(ctx, client, query, func(o *overview.Overview, err error) bool {
		if err != nil {
			text := err.Error()
			if apierrors.IsUnauthorized(err) {
				failed, broken = text, err
				return false
			}
			if text != failed {
				failed = text
				fmt.Fprintln(stderr, "pullsecrets: trying again:", text)
			}
			return true
		}
		failed = ""
		broken = f.printChange(stdout, o, last)
		last = o
		return broken == nil
	})
	switch {
	case broken != nil:
		return exitError{statusUnknown, broken}
	case last == nil || failed != "":
		return exitError{status: statusUnknown}
	}
	return statusOf(last, last.State)
}

func (f *statusFlags) printChange(stdout io.Writer, o, last *overview.Overview) error {
	changes := o.Changes(last)
	switch {
	case len(changes) == 0:
		return nil
	case f.form == "json":
		return json.NewEncoder(stdout).Encode(o)
	case last == nil:
		return f.print(o, stdout)
	}
	at := time.Now().Format(time.TimeOnly)
	for _, line := range changes {
		if _, err := fmt.Fprintf(stdout, "%s %s\n", at, line); err != nil {
			return err
		}
	}
	return nil
}

// kubectl is how kubectl is called for the cluster that is meant, quoted for a shell.
func (f *clusterFlags) kubectl() string {
	words := []string{"kubectl"}
	for _, g := range []struct{ flag, value string }{
		{"--kubeconfig", f.kubeconfig}, {"--context", f.context}, {"--cluster", f.cluster}, {"--user", f.user}, {"--as", f.as},
	} {
		if g.value != "" {
			words = append(words, g.flag+"="+shellWord(g.value))
		}
	}
	for _, group := range f.asGroups {
		words = append(words, "--as-group="+shellWord(group))
	}
	return strings.Join(words, " ")
}

// kubectlFor is kubectl with the context named that is current now: a command that is shown for long, or copied into another shell,
// must not reach the cluster that is current there.
func (f *clusterFlags) kubectlFor(context string) string {
	named := *f
	named.context = context
	return named.kubectl()
}

// shellWord quotes what a shell would not take as it is.
func shellWord(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@%+=,", r)
	}
	if text != "" && !strings.ContainsFunc(text, func(r rune) bool { return !plain(r) }) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
