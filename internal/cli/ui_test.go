package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// shownText is what a command prints while it runs.
type shownText struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (p *shownText) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.Write(text)
}

func (p *shownText) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.String()
}

// uiOf runs ui until the test ends, and returns its address when it is printed.
func uiOf(t *testing.T, args ...string) (address string, stderr *shownText) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	stdout, stderr := &shownText{}, &shownText{}
	ended := make(chan int, 1)
	go func() { ended <- Main(ctx, append([]string{"ui"}, args...), strings.NewReader(""), stdout, stderr) }()
	t.Cleanup(func() {
		cancel()
		if status := <-ended; status != 0 {
			t.Errorf("it ends with %d: %s", status, stderr)
		}
	})
	eventually(t, func() bool {
		address, _, _ = strings.Cut(stdout.String(), "\n")
		return strings.HasPrefix(address, "http://127.0.0.1:")
	})
	return address, stderr
}

func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	for range 600 {
		if condition() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("it does not come about")
}

// TestUIOpensABrowser with an address that holds no token, which leads to the page, once.
func TestUIOpensABrowser(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("another program opens addresses here")
	}
	folder := t.TempDir()
	opened := filepath.Join(folder, "opened")
	if err := os.WriteFile(filepath.Join(folder, "xdg-open"), []byte("#!/bin/sh\necho \"$1\" >"+opened+".part; mv "+opened+".part "+opened+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
	address, _ := uiOf(t, "-open", "-dump", "testdata/coverage/cluster.yaml")
	var given string
	eventually(t, func() bool {
		text, err := os.ReadFile(opened)
		given = strings.TrimSpace(string(text))
		return err == nil
	})
	token := strings.Split(address, "/")[3]
	if !strings.Contains(given, "/open/") || strings.Contains(given, token) {
		t.Errorf("the browser is given %s", given)
	}
	for i, want := range []int{http.StatusOK, http.StatusNotFound} {
		answer, err := http.Get(given)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("the %d. time it is %s", i+1, answer.Status)
		}
		if want == http.StatusOK && (!strings.Contains(string(text), "There is no policy") || answer.Request.URL.String() != address) {
			t.Errorf("it leads to %s:\n%s", answer.Request.URL, text)
		}
	}
}

func TestUIWithoutABrowser(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("another program opens addresses here")
	}
	t.Setenv("PATH", t.TempDir())
	_, stderr := uiOf(t, "-open", "-dump", "testdata/coverage/cluster.yaml")
	eventually(t, func() bool { return strings.Contains(stderr.String(), "open the address yourself") })
}

func TestUIRefuses(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-addr", "0.0.0.0:0"}, "the page is for this machine only"},
		{[]string{"-addr", ":8090"}, "the page is for this machine only"},
		{[]string{"-addr", "8090"}, "give a host and a port"},
		{[]string{"shop"}, "the page has a search"},
		{[]string{"-namespace", "A"}, "is not the name of a namespace"},
		{[]string{"-dump", "nowhere.yaml"}, "-dump takes the file of a dump"},
	} {
		var stdout, stderr bytes.Buffer
		status := Main(context.Background(), append([]string{"ui"}, c.args...), strings.NewReader(""), &stdout, &stderr)
		if status != 1 || !strings.Contains(stderr.String(), c.want) || stdout.Len() > 0 {
			t.Errorf("%s: %d, %s%s", fmt.Sprint(c.args), status, &stdout, &stderr)
		}
	}
}

// TestUICommandsNameTheCluster that the page is about, also where another context is made the current one while it is open.
func TestUICommandsNameTheCluster(t *testing.T) {
	in := statusCases()["held"].input(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		of := map[string]*cluster.ConfigMap{in.PolicyName: in.Policy, in.StatusName: in.Status}[path.Base(r.URL.Path)]
		w.Header().Set("Content-Type", "application/json")
		if of == nil { // the page reads what may not be watched
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403}`)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": path.Base(r.URL.Path), "annotations": of.Annotations}, "data": of.Data, "binaryData": of.BinaryData,
		})
	}))
	t.Cleanup(server.Close)
	kubeconfig := kubeconfigOf(t, server.URL)
	address, _ := uiOf(t, "-kubeconfig", kubeconfig, "-namespace", "pullsecrets")
	var text string
	eventually(t, func() bool {
		response, err := http.Get(address)
		if err != nil {
			return false
		}
		defer response.Body.Close()
		page, _ := io.ReadAll(response.Body)
		text = html.UnescapeString(string(page))
		return strings.Contains(text, "confirm-prune=")
	})
	if want := "kubectl --kubeconfig=" + kubeconfig + " --context=a -n pullsecrets annotate"; !strings.Contains(text, want) {
		t.Errorf("%q is not on the page", want)
	}
}
