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

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// requests reads the API server's own count of requests for what the controller has to do with, but for list and
// watch.
func (s *sandbox) requests() map[string]int {
	s.T.Helper()
	client, err := rest.HTTPClientFor(s.Config)
	harness.Must(s.T, err)
	resp, err := client.Get(s.Config.Host + "/metrics")
	harness.Must(s.T, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	harness.Must(s.T, err)
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
	s.Alone() // the end of a namespace makes requests and changes the counts
	s.Source("hub", api.Credential("hub.example", "one"))
	for i := range 20 {
		s.Namespace(fmt.Sprintf("n%d", i))
	}
	r := s.Start()
	s.Revised("Ready", harness.OneRule)
	s.WantStatusOf("hub", 20)
	r.Stop()

	before := s.requests()
	r = s.Start()
	s.Eventually("every namespace was tried", func() error {
		if !r.Controller.Ready() || len(r.Lines("the policy was accepted")) == 0 {
			return fmt.Errorf("not yet")
		}
		return nil
	})
	// That nothing happens cannot be waited for: this is long enough for what would be written to be written.
	time.Sleep(7 * time.Second)
	after := s.requests()
	r.Stop()
	maps.DeleteFunc(after, func(k string, n int) bool { return n == before[k] })
	for _, k := range slices.Sorted(maps.Keys(after)) {
		t.Errorf("%s: %d requests", k, after[k]-before[k])
	}
	if lines := r.Lines(`"reason"`); len(lines) > 0 {
		t.Errorf("it did something:\n%s", strings.Join(lines, "\n"))
	}
}
