package harness

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/rs/zerolog"
	"k8s.io/client-go/rest"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
	"github.com/pullsecrets/pullsecrets/internal/reconcile"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// maxLine is how long a line of the log may be; each controller that a test starts is held to it.
const maxLine = 16 << 10

// Running is a controller that runs.
type Running struct {
	Sandbox    *Sandbox
	Controller *reconcile.Controller
	Log        *Buffer
	Stop       func()
}

// Start runs a controller until the test ends or it is stopped.
func (s *Sandbox) Start(change ...func(*rest.Config)) *Running {
	s.T.Helper()
	return s.StartIn(api.Home, change...)
}

// StartIn runs the controller of an installation that lives in a namespace.
func (s *Sandbox) StartIn(home string, change ...func(*rest.Config)) *Running {
	s.T.Helper()
	config := rest.CopyConfig(s.Config)
	for _, f := range change {
		f(config)
	}
	client, err := kube.NewDynamic(config)
	Must(s.T, err)
	r := &Running{Sandbox: s, Log: &Buffer{}}
	r.Controller = reconcile.New(reconcile.Config{
		Client: client, Namespace: home, PolicyName: "pullsecrets-policy", StatusName: "pullsecrets-status", Workers: 8, MaxPrune: 50,
		MaxFailing: s.MaxFailing, ExpiryWarning: s.ExpiryWarning, SourceNamespaces: s.Sources, Admission: s.Admission, Mutates: s.Mutates, Ask: s.Ask, Patience: s.Patience, Log: zerolog.New(zerolog.SyncWriter(r.Log)).Level(zerolog.TraceLevel),
	})
	ctx, cancel := context.WithCancel(s.Ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.Controller.Run(ctx)
	}()
	r.Stop = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	s.T.Cleanup(func() {
		r.Stop()
		for line := range strings.Lines(r.Log.String()) {
			if len(line) > maxLine {
				s.T.Errorf("a line of the log has %d bytes: %.200s", len(line), line)
			}
		}
		if s.T.Failed() {
			s.T.Logf("the controller's log:\n%s", r.Log)
		}
	})
	return r
}

// Lines returns the lines of the log that contain all of the words.
func (r *Running) Lines(words ...string) []string { return r.Log.Lines(words...) }

// Reported returns the warnings and errors of the log, but for the wait for a policy that a test writes only later.
func (r *Running) Reported() []string {
	all := append(r.Lines(`"level":"error"`), r.Lines(`"level":"warn"`)...)
	return slices.DeleteFunc(all, func(line string) bool { return strings.Contains(line, "there is no policy ConfigMap") })
}
