package page

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// These tests take an API server. They are skipped without.

// crowd makes n namespaces with the label pull=yes, several at a time, and waits for their service accounts.
func crowd(s *harness.Sandbox, n int) {
	s.T.Helper()
	var all sync.WaitGroup
	next := make(chan int)
	for range 8 {
		all.Go(func() {
			for i := range next {
				ns := api.Object("v1", "Namespace", "", s.Name(fmt.Sprintf("n%03d", i)))
				ns.SetLabels(map[string]string{"pull": "yes"})
				if _, err := s.Client.Resource(api.Namespaces).Create(s.Ctx, ns, metav1.CreateOptions{}); err != nil {
					s.T.Error(err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	all.Wait()
	s.Eventually("all have a service account", func() error {
		list, err := s.Client.Resource(api.Accounts).List(s.Ctx, metav1.ListOptions{FieldSelector: "metadata.name=default"})
		if err != nil {
			return err
		}
		there := 0
		for _, u := range list.Items {
			if strings.HasPrefix(u.GetNamespace(), s.Prefix) {
				there++
			}
		}
		if there < n {
			return fmt.Errorf("%d of %d", there, n)
		}
		return nil
	})
}

// address is that which a ui in this process has printed.
func address(s *harness.Sandbox, p *harness.Program) (at string) {
	s.T.Helper()
	s.Eventually("the address is printed", func() error {
		at, _, _ = strings.Cut(p.Out.String(), "\n")
		if at == "" {
			return errors.New("not yet")
		}
		return nil
	})
	return at
}

// door is a way to the API server that can be closed, and a kubeconfig that goes that way.
type door struct {
	t          *testing.T
	to         string
	at         string
	kubeconfig string

	mu       sync.Mutex
	listener net.Listener
	open     []net.Conn
}

func newDoor(s *harness.Sandbox) *door {
	s.T.Helper()
	host, err := url.Parse(s.Config.Host)
	must(s.T, err)
	d := &door{t: s.T, to: host.Host, at: "127.0.0.1:0"}
	d.Open()
	s.T.Cleanup(d.Close)
	text, err := os.ReadFile(s.Kubeconfig)
	must(s.T, err)
	d.kubeconfig = filepath.Join(s.T.TempDir(), "kubeconfig")
	if !strings.Contains(string(text), host.Host) {
		s.T.Fatalf("the kubeconfig does not name %s", host.Host)
	}
	must(s.T, os.WriteFile(d.kubeconfig, []byte(strings.ReplaceAll(string(text), host.Host, d.at)), 0o600))
	return d
}

// Open lets through.
func (d *door) Open() {
	listener, err := net.Listen("tcp", d.at)
	must(d.t, err)
	d.mu.Lock()
	d.listener, d.at = listener, listener.Addr().String()
	d.mu.Unlock()
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", d.to)
			if err != nil {
				_ = from.Close()
				continue
			}
			d.mu.Lock()
			d.open = append(d.open, from, to)
			d.mu.Unlock()
			go func() { _, _ = io.Copy(to, from) }()
			go func() { _, _ = io.Copy(from, to) }()
		}
	}()
}

// Close refuses what comes, and breaks what is under way.
func (d *door) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = d.listener.Close()
	for _, conn := range d.open {
		_ = conn.Close()
	}
	d.open = nil
}

// With 400 namespaces, of which 7 have foreign secrets, the page is shown at once; a problem appears and goes while a person looks,
// who stays where they are; so it is when the API server goes and comes back.
func TestUIWithFourHundredNamespaces(t *testing.T) {
	browserPath(t)
	s := harness.NewSandbox(t)
	s.Source("hub", api.Credential("hub.example", harness.Canary))
	const size, foreign = 400, 7
	crowd(s, size)
	var troubled []string
	for i := range foreign {
		ns := s.Name(fmt.Sprintf("n%03d", 50*i))
		s.Create(api.Secrets, api.Secret(ns, s.Name("reg"), api.Credential("theirs.example", harness.Canary)))
		troubled = append(troubled, ns)
	}
	late := s.Namespace("zz-late")
	s.Create(api.Secrets, api.Secret(late, s.Name("reg"), api.Credential("theirs.example", harness.Canary)))
	s.Start()
	s.Policy(harness.OnlyLabelled, "pullsecrets/revision=v1")

	way := newDoor(s)
	at := address(s, s.Program("ui", "-kubeconfig", way.kubeconfig, "-namespace", api.Home))
	p := openAt(t, at, chromedp.EmulateViewport(1280, 900))
	troubles := func(want ...string) {
		t.Helper()
		p.eventually(fmt.Sprintf(`Array.from(document.querySelectorAll('[data-region=problems] .names a')).map(a => a.textContent).join(' ') === %q`, strings.Join(want, " ")))
	}
	troubles(troubled...)
	p.eventually(`document.querySelector('#live').textContent === 'live'`)
	p.eventually(fmt.Sprintf(`document.querySelector('#rules tbody td').textContent === '%d'`, size))
	if got := p.visible("#matrix tbody th")[:foreign]; !slices.Equal(got, troubled) {
		t.Errorf("the matrix begins with %q", got)
	}
	p.eventually(fmt.Sprintf(`Array.from(document.querySelectorAll('header .legend li')).some(li => li.textContent.includes('%d as rules want it'))`, size-foreign))
	text := get(t, at)
	t.Logf("the page has %d bytes", len(text))
	if len(text) > 150<<10 {
		t.Errorf("the page has %d bytes", len(text))
	}
	took := eval[float64](p, `performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd`)
	t.Logf("the page was there after %.0f ms", took)

	// Where the person is: in the search, with a filter, further down.
	p.run(chromedp.SendKeys("#q", s.Prefix), chromedp.Evaluate(`scrollTo(0, 300)`, nil))
	p.eventually(fmt.Sprintf(`document.querySelector('#hint').textContent.startsWith('%d of ')`, size+1))
	p.run(chromedp.Evaluate(`document.getElementById('q').setSelectionRange(0, 1)`, nil))
	stays := func() {
		t.Helper()
		if got := eval[string](p, `(q => [document.activeElement.id, q.value, q.selectionStart, q.selectionEnd].join(' '))(document.getElementById('q'))`); got != "q "+s.Prefix+" 0 1" {
			t.Errorf("the person is at %q", got)
		}
	}
	s.Merge(api.Namespaces, "", late, `{"metadata":{"labels":{"pull":"yes"}}}`)
	p.eventually(fmt.Sprintf(`document.querySelector('[data-region=problems]').textContent.includes('in %d namespaces')`, foreign+1))
	p.eventually(fmt.Sprintf(`document.getElementById('said').textContent.includes('New: ForeignSecret') && document.getElementById('said').textContent.includes(%q)`, late))
	stays()
	s.Delete(api.Secrets, late, s.Name("reg"))
	p.eventually(fmt.Sprintf(`document.querySelector('[data-region=problems]').textContent.includes('in %d namespaces')`, foreign))
	p.eventually(`document.getElementById('said').textContent.includes('Gone: ForeignSecret')`)
	stays()
	p.quiet()

	way.Close()
	p.eventually(`!!document.querySelector('.away') && document.querySelector('.away').textContent.includes('has not answered since')`)
	if got := len(p.visible("#matrix tbody tr")); got == 0 {
		t.Error("what was known is not shown any more")
	}
	stays()
	way.Open()
	p.eventually(`!document.querySelector('.away')`)
	s.Merge(api.Namespaces, "", late, `{"metadata":{"labels":{"pull":"no"}}}`)
	p.eventually(fmt.Sprintf(`document.querySelector('#rules tbody td').textContent === '%d'`, size))

	// What explain says, of one that has a problem.
	p.run(chromedp.Navigate(at+"?q="+troubled[1]), chromedp.WaitVisible("#h-explained"))
	if all := strings.Join(p.visible("[data-region=explained] .text"), "\n"); !strings.Contains(all, "ForeignSecret") || !strings.Contains(all, "rule hub: selects it") {
		t.Errorf("explain says\n%s", all)
	}
	p.quiet()
	for _, query := range []string{"", "?q=" + troubled[1], "?q=" + late} {
		if text := get(t, at+query); strings.Contains(text, harness.Canary) {
			t.Errorf("%s: the page holds a credential", query)
		}
	}
}
