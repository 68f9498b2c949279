package page

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/pullsecrets/pullsecrets/internal/policy"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// serve starts pullsecrets ui until the test ends, and returns its address.
func serve(t *testing.T, args ...string) (address string) {
	t.Helper()
	path, err := program()
	must(t, err)
	command := exec.Command(path, append([]string{"ui"}, args...)...)
	out, err := command.StdoutPipe()
	must(t, err)
	command.Stderr = os.Stderr
	must(t, command.Start())
	t.Cleanup(func() {
		_ = command.Process.Signal(os.Interrupt)
		ended := make(chan error, 1)
		go func() { ended <- command.Wait() }()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("interrupted, ui ends with %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("interrupted, ui does not end")
			_ = command.Process.Kill()
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	return strings.TrimSpace(line)
}

// get is the text of a page.
func get(t *testing.T, address string) string {
	t.Helper()
	answer, err := http.Get(address)
	must(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	must(t, err)
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s\n%s", address, answer.Status, text)
	}
	return string(text)
}

// width is how wide the page is.
func (p *tab) width() int64 {
	return eval[int64](p, `document.documentElement.scrollWidth`)
}

// The page is readable on a desk, by day and by night, and on a phone, also with what explain says.
func TestTheLivePageFitsEachScreen(t *testing.T) {
	c := company()
	c.source("harbor", "registry.acme.example")
	c.source("ghcr", "ghcr.io")
	c.hold(c.ending("-tools", 14)...)
	address := serve(t, "-dump", c.write(t))
	for _, s := range []struct {
		name, scheme, background, query string
		width                           int64
	}{
		{"light", "light", "rgb(251, 250, 248)", "", 1280},
		{"dark", "dark", "rgb(21, 21, 20)", "?q=crm-ci", 1280},
		{"phone", "light", "rgb(251, 250, 248)", "?q=crm-ci&of=pod/none", 390},
		{"phone at night", "dark", "rgb(21, 21, 20)", "", 390},
	} {
		t.Run(s.name, func(t *testing.T) {
			p := openAt(t, address+s.query, scheme(s.scheme), chromedp.EmulateViewport(s.width, 900))
			if got := eval[string](p, `getComputedStyle(document.body).backgroundColor`); got != s.background {
				t.Errorf("the background is %s, want %s", got, s.background)
			}
			if got := p.width(); got != s.width {
				t.Errorf("the page is %d wide, and the screen %d", got, s.width)
			}
			if wide := eval[[]string](p, wideParts); len(wide) > 0 {
				t.Errorf("these reach beyond the screen: %q", wide)
			}
			if pale := eval[[]string](p, paleTexts); len(pale) > 0 {
				t.Errorf("these are hard to read: %q", pale)
			}
			p.want("h1 > span", "▲ In force, and somebody is needed")
			p.look(s.name)
			p.quiet()
		})
	}
}

// wideParts are what a phone shows a part of alone. The matrix scrolls by itself.
const wideParts = `Array.from(document.querySelectorAll('main *, header *')).filter(e => !e.closest('.matrix, .sr') && e.checkVisibility() &&
	(e.getBoundingClientRect().right > innerWidth + 1 || e.scrollWidth > innerWidth)).map(e => e.outerHTML.slice(0, 80))`

// look leaves a picture of the whole page in the folder that LOOK names, for people.
func (p *tab) look(name string) {
	p.t.Helper()
	folder := os.Getenv("LOOK")
	if folder == "" {
		return
	}
	var shot []byte
	p.run(chromedp.FullScreenshot(&shot, 100))
	must(p.t, os.WriteFile(filepath.Join(folder, name+".png"), shot, 0o600))
}

// The page tells of the policy, what is held back and how that is confirmed, of problems, rules, sources and namespaces.
func TestThePageTellsHowItStands(t *testing.T) {
	c := company()
	c.source("harbor", "registry.acme.example")
	c.hold(c.ending("-tools", 14)...)
	address := serve(t, "-dump", c.write(t))
	text := get(t, address)
	withoutCanary(t, text)
	if len(text) > 100<<10 {
		t.Errorf("the page of 400 namespaces has %d bytes", len(text))
	}
	p := openAt(t, address, chromedp.EmulateViewport(1280, 900))
	p.want("header .facts-row li", "396 of 400 namespaces selected", "7 with problems of their own", "revision v2.14.0", "text in force "+eval[string](p, `document.querySelector('.facts-row li:last-child code').textContent`))
	p.want("header .legend li", "▲ 7 with a problem", "● 389 as rules want it")
	if got := p.visible("[data-region=held] .command code"); len(got) != 1 || !strings.HasPrefix(got[0], "kubectl -n pullsecrets annotate configmap pullsecrets-policy --overwrite pullsecrets/confirm-prune=sha256:") {
		t.Errorf("the command is %q", got)
	}
	p.want("[data-region=held] summary", "and 6 more")
	p.want("[data-region=problems] .kind", "▲ SourceExpiredof the policy", "▲ ForeignSecretin 5 namespaces", "▲ WriteFailedin 2 namespaces")
	p.want("[data-region=problems] .names a", "legal", "legal-dr", "maps-demo", "tickets", "wallet-us", "crm-ci", "fraud-staging")
	p.want("#rules tbody th", "platform", "ci", "gpu", "partners")
	p.want("#rules tbody tr:nth-child(2) td.n", "60", "58", "2", "60", "2")
	p.want("#sources tbody th", "pullsecrets/ghcr", "pullsecrets/harbor", "pullsecrets/nvidia", "pullsecrets/quay")
	p.want("#matrix thead th", "namespace", "problems", "platform", "ci", "gpu", "partners")
	if got := p.visible("#matrix tbody th")[:8]; strings.Join(got, " ") != "crm-ci fraud-staging legal legal-dr maps-demo tickets wallet-us argocd" {
		t.Errorf("the first namespaces are %q", got)
	}
	if got := p.visible("#matrix tbody tr:first-child td"); strings.Join(got, "|") != "▲ 1|● 1platform: as rules want it; 1 of 1 in place|▲ 0/1ci: with a problem; 0 of 1 in place||" {
		t.Errorf("the first row is %q", got)
	}
	p.quiet()
}

// The search leaves the namespaces whose name has a text, as one types; Enter asks explain, with the script and without.
func TestTheSearchEndsInExplain(t *testing.T) {
	c := company()
	c.source("harbor", "registry.acme.example")
	c.objects = append(c.objects, object("v1", "Pod", "legal-dr", "web", map[string]any{"spec": map[string]any{"serviceAccountName": "default",
		"containers": []any{map[string]any{"name": "web", "image": "registry.acme.example/web:1"}}}}, nil))
	address := serve(t, "-dump", c.write(t))
	p := openAt(t, address, chromedp.EmulateViewport(1280, 900))
	p.run(chromedp.SendKeys("#q", "legal"), chromedp.WaitVisible("#hint p"))
	p.eventually(`document.querySelectorAll('#matrix tbody tr').length === 13`)
	p.want("#hint", "13 of 400 namespaces · Enter asks what explain says of legal")
	p.want("[data-region=problems] .names a", "legal", "legal-dr")
	p.want("[data-region=explained] h2")
	p.run(chromedp.SendKeys("#q", "-d"))
	p.eventually(`document.querySelectorAll('#matrix tbody tr').length === 2`)
	p.want("#matrix tbody th", "legal-dr", "legal-demo")
	if got := eval[string](p, `document.activeElement.id + document.getElementById('q').value`); got != "qlegal-d" {
		t.Errorf("after the rows changed, the person is in %q", got)
	}
	p.run(chromedp.SendKeys("#q", "r\r"), chromedp.WaitVisible("#h-explained"))
	p.want("#h-explained", "What explain says of legal-dr")
	p.want("[data-region=explained] .kind", "namespace", "serviceaccount", "secret")
	p.quiet()

	p.run(chromedp.SendKeys("#of", "pod/web\r"), chromedp.WaitVisible("#h-explained code:nth-of-type(2)"))
	p.want("#h-explained", "What explain says of legal-dr pod/web")
	all := strings.Join(p.visible("[data-region=explained] .text"), "\n")
	if !strings.Contains(all, "container web, image registry.acme.example/web:1: ") {
		t.Errorf("of the pod it says\n%s", all)
	}
	p.quiet()
	withoutCanary(t, get(t, address+"?q=legal-dr&of=pod/web"))

	// The same words as the command has.
	if said := get(t, address+"?q=legal-dr"); !strings.Contains(said, "rule platform: selects it") {
		t.Error("without a browser it does not say what explain does")
	}
	if said := get(t, address+"?q=legal-dr&of=car/web"); !strings.Contains(said, "one of pod, serviceaccount") || !strings.Contains(said, "rule platform: selects it") {
		t.Error("what cannot be asked about is not told, or the namespace is not explained")
	}
	if said := get(t, address+"?q=legal-dr&of=pod/none"); !strings.Contains(said, "It cannot be told: there is no such object, or no such namespace (404 NotFound)") {
		t.Error("a pod that is not there is not told")
	}
}

// eventually waits until an expression is true in the page.
func (p *tab) eventually(expression string) {
	p.t.Helper()
	for range 600 {
		if eval[bool](p, expression) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	p.t.Fatalf("it does not become true: %s", expression)
}

// slash is as a keyboard has it: what the page prevents is not typed. KeyEvent types it in any case.
var slash = input.DispatchKeyEvent(input.KeyDown).WithKey("/").WithCode("Slash").WithText("/").WithWindowsVirtualKeyCode(191)

// All of it can be reached by the keyboard, and it shows where one is.
func TestTheLivePageByKeyboard(t *testing.T) {
	address := serve(t, "-dump", company().write(t))
	p := openAt(t, address, chromedp.EmulateViewport(1280, 900))
	active := func() string {
		return eval[string](p, `(e => e.id || e.className || e.textContent.trim())(document.activeElement)`)
	}
	p.run(slash)
	if got := active(); got != "q" {
		t.Errorf("/ leads to %q", got)
	}
	p.run(chromedp.KeyEvent("crm"))
	p.eventually(`document.querySelectorAll('#matrix tbody tr').length === 13`)
	p.run(slash)
	if got := eval[string](p, `document.getElementById('q').value`); got != "crm/" {
		t.Errorf("/ in the field is not typed: %q", got)
	}
	p.run(chromedp.KeyEvent(kb.Escape))
	p.eventually(`document.querySelectorAll('#matrix tbody tr').length === 100`)
	if got := eval[string](p, `document.getElementById('q').value`); got != "" {
		t.Errorf("Esc leaves %q", got)
	}
	var way []string
	for range 4 {
		p.run(chromedp.KeyEvent(kb.Tab))
		way = append(way, active())
		if !eval[bool](p, `getComputedStyle(document.activeElement).outlineStyle !== 'none'`) {
			t.Errorf("it does not show that one is at %s", active())
		}
	}
	if got := strings.Join(way, ", "); got != "Explain, legal, legal-dr, maps-demo" {
		t.Errorf("Tab leads to %s", got)
	}
	p.run(chromedp.KeyEvent(kb.Enter), chromedp.WaitVisible("#h-explained"))
	p.want("#h-explained", "What explain says of maps-demo")
	p.quiet()
}

// Without its script the page has all that it has to say, and its search works.
func TestTheLivePageNeedsNoScript(t *testing.T) {
	c := company()
	c.hold(c.ending("-tools", 14)...)
	address := serve(t, "-dump", c.write(t))
	p := openAt(t, address, emulation.SetScriptExecutionDisabled(true))
	without := func(action chromedp.Action) {
		p.run(action, emulation.SetScriptExecutionDisabled(false)) // for the questions, not for the page
	}
	without(chromedp.WaitReady("footer"))
	p.want(".copy")
	if got := len(p.visible("#matrix tbody tr")); got != 100 {
		t.Errorf("%d rows", got)
	}
	if got := p.visible("#live"); len(got) != 1 || !strings.HasPrefix(got[0], "as of ") {
		t.Errorf("it says %q", got)
	}
	p.run(emulation.SetScriptExecutionDisabled(true), chromedp.SendKeys("#q", "wallet-us"), chromedp.Submit("#q"))
	without(chromedp.WaitVisible("#h-explained"))
	p.want("#h-explained", "What explain says of wallet-us")
	p.want("#matrix tbody th", "wallet-us")
	p.want(".filter .chip", "Show all")
}

// What a cluster's objects are called stays text, also where no API server would have taken it, and much of it stays bounded.
func TestNamesOnTheLivePageStayText(t *testing.T) {
	c := company()
	c.policy = "apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules:\n"
	for i := range 60 {
		c.policy += fmt.Sprintf("- {name: rule-%d, secrets: [{source: {name: s%d}}]}\n", i, i)
	}
	c.namespaces = append(many(3000, "n-%04d"), hostile, "a' style='position:fixed", "\u202egnp.exe", strings.Repeat("w", 63))
	c.message, c.record.Rules, c.record.Summaries = hostile, nil, nil
	for i := range 300 {
		name := fmt.Sprintf("%s %d {{.Verdict}}", hostile, i)
		c.record.Rules = append(c.record.Rules, status.RuleTotals{Name: name, Unsynced: 1, OldestNamespace: hostile, OldestUnsynced: hostile})
		c.record.Summaries = append(c.record.Summaries, status.SourceSummary{Source: name, State: policy.SourceStatus(hostile), LastChange: hostile, Expires: "2020-01-01T00:00:00Z"})
		c.problems = append(c.problems, status.FullProblem{Problem: status.Problem{Rule: name, Kind: hostile, Name: name, Source: hostile, Reason: hostile,
			Detail: "\x1b[31m" + hostile, Scope: hostile}, Namespaces: c.namespaces})
	}
	c.record.Totals.Sources = []status.SourceFinding{{Source: hostile, Reason: hostile, Message: hostile}}
	c.hold(c.namespaces...)
	address := serve(t, "-dump", c.write(t))
	text := get(t, address)
	if strings.Contains(text, "\x1b") {
		t.Error("letters that reach a terminal are in the page")
	}
	t.Logf("%d bytes", len(text))
	if len(text) > 1<<20 {
		t.Errorf("the page has %d bytes", len(text))
	}
	p := openAt(t, address, chromedp.EmulateViewport(390, 900))
	const harmless = `window.taken === undefined && document.querySelectorAll('img, iframe, object, [style], [onerror]').length === 0 && document.scripts.length === 1`
	if !eval[bool](p, harmless) {
		t.Error("a name became a part of the page")
	}
	if got := p.width(); got != 390 {
		t.Errorf("the page is %d wide", got)
	}
	p.run(chromedp.SendKeys("#q", "<script"))
	p.eventually(`document.querySelectorAll('#matrix tbody tr').length <= 1`)
	if !eval[bool](p, harmless) {
		t.Error("after the filter a name became a part of the page")
	}
	p.run(chromedp.Evaluate(`document.getElementById('q').value = ''`, nil), chromedp.SendKeys("#q", "n-299"))
	p.eventually(`document.querySelectorAll('#matrix tbody tr').length === 10`)
	p.quiet()
}

// The page's policy keeps another script from running, and text from becoming markup, and the tests would notice.
func TestTheLivePageRefusesScripts(t *testing.T) {
	address := serve(t, "-dump", company().write(t))
	p := openAt(t, address)
	p.quiet()
	refused := eval[bool](p, `(() => {
		const s = document.createElement('script');
		try { s.text = 'window.taken = 1'; document.body.append(s); } catch (e) { /* trusted types */ }
		try { document.body.insertAdjacentHTML('beforeend', '<img src=x onerror="window.taken = 1">'); return false; } catch (e) { return window.taken === undefined; }
	})()`)
	if !refused {
		t.Error("a script runs, or text becomes markup")
	}
	if !eval[bool](p, `fetch('http://127.0.0.1:1/').then(() => false, () => true)`, awaited) {
		t.Error("the page may ask others")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.said) < 2 {
		t.Errorf("the console says only %q", p.said)
	}
}

func awaited(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }
