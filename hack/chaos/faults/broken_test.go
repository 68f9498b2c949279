package faults

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/hack/chaos/proxy"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// broken are rows in which what must not happen happens, by hand. They are played only for TestEachCheckFails.
var broken = []struct {
	row
	complaint string // of the row
}{
	{row{name: "broken-entry", begin: byHand(func(s *stage) error {
		_, err := s.Lab.Client.Resource(api.Accounts).Namespace("chaos-002").Patch(s.t.Context(), "default", types.JSONPatchType,
			[]byte(`[{"op":"remove","path":"/imagePullSecrets/0"}]`), metav1.PatchOptions{})
		return err
	})}, "1 lost, such as service account chaos-002/default"},
	{row{name: "broken-copy", begin: byHand(func(s *stage) error {
		return s.Lab.Client.Resource(api.Secrets).Namespace("chaos-002").Delete(s.t.Context(), "chaos-hub", metav1.DeleteOptions{})
	})}, "1 made twice, such as chaos-002/chaos-hub"},
	{row{name: "broken-for-ever", begin: func(s *stage) func() {
		s.Proxy.Inject(proxy.On(proxy.Writes, proxy.Answer(500, 0)))
		return func() {}
	}}, "it is right again: not in"},
	{row{name: "broken-loop", begin: func(s *stage) func() {
		go writeForEver(s)
		return func() {}
	}}, "nothing is to be done, and"},
	{row{name: "broken-nothing", begin: inject(proxy.On(proxy.Named("nobody"), proxy.Reset()))}, "the fault met no request and no event"},
	{row{name: "broken-log", begin: byHand(func(s *stage) error {
		_, err := s.Programs[0].Log.Write([]byte(strings.Repeat(`{"level":"warn","message":"again 7"}`+"\n"+`{"level":"warn","message":"again 8"}`+"\n", 10)))
		return err
	})}, "the log says 20 times, more than 11: again"},
}

func byHand(do func(s *stage) error) func(s *stage) func() {
	return func(s *stage) func() {
		s.must(do(s))
		return func() {}
	}
}

// writeForEver makes a write that changes nothing, as the program, until the proxy is gone.
func writeForEver(s *stage) {
	_, client, err := api.Connect(s.Options.Kubeconfig)
	for err == nil {
		_, err = client.Resource(api.ConfigMaps).Namespace(api.Home).Patch(s.t.Context(), "pullsecrets-policy", types.MergePatchType, []byte(`{}`), metav1.PatchOptions{})
		time.Sleep(500 * time.Millisecond)
	}
}

// brokenRows are those, where this process was started to play them.
func brokenRows() (all []row) {
	if os.Getenv("CHAOS_BROKEN") == "" {
		return nil
	}
	for _, b := range broken {
		b.fault, b.during, b.lasts = "a hand", idle, time.Second
		all = append(all, b.row)
	}
	return all
}

// TestEachCheckFails plays rows in which something goes wrong, each in a process of its own, which has to fail.
func TestEachCheckFails(t *testing.T) {
	if os.Getenv("PULLSECRETS_TEST_KUBECONFIG") == "" {
		t.Skip("needs an API server: run make faults-test")
	}
	for _, b := range broken {
		t.Run(b.name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run", "^TestFaults$/^"+b.name+"$")
			cmd.Env = append(os.Environ(), "CHAOS_BROKEN=1", "CHAOS_NAMESPACES=8", "CHAOS_PATIENCE=30s")
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), b.complaint) {
				t.Errorf("it ended with %v and does not say %q:\n%s", err, b.complaint, out)
			}
		})
	}
}

// TestWritesThatAreHeldUpArriveOnce lets them go as a row does, and as its end does that failed before.
func TestWritesThatAreHeldUpArriveOnce(t *testing.T) {
	h := newHeldUp()
	wrote := make(chan struct{})
	go h.fault().Request(httptest.NewRecorder(), httptest.NewRequest("PATCH", "/api/v1/namespaces/a/secrets/x", nil),
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(wrote) }))
	for h.some() != nil {
		time.Sleep(time.Millisecond)
	}
	select {
	case <-wrote:
		t.Error("it was not held up")
	default:
	}
	h.arrive()
	h.letGo()
	<-wrote
}

func TestLinesOfALogAreCounted(t *testing.T) {
	var out result
	count(&out, []string{
		`{"level":"info","message":"copy created","namespace":"a","name":"x"}`,
		`{"level":"info","message":"copy created","namespace":"a","name":"x"}`,
		`{"level":"warn","message":"attempt 1 failed","namespace":"a","name":"x"}`,
		`{"level":"warn","message":"attempt 22 failed","namespace":"a","name":"x"}`,
		`{"level":"warn","message":"attempt 3 failed","namespace":"a","name":"x"}`,
		`{"level":"warn","message":"attempt 3 failed","namespace":"b","name":"x"}`,
		`{"level":"info","message":"no longer a problem"}`, `{"level":"info","message":"no longer a problem"}`,
		`{"level":"info","message":"no longer a problem"}`, `{"level":"info","message":"no longer a problem"}`,
		`panic: no JSON`,
	})
	if out.Lines != 9 || out.Repeated != 3 || out.Most != "attempt  failed" {
		t.Errorf("%+v", out)
	}
}

func TestANewerResultTakesThePlaceOfTheOlder(t *testing.T) {
	all := merge([]result{{Name: "gone"}, {Name: "b", Lines: 1}, {Name: "a"}}, result{Name: "b", Lines: 2}, []string{"a", "b", "c"})
	if len(all) != 2 || all[0].Name != "a" || all[1].Name != "b" || all[1].Lines != 2 {
		t.Errorf("%+v", all)
	}
}
