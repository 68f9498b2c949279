package page

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func scheme(value string) chromedp.Action {
	return emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}})
}

// The page is readable on a desk, by day and by night, and on a phone, where it is not wider than the screen.
func TestThePageFitsEachScreen(t *testing.T) {
	file, _ := pageOf(t, scenario+"/policy.yaml", scenario+"/cluster.yaml")
	for _, c := range []struct {
		name, scheme, background string
		width                    int64
	}{
		{"light", "light", "rgb(251, 250, 248)", 1280},
		{"dark", "dark", "rgb(21, 21, 20)", 1280},
		{"phone", "light", "rgb(251, 250, 248)", 390},
		{"phone at night", "dark", "rgb(21, 21, 20)", 390},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := open(t, file, scheme(c.scheme), chromedp.EmulateViewport(c.width, 900))
			if got := eval[string](p, `getComputedStyle(document.body).backgroundColor`); got != c.background {
				t.Errorf("the background is %s, want %s", got, c.background)
			}
			if got := eval[int64](p, `document.documentElement.scrollWidth`); got != c.width {
				t.Errorf("the page is %d wide, and the screen %d", got, c.width)
			}
			wide := eval[[]string](p, `Array.from(document.querySelectorAll('main *')).filter(e => !e.closest('.matrix, .sr') && e.checkVisibility() &&
				e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))`)
			if len(wide) > 0 {
				t.Errorf("these reach beyond the screen: %q", wide)
			}
			if pale := eval[[]string](p, paleTexts); len(pale) > 0 {
				t.Errorf("these are hard to read: %q", pale)
			}
			p.want("h1 .count", "5 things need somebody")
			p.quiet()
		})
	}
}

// Names of 63 letters have no place to break, and make the page no wider than a phone.
func TestLongNamesFitAPhone(t *testing.T) {
	text, err := os.ReadFile(scenario + "/cluster.yaml")
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("w", 63)
	dump := filepath.Join(t.TempDir(), "cluster.yaml")
	content := regexp.MustCompile(`"(ledger|old-quay|app|web)"`).ReplaceAll(text, []byte(`"`+long+`"`))
	if err := os.WriteFile(dump, content, 0o600); err != nil {
		t.Fatal(err)
	}
	file, page := pageOf(t, scenario+"/policy.yaml", dump)
	if !strings.Contains(page, long+` <code>`) {
		t.Error("no container has the long name")
	}
	p := open(t, file, chromedp.EmulateViewport(390, 900))
	if got := eval[int64](p, `document.documentElement.scrollWidth`); got != 390 {
		t.Errorf("the page is %d wide", got)
	}
	wide := eval[[]string](p, `Array.from(document.querySelectorAll('main *')).filter(e => !e.closest('.matrix, .sr') && e.checkVisibility() &&
		(e.getBoundingClientRect().right > innerWidth + 1 || e.scrollWidth > innerWidth)).map(e => e.outerHTML.slice(0, 80))`)
	if len(wide) > 0 {
		t.Errorf("these reach beyond the screen: %q", wide)
	}
	p.quiet()
}

// paleTexts are what has less contrast to the page than WCAG 2.2 wants of text, 4.5 to 1. What only says that there is nothing is
// left out.
const paleTexts = `(() => {
	const parts = c => c.match(/[\d.]+/g).map(Number);
	const light = c => { const [r, g, b] = parts(c).map(v => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
	const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if ((parts(c)[3] ?? 1) > 0) return c; } return 'rgb(255, 255, 255)'; };
	return Array.from(document.querySelectorAll('body *')).filter(e => e.checkVisibility() && !e.closest('.zero, svg') &&
		Array.from(e.childNodes).some(n => n.nodeType === 3 && n.data.trim() !== '')).filter(e => {
		const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x);
		return (a + 0.05) / (b + 0.05) < 4.5;
	}).map(e => e.textContent.trim().slice(0, 40));
})()`

// A name in the filter leaves what is of such namespaces, in all tables.
func TestTheFilterLeavesTheNamespaces(t *testing.T) {
	file, _ := pageOf(t, scenario+"/policy.yaml", scenario+"/cluster.yaml")
	p := open(t, file, chromedp.EmulateViewport(1280, 900))
	p.run(chromedp.SendKeys("#namespace", "shop"))
	p.want("#matrix tbody th", "shop-staging", "shop")
	p.want("#count", "2 of 13 namespaces")
	p.want("[aria-labelledby=h-alarms] .kind", "▲ Made too early")
	p.want("#registries tbody th", "registry.acme.example", "docker.io", "ghcr.io")
	p.want("#bare tbody th")
	if got := len(p.visible("#images tbody tr")); got != 8 {
		t.Errorf("%d images, want 8", got)
	}
	p.want("[data-count=images]", "8 of 32 shown")
	if open := len(p.visible("details[open]")); open != 2 {
		t.Errorf("%d credentials are open, want those of the two sources that are held there", open)
	}
	p.run(chromedp.Click("#filter button[type=reset]"))
	p.want("#count", "")
	if got := len(p.visible("#matrix tbody tr")); got != 13 {
		t.Errorf("after all are shown again there are %d", got)
	}
	p.quiet()
}

// A click on a cell of the matrix leads to its images.
func TestACellLeadsToItsImages(t *testing.T) {
	file, _ := pageOf(t, scenario+"/policy.yaml", scenario+"/cluster.yaml")
	p := open(t, file, chromedp.EmulateViewport(1280, 900))
	p.run(chromedp.Click(`#matrix a[data-namespace="shop"][data-of="ghcr.io"]`))
	p.want("#images tbody td:nth-child(3)", "ghcr.io/acme/migrate:1.9")
	p.want("#registry", "ghcr.io ×")
	if !eval[bool](p, `document.getElementById('images').getBoundingClientRect().top < innerHeight`) {
		t.Error("the images are out of sight")
	}
	p.run(chromedp.Click("#registry"))
	if got := len(p.visible("#images tbody tr")); got != 5 {
		t.Errorf("without the registry, there are %d images of the namespace, want 5", got)
	}
	p.quiet()
}

// Columns are sorted by a click, and by the keyboard.
func TestColumnsAreSorted(t *testing.T) {
	file, _ := pageOf(t, scenario+"/policy.yaml", scenario+"/cluster.yaml")
	p := open(t, file, chromedp.EmulateViewport(1280, 900))
	const images, name = "#registries thead th:nth-child(2)", "#registries thead th:nth-child(1)"
	column := "#registries tbody td:nth-child(2)"
	p.run(chromedp.Click(images + " button"))
	p.want(column, "12", "7", "4", "4", "2", "2", "1")
	p.run(chromedp.Click(images + " button"))
	p.want(column, "1", "2", "2", "4", "4", "7", "12")
	if got := eval[string](p, `document.querySelector("`+images+`").getAttribute('aria-sort')`); got != "ascending" {
		t.Errorf("aria-sort is %q", got)
	}
	p.run(chromedp.Focus(name+" button"), chromedp.KeyEvent(kb.Enter))
	if got := p.visible("#registries tbody th")[1]; got != "docker.io" {
		t.Errorf("sorted by name, the second is %s", got)
	}
	if got := eval[int](p, `document.querySelectorAll('#registries th[aria-sort]').length`); got != 1 {
		t.Errorf("%d columns say that they are sorted", got)
	}
	p.run(chromedp.Click(`#matrix thead th:nth-child(3) button`)) // docker.io
	if got := p.visible("#matrix tbody th")[:3]; strings.Join(got, " ") == "legacy payments shop-staging" {
		t.Errorf("the matrix is as before: %q", got)
	}
	p.quiet()
}

// Without its script the page has all that it has to say.
func TestThePageNeedsNoScript(t *testing.T) {
	file, _ := pageOf(t, scenario+"/policy.yaml", scenario+"/cluster.yaml")
	p := open(t, file, emulation.SetScriptExecutionDisabled(true))
	p.run(emulation.SetScriptExecutionDisabled(false)) // for the questions, not for the page
	p.want("#filter")
	p.want("th button")
	if got := len(p.visible("#matrix tbody tr")); got != 13 {
		t.Errorf("%d rows", got)
	}
	p.want("summary .name", "pullsecrets/ghcr", "pullsecrets/harbor", "pullsecrets/nvidia")
	p.want("summary .facts:nth-of-type(2)", "held in 4 namespaces, used in 2 namespaces, runs out 2041-06-30", "held in 12 namespaces, used in 7 namespaces",
		"held in 3 namespaces, used in 1 namespace, runs out 2026-09-30")
	p.run(chromedp.Click("details summary"))
	if got := len(p.visible("details[open] tbody tr")); got != 4 {
		t.Errorf("%d namespaces hold the first credential", got)
	}
}

const hostile = `"><script>window.taken = 1</script><img src=x onerror="window.taken = 1">`

// What objects of a cluster are called stays text, also where no API server would have taken it, and much of it stays bounded.
func TestNamesOfTheClusterStayText(t *testing.T) {
	object := func(kind, version, namespace, name string, more map[string]any) map[string]any {
		o := map[string]any{"apiVersion": version, "kind": kind, "metadata": map[string]any{
			"name": name, "namespace": namespace, "managedFields": []any{map[string]any{"manager": "x"}}}}
		for k, v := range more {
			o[k] = v
		}
		return o
	}
	var items []any
	for n := range 600 {
		namespace := fmt.Sprintf("n%d", n)
		switch n {
		case 0:
			namespace = hostile
		case 1:
			namespace = "עברית' style='position:fixed"
		}
		items = append(items, object("Namespace", "v1", "", namespace, nil), object("ServiceAccount", "v1", namespace, "default", nil))
		for w := range 20 {
			image := fmt.Sprintf("r%d.example/x:%d", w+2*(n%20), n)
			switch {
			case w == 0:
				image = hostile
			case w == 1:
				image = "registry.example/\u202egnp.exe\u202c:\x1b[31m"
			}
			items = append(items, object("Deployment", "apps/v1", namespace, fmt.Sprintf("w%d %s", w, hostile), map[string]any{
				"spec": map[string]any{"template": map[string]any{"spec": map[string]any{
					"imagePullSecrets": []any{map[string]any{"name": "{{.CSP}}" + hostile}},
					"containers":       []any{map[string]any{"name": hostile, "image": image}},
				}}},
			}))
		}
	}
	text, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": items})
	if err != nil {
		t.Fatal(err)
	}
	dump := filepath.Join(t.TempDir(), "dump.json")
	if err := os.WriteFile(dump, text, 0o600); err != nil {
		t.Fatal(err)
	}
	file, page := pageOf(t, scenario+"/policy.yaml", dump)
	if strings.Contains(page, "\u202e") || strings.Contains(page, "\x1b") {
		t.Error("letters that turn the direction of writing, or reach a terminal, are in the page")
	}
	if len(page) > 4<<20 {
		t.Errorf("the page has %d bytes", len(page))
	}
	p := open(t, file, chromedp.EmulateViewport(390, 900))
	if eval[bool](p, `window.taken !== undefined || document.querySelectorAll('img, iframe, object, [style], [onerror]').length > 0 ||
		document.scripts.length !== 1`) {
		t.Error("a name became a part of the page")
	}
	if got := eval[int](p, `document.querySelectorAll('tbody tr').length`); got > 4000 {
		t.Errorf("%d rows", got)
	}
	if got := eval[int64](p, `document.documentElement.scrollWidth`); got != 390 {
		t.Errorf("the page is %d wide", got)
	}
	p.run(chromedp.SendKeys("#namespace", "n59"))
	if got := eval[int](p, `Array.from(document.querySelectorAll('[data-ns]')).filter(r => r.checkVisibility() && !r.dataset.ns.includes('n59')).length`); got > 0 {
		t.Errorf("%d rows of others are shown", got)
	}
	p.quiet()
}

// The policy that the page carries keeps another script from running, and the tests would notice.
func TestAnotherScriptIsRefused(t *testing.T) {
	file, page := pageOf(t, scenario+"/policy.yaml", scenario+"/cluster.yaml")
	page = strings.Replace(page, "</main>", `<script>window.taken = 1</script><p style="color: red">x</p><img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" alt=""></main>`, 1)
	if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	p := open(t, file)
	if eval[bool](p, `window.taken !== undefined`) {
		t.Error("the script ran")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if all := strings.Join(p.said, "\n"); strings.Count(all, "Content Security Policy") < 3 {
		t.Errorf("script, style and picture are not all refused: %s", all)
	}
}
