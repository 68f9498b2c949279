package cli

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/peterbourgon/ff/v3"
	"github.com/rs/zerolog"

	"github.com/pullsecrets/pullsecrets/internal/reconcile"
)

func TestPprofIsForThisMachineOnly(t *testing.T) {
	for addr, ok := range map[string]bool{
		"": true, "localhost:6060": true, "127.0.0.1:0": true, "127.1.2.3:1": true, "[::1]:6060": true,
		":6060": false, "0.0.0.0:6060": false, "[::]:6060": false, "10.0.0.1:6060": false, "example.com:6060": false,
		"localhost.example.com:6060": false, "6060": false, "[::ffff:10.0.0.1]:1": false,
	} {
		err := checkLoopback(addr)
		if (err == nil) != ok {
			t.Errorf("%q: %v", addr, err)
		}
		if err != nil && !strings.Contains(err.Error(), "-pprof-addr "+addr) {
			t.Errorf("the error does not name the flag: %v", err)
		}
	}
}

func TestPprofDoesNotTellTheCommandLine(t *testing.T) {
	for path, want := range map[string]int{"/debug/pprof/": 200, "/debug/pprof/heap": 200, "/debug/pprof/cmdline": 404} {
		recorder := httptest.NewRecorder()
		pprofHandler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
		if recorder.Code != want {
			t.Errorf("%s: %d, want %d", path, recorder.Code, want)
		}
	}
}

func TestAnEmptyVariableOfAnAddressMeansNone(t *testing.T) {
	for _, tt := range []struct {
		variable *string
		args     []string
		want     string
	}{
		{nil, nil, ":8080"},
		{new(""), nil, ""},
		{new(":9"), nil, ":9"},
		{new(""), []string{"-metrics-addr", ":7"}, ":7"},
	} {
		t.Setenv("PULLSECRETS_METRICS_ADDR", "") // restores it in the end
		os.Unsetenv("PULLSECRETS_METRICS_ADDR")
		if tt.variable != nil {
			t.Setenv("PULLSECRETS_METRICS_ADDR", *tt.variable)
		}
		f, fs := &runFlags{ancestor: newAncestor()}, newFlagSet("run", io.Discard)
		f.register(fs)
		if err := ff.Parse(fs, tt.args, options()...); err != nil {
			t.Fatal(err)
		}
		if f.metricsAddr != tt.want || f.healthAddr != ":8081" {
			t.Errorf("%v: metrics on %q, want %q; health on %q", tt.args, f.metricsAddr, tt.want, f.healthAddr)
		}
	}
}

func TestABusyPortIsAClearErrorAndLeavesNoneOpen(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	free.Close()
	c := reconcile.New(reconcile.Config{Log: zerolog.Nop()})
	_, err = (&runFlags{healthAddr: addr, metricsAddr: busy.Addr().String()}).serve(c, zerolog.Nop())
	if err == nil || !strings.Contains(err.Error(), "-metrics-addr "+busy.Addr().String()) {
		t.Fatalf("the error is %v", err)
	}
	again, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("the other port stayed open: %v", err)
	}
	again.Close()
}

// TestABusyPortThatNobodyAskedForIsAWarning holds for the health port in the mode of imagepullsecret-patcher.
func TestABusyPortThatNobodyAskedForIsAWarning(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	var log bytes.Buffer
	stop, err := (&runFlags{healthAddr: busy.Addr().String(), healthOptional: true}).serve(reconcile.New(reconcile.Config{Log: zerolog.Nop()}), zerolog.New(&log))
	if err != nil {
		t.Fatal(err)
	}
	stop()
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `"level":"warn"`) || !strings.Contains(got, "-health-addr "+busy.Addr().String()) {
		t.Errorf("the log is %s", got)
	}
}

func TestWhatIsServed(t *testing.T) {
	c := reconcile.New(reconcile.Config{Log: zerolog.Nop(), Version: "v9"})
	get := func(h http.Handler, path string) (int, string) {
		recorder := httptest.NewRecorder()
		h.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
		return recorder.Code, recorder.Body.String()
	}
	if code, text := get(metricsHandler(c.Metrics()), "/metrics"); code != 200 || !strings.Contains(text, `version="v9"`) {
		t.Errorf("/metrics: %d %s", code, text)
	}
	if code, _ := get(healthHandler(c), "/readyz"); code != 503 {
		t.Errorf("/readyz before the caches are settled: %d", code)
	}
	if code, _ := get(healthHandler(c), "/healthz"); code != 200 {
		t.Errorf("/healthz: %d", code)
	}
}

// waiting is a controller that is not ready.
type waiting []string

func (waiting) Ready() bool { return false }

func (w waiting) Unsettled() []string { return w }

func TestReadyzSaysWhatIsWaitedFor(t *testing.T) {
	recorder := httptest.NewRecorder()
	healthHandler(waiting{"namespaces in all namespaces, since ever", "and 3 more"}).ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	want := "the caches are not settled yet\nnamespaces in all namespaces, since ever\nand 3 more\n"
	if got := recorder.Body.String(); recorder.Code != http.StatusServiceUnavailable || got != want {
		t.Errorf("%d %q", recorder.Code, got)
	}
}
