package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestAPlanInEachForm plans a policy against a dump; what comes of it stands beside them. To accept it as it is:
// go test ./internal/cli -run EachForm -update
func TestAPlanInEachForm(t *testing.T) {
	for _, form := range []string{"text", "json", "markdown"} {
		var out, errs bytes.Buffer
		status := Main(context.Background(), []string{"plan", "-f", "testdata/plan/policy.yaml", "-cluster", "testdata/plan/cluster.yaml", "-o", form},
			strings.NewReader(""), &out, &errs)
		if status != 1 || errs.Len() > 0 {
			t.Fatalf("%s: status %d, want 1\n%s", form, status, errs.String())
		}
		file := "testdata/plan/want." + form
		if *update {
			if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), out.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", form, diff)
		}
	}
}

func TestADumpThatCannotBeTheWholeClusterIsDoubted(t *testing.T) {
	var out, errs bytes.Buffer
	const dump = `{"kind": "List", "apiVersion": "v1", "items": [
		{"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "a", "managedFields": [{"manager": "x"}]}},
		{"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "b"}},
		{"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "c"}},
		{"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default", "namespace": "a"}}]}`
	status := Main(context.Background(), []string{"plan", "-f", "testdata/plan/policy.yaml", "-cluster", "-"}, strings.NewReader(dump), &out, &errs)
	if status != 0 {
		t.Errorf("status %d\n%s", status, errs.String())
	}
	for _, want := range []string{"holds no Secret at all", "only 1 of 3 namespaces", "-A"} {
		if !strings.Contains(errs.String(), want) {
			t.Errorf("not doubted for %q:\n%s", want, errs.String())
		}
	}
}

// What is wrong with a source is told in each form, with host, field and cause, and without the value.
func TestAPlanSaysWhatIsWrongWithASource(t *testing.T) {
	dump, err := os.ReadFile("testdata/plan/cluster.yaml")
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.StdEncoding.EncodeToString
	for before, after := range map[string]string{
		`{"auths": {"hub.example": {"username": "robot", "password": "one"}}}`:  `{"auths": {"hub.example": {"username": "robot", "password": "s3cret\n"}}}`,
		`{"auths": {"quay.example": {"username": "robot", "password": "one"}}}`: `{"auths": {"quay.example": {"auth": "robot:s3cret"}}}`,
	} {
		if !bytes.Contains(dump, []byte(encode([]byte(before)))) {
			t.Fatalf("the dump has no source %s", before)
		}
		dump = bytes.ReplaceAll(dump, []byte(encode([]byte(before))), []byte(encode([]byte(after))))
	}
	const cause = "auth of quay.example is not base64, but plain text with a colon: it has to be base64 of username:password"
	const warning = "password of hub.example ends in a newline, as it comes from echo or a file: encode it without (echo -n, printf %s)"
	for form, wants := range map[string][]string{
		"text":     {"(SourceInvalid, BadAuth)", cause, "warning: source pullsecrets/hub: " + warning + " (SourceDoubtful)"},
		"json":     {`"defect": "BadAuth"`, cause, `"sourceWarnings": [`, `"source": "pullsecrets/hub"`, `"reason": "SourceDoubtful"`, `"message": "` + warning},
		"markdown": {"(SourceInvalid, BadAuth)", cause, "**warning:** source `pullsecrets/hub`: " + warning + " (SourceDoubtful)"},
	} {
		var out, errs bytes.Buffer
		Main(context.Background(), []string{"plan", "-f", "testdata/plan/policy.yaml", "-cluster", "-", "-o", form}, bytes.NewReader(dump), &out, &errs)
		for _, want := range wants {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s lacks %q:\n%s%s", form, want, &out, &errs)
			}
		}
		if strings.Contains(out.String()+errs.String(), "s3cret") {
			t.Errorf("%s has the credential:\n%s", form, &out)
		}
	}
}

// What the controller has tried in vain is pending for ever: a plan tells what the status knows of it.
func TestAPlanTellsWhatTheControllerCouldNotDo(t *testing.T) {
	dump, err := os.ReadFile("testdata/plan/cluster.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const status = `, "status.json": '{"problemCount": 3, "problems": [` +
		`{"kind": "Secret", "name": "regcred", "reason": "WriteFailed", "detail": "no secrets here", "namespaces": 3, "example": "team-a", "others": ["team-b", "nobody"]},` +
		`{"kind": "Secret", "name": "regcred", "reason": "PruneHeld", "detail": "held", "namespaces": 1, "example": "team-a"},` +
		`{"kind": "Secret", "name": "other", "reason": "Altered", "detail": "altered", "namespaces": 1, "example": "team-a"}]}'`
	before := []byte(`{names: "gone\nquay\nregcred"`)
	if !bytes.Contains(dump, before) {
		t.Fatalf("the dump has no status %s", before)
	}
	dump = bytes.ReplaceAll(dump, before, append(before, status...))
	for form, want := range map[string]string{
		"text":     "warning: secret regcred: the controller has tried this and could not: WHERE: no secrets here (WriteFailed)",
		"json":     `"message": "no secrets here"`,
		"markdown": "**warning:** secret `regcred`: the controller has tried this and could not: WHERE: no secrets here (WriteFailed)",
	} {
		var out, errs bytes.Buffer
		Main(context.Background(), []string{"plan", "-f", "testdata/plan/policy.yaml", "-cluster", "-", "-o", form}, bytes.NewReader(dump), &out, &errs)
		if want = strings.ReplaceAll(want, "WHERE", "team-a"); !strings.Contains(out.String(), want) {
			t.Errorf("%s lacks %q:\n%s%s", form, want, &out, &errs)
		}
		if strings.Contains(out.String(), "held (PruneHeld)") || strings.Contains(out.String(), "altered") {
			t.Errorf("%s tells what it decides itself, or what is not pending:\n%s", form, &out)
		}
	}
}

// TestACommentIsNoPlaceForATenantsMarkup has what a tenant may name as he likes in a plan for a comment: the field manager of
// a secret.
func TestACommentIsNoPlaceForATenantsMarkup(t *testing.T) {
	const hostile = "@all ![x](https://evil.example/x) <b>`|"
	dump, err := os.ReadFile("testdata/plan/cluster.yaml")
	if err != nil {
		t.Fatal(err)
	}
	manager, err := json.Marshal(hostile)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(dump), "manager: helm", "manager: "+string(manager))
	var out, errs bytes.Buffer
	Main(context.Background(), []string{"plan", "-f", "testdata/plan/policy.yaml", "-cluster", "-", "-o", "markdown"}, strings.NewReader(text), &out, &errs)
	for _, want := range []string{"`` a secret of this name exists", strings.ReplaceAll(hostile, "|", `\|`) + "\" `` |"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it lacks %q:\n%s%s", want, &out, &errs)
		}
	}
}

// TestACommentIsOneThatGitHubTakes plans for more namespaces with something of their own than a comment can name.
func TestACommentIsOneThatGitHubTakes(t *testing.T) {
	secret := func(namespace, name, manager, registry string) string {
		return fmt.Sprintf(`{"kind": "Secret", "apiVersion": "v1", "type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": %q},
			"metadata": {"name": %q, "namespace": %q, "managedFields": [{"manager": %q, "operation": "Update", "apiVersion": "v1",
			"fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:.dockerconfigjson": {}}}}]}}`,
			base64.StdEncoding.EncodeToString([]byte(`{"auths": {"`+registry+`": {"username": "a", "password": "b"}}}`)), name, namespace, manager)
	}
	items := []string{secret("pullsecrets", "hub", "kubectl", "hub.example")}
	for i := range 1000 {
		team := fmt.Sprintf("team-%d", i)
		items = append(items, secret(team, "regcred", "tool-of-"+team, "old.example"),
			fmt.Sprintf(`{"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": %q}}`, team),
			fmt.Sprintf(`{"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default", "namespace": %q}}`, team))
	}
	dump := `{"kind": "List", "apiVersion": "v1", "items": [` + strings.Join(items, ",") + "]}"
	var out, errs bytes.Buffer
	Main(context.Background(), []string{"plan", "-f", "testdata/plan/policy.yaml", "-cluster", "-", "-o", "markdown"}, strings.NewReader(dump), &out, &errs)
	if out.Len() > 65_000 || out.Len() < 50_000 || !strings.HasSuffix(out.String(), "`pullsecrets plan` has all of it\n") {
		t.Errorf("%d bytes, and at the end %q\n%s", out.Len(), out.String()[max(0, out.Len()-200):], &errs)
	}
}
