package page

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browsers are the names of Chromium in the distributions.
var browsers = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}

// browserPath skips the test where there is no Chromium, and fails it where STRICT is set.
func browserPath(t *testing.T) string {
	t.Helper()
	for _, name := range append([]string{os.Getenv("CHROMIUM")}, browsers...) {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	const missing = "no Chromium found: install the package chromium, or name the program in CHROMIUM"
	if os.Getenv("STRICT") != "" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// tab is a page in a browser of its own.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu   sync.Mutex
	said []string // by the console: errors, warnings, and what the content security policy refused
}

// open opens a file in a new browser. Whatever the page has to say is an error at the end, but for what expected is in.
func open(t *testing.T, file string, before ...chromedp.Action) *tab {
	t.Helper()
	return openAt(t, "file://"+file, before...)
}

// openAt opens an address in a new browser, as open does.
func openAt(t *testing.T, address string, before ...chromedp.Action) *tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(browserPath(t)), chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("force-device-scale-factor", "1"))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	ctx, cancelTimeout := context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancelTimeout)
	t.Cleanup(func() { _ = chromedp.Cancel(ctx) }) // which waits until the browser has ended
	p := &tab{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, p.listen)
	p.run(log.Enable(), runtime.Enable())
	p.run(before...)
	p.run(chromedp.Navigate(address))
	return p
}

func (p *tab) listen(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *log.EventEntryAdded:
		p.said = append(p.said, fmt.Sprintf("%s %s: %s", e.Entry.Source, e.Entry.Level, e.Entry.Text))
	case *runtime.EventExceptionThrown:
		p.said = append(p.said, "exception: "+e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		p.said = append(p.said, "console "+string(e.Type))
	}
}

// quiet wants that the console has said nothing.
func (p *tab) quiet() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, text := range p.said {
		p.t.Errorf("the console says: %s", text)
	}
}

func (p *tab) run(actions ...chromedp.Action) {
	p.t.Helper()
	if err := chromedp.Run(p.ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

// eval evaluates an expression in the page.
func eval[T any](p *tab, expression string, how ...chromedp.EvaluateOption) (value T) {
	p.t.Helper()
	p.run(chromedp.Evaluate(expression, &value, how...))
	return value
}

// visible are the texts of what a selector finds and a person can see.
func (p *tab) visible(selector string) []string {
	p.t.Helper()
	return eval[[]string](p, fmt.Sprintf(`Array.from(document.querySelectorAll(%q)).filter(e => e.checkVisibility()).map(e => e.textContent.trim().replace(/\s+/g, ' '))`, selector))
}

func (p *tab) want(selector string, want ...string) {
	p.t.Helper()
	if got := p.visible(selector); strings.Join(got, "|") != strings.Join(want, "|") {
		p.t.Errorf("%s shows\n  %q, want\n  %q", selector, got, want)
	}
}

const scenario = "../../internal/cli/testdata/coverage"

// program is built once for all tests.
var program = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "pullsecrets-page-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "pullsecrets")
	out, err := exec.Command("go", "build", "-C", "../..", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	status := m.Run()
	if path, err := program(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(status)
}

// pageOf has the program make the page of a dump.
func pageOf(t *testing.T, policy, dump string) (file, text string) {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(path, "coverage", "-f", policy, "-dump", dump, "-o", "html", "-namespace", "pullsecrets")
	var errs strings.Builder
	command.Stderr = &errs
	out, err := command.Output()
	if status := command.ProcessState.ExitCode(); status != 0 && status != 1 {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	file = filepath.Join(t.TempDir(), "coverage.html")
	if err := os.WriteFile(file, out, 0o600); err != nil {
		t.Fatal(err)
	}
	return file, string(out)
}
