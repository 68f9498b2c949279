package registries

import (
	"crypto/tls"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what the commands print into docs/check.md")

// TestThePageShowsWhatIsReallyPrinted runs the commands of docs/check.md in a folder with the files that they name.
func TestThePageShowsWhatIsReallyPrinted(t *testing.T) {
	const page = "../../docs/check.md"
	content, err := os.ReadFile(page)
	must(t, err)
	folder, proxy := exampleFolder(t)
	ran := 0
	printed := regexp.MustCompile("(?s)```console\n(.*?)```").ReplaceAllStringFunc(string(content), func(block string) string {
		out := "```console\n"
		for line := range strings.Lines(block) {
			if typed, ok := strings.CutPrefix(line, "$ pullsecrets "); ok {
				ran++
				out += line + typedIn(t, folder, proxy, typed)
			}
		}
		return out + "```"
	})
	if ran < 3 {
		t.Errorf("%d commands were run", ran)
	}
	if *update {
		must(t, os.WriteFile(page, []byte(printed), 0o644))
		return
	}
	wantText(t, string(content), printed)
}

// exampleFolder has what the page's commands name: two registries of a private authority, of which the second has a token
// server and has revoked the password, behind a proxy that knows them.
func exampleFolder(t *testing.T) (folder, proxy string) {
	t.Helper()
	authority, certificate := certify(t, "quay.example.com", "registry.example.com")
	first, second := start(t, false, &certificate), start(t, true, &certificate)
	trusting := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // it is at an address
	first.pushBy(t, trusting, false, "team/app", "1.2")
	second.users.set(t, "robot", "the next one")
	folder = t.TempDir()
	for name, text := range map[string]string{
		"ca.pem":      string(authority),
		"config.json": config("registry.example.com", password),
		"cluster.yaml": dumpOf(map[string]string{"hub": config("registry.example.com", password), "quay": config("quay.example.com", password)},
			"{source: {name: hub}}, {source: {name: quay}}"),
	} {
		must(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	return folder, startProxy(t, map[string]string{"registry.example.com:443": first.host, "quay.example.com:443": second.host}).host
}

// typedIn is what a terminal shows. "; echo $?" shows the exit status.
func typedIn(t *testing.T, folder, proxy, typed string) string {
	t.Helper()
	line, echo := strings.CutSuffix(strings.TrimSpace(typed), "; echo $?")
	c := exec.CommandContext(t.Context(), program, strings.Fields(line)...)
	c.Dir, c.Env = folder, append(os.Environ(), "HTTPS_PROXY=http://"+proxy, "NO_PROXY=", "KUBECONFIG=/does/not/exist", "PULLSECRETS_TIMEOUT=1m") // the machine may be busy
	out, _ := c.CombinedOutput()
	if strings.Contains(string(out), password) {
		t.Errorf("%s leaks:\n%s", line, out)
	}
	if echo {
		return fmt.Sprintf("%s%d\n", out, c.ProcessState.ExitCode())
	}
	return string(out)
}
