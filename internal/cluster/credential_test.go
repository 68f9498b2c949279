package cluster

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"text/template"

	"github.com/google/go-cmp/cmp"
	sigsyaml "sigs.k8s.io/yaml"
)

const canary = "hunter2-canary"

// leaks are the forms in which the canary could come out: as it is, and as fmt, JSON and people write bytes.
func leaks(value string) map[string]string {
	numbers := strings.Trim(fmt.Sprint([]byte(value)), "[]")
	var goSyntax []string
	for _, b := range []byte(value) {
		goSyntax = append(goSyntax, fmt.Sprintf("%#x", b))
	}
	return map[string]string{
		"plain":     value,
		"hex":       hex.EncodeToString([]byte(value)),
		"HEX":       strings.ToUpper(hex.EncodeToString([]byte(value))),
		"base64":    base64.StdEncoding.EncodeToString([]byte(value)),
		"bytes":     numbers,
		"go syntax": strings.Join(goSyntax, ", "),
		"spaced":    fmt.Sprintf("% x", value),
	}
}

func wantNoLeak(t *testing.T, where, text string, secrets ...string) {
	t.Helper()
	for _, s := range secrets {
		for form, leak := range leaks(s) {
			if strings.Contains(text, leak) {
				t.Errorf("%s holds %q (%s): %s", where, s, form, text)
			}
		}
	}
}

func TestACredentialPrintsAsRedacted(t *testing.T) {
	c := NewCredential([]byte(canary))
	text := func(v any, verb string) string { return fmt.Sprintf(verb, v) }
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "%d", "% x", "%#x", "%10.3s", "%c", "%U", "%z"} {
		if got := text(c, verb); got != "REDACTED" {
			t.Errorf("%s gives %q, want REDACTED", verb, got)
		}
	}
	for name, got := range map[string]string{
		"String":      c.String(),
		"Sprint":      fmt.Sprint(c),
		"error text":  errors.Join(fmt.Errorf("apply %v", c)).Error(),
		"JSON":        string(must(json.Marshal(c))),
		"JSON key":    string(must(json.Marshal(map[string]any{"c": c}))),
		"JSON struct": string(must(json.Marshal(struct{ C *Credential }{&c}))),
		"YAML":        string(must(sigsyaml.Marshal(map[string]any{"c": []Credential{c}}))),
		"template":    execute(t, c),
		"extra":       text(c, "no verb"),
	} {
		wantNoLeak(t, name, got, canary)
		if !strings.Contains(got, "REDACTED") {
			t.Errorf("%s gives %q, which does not say REDACTED", name, got)
		}
	}
}

// fmt calls no method of a value in an unexported field, nor for %w and %p, so being a fmt.Formatter does not help there.
func TestACredentialIsNotPrintedByWhatHoldsIt(t *testing.T) {
	c := NewCredential([]byte(canary))
	type hidden struct{ credential Credential }
	type embedded struct{ Credential }
	for name, v := range map[string]any{
		"itself":            c,
		"pointer":           &c,
		"slice":             []Credential{c},
		"map":               map[string]Credential{"a": c},
		"struct":            struct{ C Credential }{c},
		"unexported":        hidden{c},
		"pointer to that":   &hidden{c},
		"slice of those":    []hidden{{c}},
		"unexported slice":  struct{ c []Credential }{[]Credential{c}},
		"unexported map":    struct{ c map[string]Credential }{map[string]Credential{"a": c}},
		"unexported any":    struct{ c any }{c},
		"embedded":          embedded{c},
		"source":            Source{Secret: &Secret{}, Credential: c},
		"unexported source": struct{ s Source }{Source{Secret: &Secret{}, Credential: c}},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "%d", "% x", "%w", "%p", "%z", "%!", "none"} {
			wantNoLeak(t, name+" with "+verb, fmt.Sprintf(verb, v), canary)
			wantNoLeak(t, name+" in an error with "+verb, fmt.Errorf(verb, v).Error(), canary)
		}
		if text, err := json.Marshal(v); err == nil {
			wantNoLeak(t, name+" as JSON", string(text), canary)
		}
	}
	wantNoLeak(t, "a diff", cmp.Diff(hidden{c}, hidden{}, cmp.AllowUnexported(hidden{}, Credential{})), canary)
}

func TestACredentialRevealsWhatItWasGiven(t *testing.T) {
	if got := string(NewCredential([]byte(canary)).Reveal()); got != canary {
		t.Errorf("got %q, want %q", got, canary)
	}
	if got := (Credential{}).Reveal(); got != nil {
		t.Errorf("the zero value reveals %q, want nothing", got)
	}
}

func execute(t *testing.T, v any) string {
	t.Helper()
	var b strings.Builder
	if err := template.Must(template.New("").Parse("{{.}}")).Execute(&b, v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
