package cli

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/pullsecrets/pullsecrets/internal/cli/policyfile"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

const byteOrderMark = "\ufeff"

func inUTF16(order binary.AppendByteOrder, text string) string {
	var out []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		out = order.AppendUint16(out, unit)
	}
	return string(out)
}

// forms are the ways in which editors and shells write one and the same text, and what they make of it.
var forms = map[string]func(string) string{
	"as it is":                   func(s string) string { return s },
	"a byte order mark":          func(s string) string { return byteOrderMark + strings.TrimPrefix(s, byteOrderMark) },
	"line ends of Windows":       func(s string) string { return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n") },
	"line ends of old Macs":      func(s string) string { return strings.ReplaceAll(s, "\n", "\r") },
	"PowerShell's >":             func(s string) string { return inUTF16(binary.LittleEndian, byteOrderMark+s) },
	"UTF-16BE":                   func(s string) string { return inUTF16(binary.BigEndian, byteOrderMark+s) },
	"UTF-16LE without its mark":  func(s string) string { return inUTF16(binary.LittleEndian, s) },
	"UTF-16BE without its mark":  func(s string) string { return inUTF16(binary.BigEndian, s) },
	"Latin-1 in a comment":       func(s string) string { return s + "\n# caf\xe9\n" },
	"a zero byte":                func(s string) string { return s + "\n# \x00\n" },
	"spaces that do not break":   func(s string) string { return strings.ReplaceAll(s, "\n  ", "\n\u00a0\u00a0") },
	"spaces of no width":         func(s string) string { return strings.ReplaceAll(s, ": ", ":\u200b ") },
	"a comment with every space": func(s string) string { return s + "\n# \u00a0\u2007\u202f\u3000\u200b\n" },
}

// TestAFileIsJudgedAsTheConfigMapThatIsMadeOfIt holds for every document of the policy's tests, in every form: what
// validate says of the file, and of the manifest, is what the controller says of the ConfigMap.
func TestAFileIsJudgedAsTheConfigMapThatIsMadeOfIt(t *testing.T) {
	paths, err := filepath.Glob("../policy/testdata/*/*.txtar")
	if err != nil || len(paths) < 70 {
		t.Fatalf("%d files: %v", len(paths), err)
	}
	accepted := map[string]int{}
	for _, path := range paths {
		a, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Files[:len(a.Files)-1] {
			if !policy.IsDocument(f.Name) {
				continue
			}
			for form, write := range forms {
				if judgedAlike(t, path+", "+f.Name+", "+form, write(string(f.Data))) {
					accepted[form]++
				}
			}
		}
	}
	for _, form := range []string{"a byte order mark", "line ends of Windows", "a comment with every space"} {
		if accepted[form] != accepted["as it is"] || accepted[form] == 0 {
			t.Errorf("%d documents are accepted as they are, %d with %s", accepted["as it is"], accepted[form], form)
		}
	}
	for _, form := range []string{"PowerShell's >", "UTF-16BE", "UTF-16LE without its mark", "UTF-16BE without its mark", "Latin-1 in a comment", "a zero byte"} {
		if accepted[form] > 0 {
			t.Errorf("%d documents are accepted with %s", accepted[form], form)
		}
	}
}

// judgedAlike reports whether the content of a file is accepted.
func judgedAlike(t *testing.T, what, content string) bool {
	t.Helper()
	data, encoded := map[string]string{}, map[string][]byte{}
	manifest := map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "pullsecrets-policy"}}
	if utf8.ValidString(content) { // as kubectl create configmap --from-file
		data["policy.yaml"] = content
		manifest["data"] = data
	} else {
		encoded["policy.yaml"] = []byte(content)
		manifest["binaryData"] = map[string]any{"policy.yaml": base64.StdEncoding.EncodeToString([]byte(content))}
	}
	opts := policy.Options{Namespace: "pullsecrets", SourceNamespaces: []string{"allowed"}}
	live, problems := policy.Parse(policy.Documents(data, encoded), opts)
	var want []string
	for _, p := range problems {
		want = append(want, p.Message)
	}
	inJSON, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	escaped := strings.ReplaceAll(string(inJSON), "\u0085", `\u0085`) // for YAML, which reads it as a line end
	for from, text := range map[string]string{"a file": content, "a manifest": escaped} {
		source, err := policyfile.Read(policyfile.Query{File: "-", Name: "pullsecrets-policy", Namespace: "pullsecrets"}, strings.NewReader(text))
		if err != nil {
			if live != nil {
				t.Errorf("%s: accepted live, but of %s it is said: %v", what, from, err)
			}
			continue
		}
		p, findings := source.Parse(opts)
		var got []string
		for _, f := range findings {
			got = append(got, f.Message)
		}
		if diff := cmp.Diff(want, got); diff != "" || (p == nil) != (live == nil) {
			t.Errorf("%s (-live +%s):\n%s", what, from, diff)
		}
	}
	return live != nil
}

func TestADumpIsReadInEveryFormThatIsText(t *testing.T) {
	const dump = `{"kind": "List", "apiVersion": "v1", "items": [{"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "a"}}]}` + "\n"
	const inYAML = "kind: List\napiVersion: v1\nitems:\n- kind: Namespace\n  apiVersion: v1\n  metadata:\n    name: a\n"
	for _, text := range []string{dump, inYAML} {
		for _, form := range []string{"as it is", "a byte order mark", "line ends of Windows"} {
			objects, err := readDump("cluster", "-", strings.NewReader(forms[form](text)))
			if err != nil || len(objects) != 1 || objects[0].GetName() != "a" {
				t.Errorf("%s: %d objects, %v", form, len(objects), err)
			}
		}
		for form, want := range map[string]string{
			"PowerShell's >": "Out-File -Encoding utf8", "UTF-16BE": "is UTF-16", "UTF-16LE without its mark": "is UTF-16",
			"UTF-16BE without its mark": "is UTF-16", "Latin-1 in a comment": "is not UTF-8",
		} {
			if _, err := readDump("cluster", "-", strings.NewReader(forms[form](text))); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q in it", form, err, want)
			}
		}
	}
}

// TestAFolderWithAFileThatIsNoText: such a file may be the policy or a manifest, so it is named where both are possible.
func TestAFolderWithAFileThatIsNoText(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "d/policy.yaml", []byte(forms["PowerShell's >"](smallest)))
	if status, out, _ := command(t, "", "validate", "-f", "d"); status != 1 || !strings.Contains(out, "d/policy.yaml: line 1, column 1: is UTF-16") {
		t.Errorf("exit %d: %s", status, out)
	}
	writeFile(t, "d/cm.yaml", []byte("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: pullsecrets-policy}\ndata:\n  policy.yaml: 'x'\n"))
	if status, _, errs := command(t, "", "validate", "-f", "d"); status != 2 || !strings.Contains(errs, "d/policy.yaml: line 1, column 1: is UTF-16") {
		t.Errorf("exit %d: %s", status, errs)
	}
}
