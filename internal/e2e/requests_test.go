package e2e

import (
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
)

// requests reads the API server's own count of requests for what the controller has to do with, but for list and
// watch.
func (s *sandbox) requests() map[string]int {
	s.t.Helper()
	client, err := rest.HTTPClientFor(s.config)
	must(s.t, err)
	resp, err := client.Get(s.config.Host + "/metrics")
	must(s.t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(s.t, err)
	counts := map[string]int{}
	for line := range strings.SplitSeq(string(text), "\n") {
		m := requestLine.FindStringSubmatch(line)
		if m == nil || !watched[label(m[1], "resource")] {
			continue
		}
		switch verb := label(m[1], "verb"); verb {
		case "LIST", "WATCH":
		default:
			n, _ := strconv.ParseFloat(m[2], 64)
			counts[verb+" "+label(m[1], "resource")] += int(n)
		}
	}
	return counts
}

var (
	requestLine = regexp.MustCompile(`^apiserver_request_total\{(.*)\} (.*)$`)
	watched     = map[string]bool{"namespaces": true, "secrets": true, "serviceaccounts": true, "configmaps": true}
)

func label(labels, name string) string {
	_, after, _ := strings.Cut(labels, name+`="`)
	value, _, _ := strings.Cut(after, `"`)
	return value
}

func TestASecondRunOnAConvergedClusterWritesAndReadsNothing(t *testing.T) {
	s := newSandbox(t)
	s.alone() // the end of a namespace makes requests and changes the counts
	s.source("hub", credential("hub.example", "one"))
	for i := range 20 {
		s.namespace(fmt.Sprintf("n%d", i))
	}
	r := s.start()
	s.revised("Ready", oneRule)
	s.wantStatusOf(20)
	r.stop()

	before := s.requests()
	r = s.start()
	s.eventually("every namespace was tried", func() error {
		if !r.c.Ready() || len(r.lines("the policy was accepted")) == 0 {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	// That nothing happens cannot be waited for: this is long enough for what would be written to be written.
	time.Sleep(7 * time.Second)
	after := s.requests()
	r.stop()
	maps.DeleteFunc(after, func(k string, n int) bool { return n == before[k] })
	for _, k := range slices.Sorted(maps.Keys(after)) {
		t.Errorf("%s: %d requests", k, after[k]-before[k])
	}
	if lines := r.lines(`"reason"`); len(lines) > 0 {
		t.Errorf("it did something:\n%s", strings.Join(lines, "\n"))
	}
}

// wantStatusOf waits until status.json counts this many copies of rule hub.
func (s *sandbox) wantStatusOf(copies int) {
	s.t.Helper()
	s.eventually("the status counts the copies", func() error {
		data, _ := s.get(configMaps, home, "pullsecrets-status").Object["data"].(map[string]any)
		if text, _ := data["status.json"].(string); !strings.Contains(text, fmt.Sprintf(`"hub": %d`, copies)) {
			return fmt.Errorf("%s", text)
		}
		return nil
	})
}
