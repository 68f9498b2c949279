package cli

import (
	"context"
	"io"
	"slices"
	"sync"

	"github.com/pullsecrets/pullsecrets/internal/registry"
)

// checker asks as the flags have it.
func (f *checkFlags) checker() (*registry.Checker, error) {
	pem, err := authorities("-ca-file", f.caFile)
	if err != nil {
		return nil, err
	}
	return registry.New(registry.Options{
		RootCAs: roots(pem), PlainHTTP: f.plain, Timeout: max(f.timeout, 0), Parallel: max(f.parallel, 0), UserAgent: userAgent(),
	}), nil
}

// ask asks the registries of all secrets. The checker itself bounds how many are asked at a time.
func (f *checkFlags) ask(ctx context.Context, checker *registry.Checker, secrets []checkedSecret, stderr io.Writer) []secretAnswers {
	bar := newProgress(stderr, "asking registries")
	defer bar.done()
	answers := make([]secretAnswers, len(secrets))
	slots := make(chan struct{}, f.parallel)
	var mu sync.Mutex
	var asking sync.WaitGroup
	done := 0
	for i, s := range secrets {
		slots <- struct{}{}
		asking.Go(func() {
			defer func() { <-slots }()
			answers[i] = secretAnswers{Secret: s.name, Problem: s.problem}
			if s.problem == "" {
				answers[i].Answers = checker.Ask(ctx, s.secretType, s.credential, f.images...)
			}
			mu.Lock()
			defer mu.Unlock()
			done++
			bar.update(done, len(secrets))
		})
	}
	asking.Wait()
	return answers
}

// secretAnswers is what came of one secret.
type secretAnswers struct {
	Secret  string
	Problem string // why its registries were not asked
	Answers []registry.Answer
}

// checkReport is what came of all.
type checkReport struct {
	Secrets   []secretAnswers
	Uncovered []string // images that no entry is for
}

// findUncovered finds the images that the kubelet has no credential for.
func (r *checkReport) findUncovered(images []string) {
	for _, image := range images {
		covered := slices.ContainsFunc(r.Secrets, func(s secretAnswers) bool {
			return slices.ContainsFunc(s.Answers, func(a registry.Answer) bool {
				return slices.ContainsFunc(a.Images, func(i registry.Image) bool { return i.Name == image })
			})
		})
		if !covered {
			r.Uncovered = append(r.Uncovered, image)
		}
	}
}

// checkOutcome is what an answer comes to for whoever acts on it.
type checkOutcome int

const (
	allTaken checkOutcome = iota
	notTold
	saidNo
)

// outcomeOf takes an entry that was not asked for a credential for good where all the images can be pulled that it was
// asked about.
func outcomeOf(a registry.Answer) checkOutcome {
	o := outcomeOfVerdict(a.Verdict)
	if a.Verdict == registry.Anonymous && len(a.Images) > 0 {
		o = allTaken
	}
	for _, i := range a.Images {
		o = max(o, outcomeOfVerdict(i.Verdict))
	}
	return o
}

func outcomeOfVerdict(v registry.Verdict) checkOutcome {
	switch v {
	case registry.Accepted:
		return allTaken
	case registry.Refused, registry.NoRegistry, registry.NotFound:
		return saidNo
	}
	return notTold
}

// status is the exit status: what is definite goes before what is not.
func (r *checkReport) status() int {
	worst := allTaken
	if len(r.Uncovered) > 0 {
		worst = saidNo
	}
	for _, s := range r.Secrets {
		if s.Problem != "" {
			worst = max(worst, notTold)
		}
		for _, a := range s.Answers {
			worst = max(worst, outcomeOf(a))
		}
	}
	return map[checkOutcome]int{allTaken: 0, notTold: checkFailed, saidNo: checkRefused}[worst]
}
