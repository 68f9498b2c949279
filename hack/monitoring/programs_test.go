package monitoring

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
)

// prometheusModule is what Prometheus and promtool are built of, at the version in go.mod.
const prometheusModule = "github.com/prometheus/prometheus"

// programs returns the folder of prometheus and promtool. They are built once, without the service discoveries that nobody
// needs here, and kept in the user's cache folder.
var programs = sync.OnceValues(func() (string, error) {
	version, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", prometheusModule).Output()
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(cache, "pullsecrets", "prometheus", strings.TrimSpace(string(version))+"-"+runtime.Version())
	if _, err := os.Stat(folder); err == nil {
		return folder, nil
	}
	building := fmt.Sprintf("%s.%d", folder, os.Getpid())
	defer os.RemoveAll(building)
	if err := os.MkdirAll(building, 0o755); err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-tags", "remove_all_sd", "-trimpath", "-ldflags", "-s -w", "-o", building+"/",
		prometheusModule+"/cmd/prometheus", prometheusModule+"/cmd/promtool")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	err = os.Rename(building, folder)
	if _, missing := os.Stat(folder); missing == nil {
		return folder, nil // be it that another test was faster
	}
	return folder, err
})

// program is the path of one of them.
func program(t *testing.T, name string) string {
	t.Helper()
	folder, err := programs()
	must(t, err)
	return filepath.Join(folder, name)
}

// process is a program that runs until the test ends.
type process struct {
	cmd   *exec.Cmd
	log   *harness.Buffer
	ended chan struct{}
}

func start(t *testing.T, path string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(path, args...), log: &harness.Buffer{}, ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	must(t, p.cmd.Start())
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // the exit status is in ProcessState
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			log := p.log.String()
			t.Logf("the end of the log of %s:\n%s", filepath.Base(path), log[max(0, len(log)-6000):])
		}
	})
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// target is a process that Prometheus collects from, with the labels that a PodMonitor would give it.
type target struct{ address, job, pod, instance string }

// server is a Prometheus that runs.
type server struct {
	t       *testing.T
	address string
}

// startPrometheus starts one with our rules, which collects every second.
func startPrometheus(t *testing.T, targets []target) *server {
	t.Helper()
	folder := t.TempDir()
	text, err := toYAML(ruleGroups())
	must(t, err)
	must(t, os.WriteFile(folder+"/rules.yaml", text, 0o600))
	config := "global: {scrape_interval: 1s, scrape_timeout: 900ms, evaluation_interval: 5s}\nrule_files: [rules.yaml]\nscrape_configs:\n"
	for i, one := range targets {
		config += fmt.Sprintf("- {job_name: t%d, static_configs: [{targets: [%q], labels: {job: %q, namespace: pullsecrets, pod: %q, instance: %q}}]}\n",
			i, one.address, one.job, one.pod, one.instance)
	}
	must(t, os.WriteFile(folder+"/prometheus.yaml", []byte(config), 0o600))
	s := &server{t, freeAddress(t)}
	start(t, program(t, "prometheus"), "--config.file", folder+"/prometheus.yaml", "--storage.tsdb.path", folder+"/data",
		"--web.listen-address", s.address, "--log.level", "warn")
	harness.Eventually(t, harness.Patient, "Prometheus is ready", func() error {
		response, err := http.Get("http://" + s.address + "/-/ready")
		if err == nil {
			defer response.Body.Close()
			if response.StatusCode != http.StatusOK {
				err = fmt.Errorf("%s", response.Status)
			}
		}
		return err
	})
	return s
}

// series is a time series that a query returned: its labels, and seconds with values.
type series struct {
	Metric map[string]string
	Values [][2]any
}

// ask asks for what a query returned between two times, each step.
func (s *server) ask(query string, from, to time.Time, step time.Duration) ([]series, error) {
	response, err := http.PostForm("http://"+s.address+"/api/v1/query_range", url.Values{
		"query": {query}, "start": {fmt.Sprint(from.Unix())}, "end": {fmt.Sprint(to.Unix())}, "step": {fmt.Sprint(step.Seconds())},
	})
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Status, Error string
		Data          struct{ Result []series }
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, err
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("%s: %s", query, answer.Error)
	}
	return answer.Data.Result, nil
}

// range1 is ask with a step of a second, and no error.
func (s *server) range1(query string, from, to time.Time) []series {
	s.t.Helper()
	result, err := s.ask(query, from, to, time.Second)
	must(s.t, err)
	return result
}

// until waits until a query returns something, or nothing any more.
func (s *server) until(what, query string, there bool, within time.Duration) {
	s.t.Helper()
	harness.Eventually(s.t, within, what, func() error {
		now := time.Now()
		result, err := s.ask(query, now, now, time.Second)
		if err == nil && (len(result) > 0) != there {
			err = fmt.Errorf("%s returns %v", query, result)
		}
		time.Sleep(200 * time.Millisecond) // it collects once in a second
		return err
	})
}
