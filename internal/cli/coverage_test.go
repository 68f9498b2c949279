package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pullsecrets/pullsecrets/internal/inspect/coverage"
)

const coverageFolder = "testdata/coverage/"

func covered(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	status = Main(context.Background(), append([]string{"coverage", "-namespace", "pullsecrets", "-f", coverageFolder + "policy.yaml"}, args...),
		strings.NewReader(""), &stdout, &stderr)
	return status, stdout.String(), stderr.String()
}

// TestCoverageInEachForm reports on a dump. To accept what stands beside it as it is: go test ./internal/cli -run CoverageInEachForm
// -update. The page is tried by hack/page.
func TestCoverageInEachForm(t *testing.T) {
	for _, form := range []string{"text", "json", "html"} {
		status, out, errs := covered(t, "-dump", coverageFolder+"cluster.yaml", "-o", form)
		if status != 1 || errs != "" {
			t.Fatalf("%s: status %d, want 1\n%s", form, status, errs)
		}
		if strings.Contains(out, "canary") || strings.Contains(out, base64.StdEncoding.EncodeToString([]byte("canary"))[:7]) {
			t.Errorf("%s holds a credential", form)
		}
		if form == "html" {
			continue
		}
		file := coverageFolder + "want." + form
		if *update {
			writeFile(t, file, []byte(out))
		}
		if diff := cmp.Diff(readText(t, file), out); diff != "" {
			t.Errorf("%s (-want +got):\n%s", form, diff)
		}
	}
}

// TestTheExampleOfCoverageIsWhatIsPrinted runs the command in docs/coverage.md. To write it anew: -run ExampleOfCoverage -update
func TestTheExampleOfCoverageIsWhatIsPrinted(t *testing.T) {
	const page = "../../docs/coverage.md"
	text := readText(t, page)
	ran := 0
	real := regexp.MustCompile("(?s)```console\n(\\$ pullsecrets ([^\n]*)\n).*?```").ReplaceAllStringFunc(text, func(block string) string {
		line, _, _ := strings.Cut(strings.TrimPrefix(block, "```console\n"), "\n")
		ran++
		return "```console\n" + line + "\n" + printedIn(t, coverageFolder, strings.TrimPrefix(line, "$ pullsecrets ")) + "```"
	})
	if ran != 1 {
		t.Errorf("%d commands were run", ran)
	}
	if *update && real != text {
		writeFile(t, page, []byte(real))
	} else if diff := cmp.Diff(text, real); diff != "" {
		t.Errorf("(-shown +printed):\n%s", diff)
	}
}

// The picture in docs/coverage.md is of the page as it is now. hack/page takes it, and notes the hash of the page.
func TestThePictureOfCoverageIsOfThisPage(t *testing.T) {
	_, page, _ := covered(t, "-dump", coverageFolder+"cluster.yaml", "-o", "html")
	page = regexp.MustCompile(`\d+ \w+ \d{4}, \d\d:\d\d UTC`).ReplaceAllString(page, "")
	if note := fmt.Sprintf("<!-- coverage.png: %x -->", sha256.Sum256([]byte(page))); !strings.Contains(readText(t, "../../docs/coverage.md"), note) {
		t.Error("docs/coverage.png is of an earlier page: make page-test TESTFLAGS=-update, and look at it")
	}
}

// The policy of the page names its one script and its one style by what they hash to, and permits nothing else.
func TestThePageRunsItsOwnScriptAlone(t *testing.T) {
	_, page, _ := covered(t, "-dump", coverageFolder+"cluster.yaml", "-o", "html")
	policy := regexp.MustCompile(`http-equiv="Content-Security-Policy" content="([^"]*)"`).FindStringSubmatch(page)
	if policy == nil {
		t.Fatal("the page has no policy")
	}
	want := "default-src 'none'"
	for _, part := range []struct{ directive, element string }{{"style-src", "style"}, {"script-src", "script"}} {
		found := regexp.MustCompile(`(?s)<`+part.element+`>(.*?)</`+part.element+`>`).FindAllStringSubmatch(page, -1)
		if len(found) != 1 {
			t.Fatalf("the page has %d times %s", len(found), part.element)
		}
		sum := sha256.Sum256([]byte(found[0][1]))
		want += fmt.Sprintf("; %s 'sha256-%s'", part.directive, base64.StdEncoding.EncodeToString(sum[:]))
	}
	want += "; base-uri 'none'; form-action 'none'"
	if got := strings.NewReplacer("&#39;", "'", "&#43;", "+").Replace(policy[1]); got != want {
		t.Errorf("the policy is\n%s, want\n%s", got, want)
	}
	if m := regexp.MustCompile(`(?i)(src|href|url)\s*[=(]\s*["']?(https?:)?//|@import| style="| on[a-z]+="`).FindString(page); m != "" {
		t.Errorf("the page has %q", m)
	}
}

// A report of a large cluster is bounded in text and page, and both say so.
func TestCoverageIsBounded(t *testing.T) {
	r := &coverage.Report{}
	for n := range 10000 {
		namespace, registry := fmt.Sprintf("namespace-%d", n%1500), fmt.Sprintf("r%d.example", n%40)
		i := coverage.Image{Namespace: namespace, Workload: fmt.Sprintf("Deployment/w%d", n), Container: "c", Image: registry + "/x", Registry: registry, State: coverage.None}
		r.Images = append(r.Images, i)
		r.Findings = append(r.Findings, coverage.Finding{Kind: coverage.ListHides, Alarm: true, Namespace: namespace, Workload: i.Workload, Container: "c", Image: i.Image})
		r.Unread = append(r.Unread, coverage.Unread{What: namespace})
	}
	for n := range 40 {
		r.Registries = append(r.Registries, coverage.Registry{Registry: fmt.Sprintf("r%d.example", n), Images: 250})
		s := coverage.Source{Source: fmt.Sprintf("pullsecrets/s%d", n), Status: "Usable"}
		for m := range 1500 {
			s.Holders = append(s.Holders, coverage.Holder{Namespace: fmt.Sprintf("namespace-%d", m), Secret: "s", Kind: "copy"})
		}
		r.Sources = append(r.Sources, s)
	}
	r.Totals = coverage.Totals{Images: 10000, Workloads: 10000, Namespaces: 1500, Alarms: 10000, States: map[coverage.State]int{coverage.None: 10000}}
	var text, page bytes.Buffer
	if err := writeCoverage(&text, r); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(text.String(), "\n"); lines > 200 || !strings.Contains(text.String(), "and 9980 more: -o json has all") {
		t.Errorf("%d lines:\n%s", lines, text.String())
	}
	if err := writeCoveragePage(&page, r, time.Time{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Shown are 400 of 1500 namespaces and 24 of 40 registries", "These are the first 2000 of 10000"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if rows := strings.Count(page.String(), "<tr"); rows > 6000 || page.Len() > 5<<20 {
		t.Errorf("the page has %d rows and %d bytes", rows, page.Len())
	}
}

// Where nothing needs somebody, that is what text and page say first; also that it is not all that there is.
func TestCoverageSaysThatAllIsWell(t *testing.T) {
	for _, c := range []struct {
		report coverage.Report
		want   string
	}{
		{coverage.Report{}, "Nothing needs somebody. There are no images.\n"},
		{coverage.Report{Unread: []coverage.Unread{{What: "pods", Text: "which"}}}, "Nothing needs somebody, as far as may be read. There are no images.\n"},
	} {
		var text, page bytes.Buffer
		if err := writeCoverage(&text, &c.report); err != nil || !strings.HasPrefix(text.String(), c.want) {
			t.Errorf("%v: %s", err, &text)
		}
		if err := writeCoveragePage(&page, &c.report, time.Time{}); err != nil || !strings.Contains(page.String(), "<h1>Nothing needs somebody") {
			t.Errorf("%v: %s", err, &page)
		}
	}
}

func TestCoverageSaysWhatItCannotTell(t *testing.T) {
	dump := coverageFolder + "cluster.yaml"
	for _, c := range []struct {
		why  string
		args []string
		want string
	}{
		{"an unknown form", []string{"-dump", dump, "-o", "xml"}, "one of text, json, html"},
		{"an argument", []string{"-dump", dump, "shop"}, "a namespace is named with -n"},
		{"no name of a namespace", []string{"-dump", dump, "-n", "Shop"}, `"Shop" is not the name of a namespace`},
		{"a namespace that is not there", []string{"-dump", dump, "-n", "nowhere"}, "read the namespace nowhere"},
		{"a glob with a scheme", []string{"-dump", dump, "-node-credentials", "https://x.example"}, "leave out https://"},
		{"a dump without pods", []string{"-dump", "testdata/plan/cluster.yaml"}, "the dump holds no pods and nothing that makes them"},
		{"no dump of a cluster", []string{"-dump", coverageFolder + "policy.yaml"}, "the dump holds no Namespace: make it with kubectl get … -A -o yaml --show-managed-fields; the command's -h"},
		{"both from standard input", []string{"-dump", "-", "-f", "-"}, "cannot both be standard input"},
	} {
		if status, out, errs := covered(t, c.args...); status != 2 || out != "" || !strings.Contains(errs, c.want) {
			t.Errorf("%s: status %d, want 2 and %q\n%s%s", c.why, status, c.want, out, errs)
		}
	}
}

// -n leaves the namespaces that are named, and -node-credentials adds to the policy's.
func TestCoverageOfSomeNamespaces(t *testing.T) {
	status, out, errs := covered(t, "-dump", coverageFolder+"cluster.yaml", "-o", "json", "-n", "search", "-n", "monitoring", "-node-credentials", "quay.io,docker.io/grafana")
	if status != 0 {
		t.Fatalf("status %d, want 0: %s", status, errs)
	}
	var r coverage.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	want := map[coverage.State]int{coverage.Covered: 1, coverage.Nodes: 5, coverage.None: 1}
	if diff := cmp.Diff(want, r.Totals.States); diff != "" || strings.Join(r.Namespaces, " ") != "monitoring search" {
		t.Errorf("%v (-want +got):\n%s", r.Namespaces, diff)
	}
}

// Nobody stands in the way of a later reader of the dump: it is only text.
func TestTheDumpOfCoverageHoldsWhatTheTestLooksFor(t *testing.T) {
	text, err := os.ReadFile(coverageFolder + "cluster.yaml")
	if err != nil {
		t.Fatal(err)
	}
	value := regexp.MustCompile(`"\.dockerconfigjson": "([^"]+)"`).FindSubmatch(text)
	if decoded, err := base64.StdEncoding.DecodeString(string(value[1])); err != nil || !strings.Contains(string(decoded), "canary") {
		t.Errorf("no credential in the dump has the word: %v", err)
	}
}

// Each alarm is counted in the first sentence under its own words, and a useless source is none to be renewed.
func TestTheVerdictNamesEachAlarm(t *testing.T) {
	r := &coverage.Report{Totals: coverage.Totals{Alarms: 4}, Findings: []coverage.Finding{
		{Kind: coverage.BrokenSecret, Alarm: true}, {Kind: coverage.BrokenSecret, Alarm: true}, {Kind: coverage.SourceUnusable, Alarm: true},
		{Kind: "SourceExpired", Alarm: true}, {Kind: coverage.SourceUnusable},
	}}
	want := "4 things need somebody: 2 images whose pull secrets the kubelet cannot read, 1 source that cannot be copied, 1 source to be renewed."
	if got := coverageVerdict(r).String(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
