package cli

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/peterbourgon/ff/v3/ffcli"

	"github.com/pullsecrets/pullsecrets/internal/cli/policyfile"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// The exit status of validate.
const (
	validateInvalid = 1 // the policy would be refused
	validateFailed  = 2 // it could not be told
)

// validateFlags are the flags of validate, as they are given.
type validateFlags struct {
	policyFlags
	form string
}

func validateCommand(stdin io.Reader, stdout, stderr io.Writer) *ffcli.Command {
	fs := newFlagSet("validate", stderr)
	f := &validateFlags{}
	f.register(fs)
	return &ffcli.Command{
		Name: "validate", ShortUsage: "pullsecrets validate -f POLICY [FLAGS] [POLICY ...]", ShortHelp: "check a policy before it is merged",
		LongHelp: "Judges a policy as the controller will, and asks no cluster. POLICY is a policy document, a manifest of the\n" +
			"policy ConfigMap, all the output of kustomize build, or a folder of such files. Several are judged each by\n" +
			"itself, as a pre-commit hook needs it; the documents of one ConfigMap are judged together when their folder is\n" +
			"named.\n\n" +
			"Secrets among the manifests that are sources of the policy are judged too, and no value of them is printed.\n" +
			"A file that has nothing but Secrets needs no policy.\n\n" +
			"Exit status: 0 valid, maybe with warnings, 1 not valid, 2 could not tell.",
		FlagSet: fs, Options: options(),
		Exec: func(_ context.Context, args []string) error {
			valid, err := f.run(args, stdin, stdout)
			switch {
			case err != nil:
				return exitError{validateFailed, err}
			case !valid:
				return exitError{status: validateInvalid}
			}
			return nil
		},
	}
}

func (f *validateFlags) register(fs *flag.FlagSet) {
	f.policyFlags.register(fs, "")
	choiceVar(fs, &f.form, "o", "text", "`FORM`: text, json, or github for annotations of a GitHub workflow", "text", "json", "github")
}

func (f *validateFlags) run(args []string, stdin io.Reader, stdout io.Writer) (valid bool, err error) {
	files := args
	if f.file != "" {
		files = append([]string{f.file}, args...)
	}
	write, err := f.validate(files)
	if err != nil {
		return false, err
	}
	text, err := readOnce(files, stdin)
	if err != nil {
		return false, err
	}
	v := verdict{valid: true}
	var errs []error
	for _, file := range files {
		if err := f.judgeFile(&v, file, text); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) < len(files) { // what could be judged is told in any case
		errs = append(errs, write(stdout, v))
	}
	return v.valid, errors.Join(errs...)
}

// verdict is what is said of all the policies that were named.
type verdict struct {
	valid    bool
	rules    int // of those that are valid
	secrets  int // that stand without a policy
	findings []policyfile.LocatedProblem
}

func (v *verdict) add(p *policy.Policy, findings []policyfile.LocatedProblem) {
	if p == nil {
		v.valid = false
	} else {
		v.rules += len(p.Rules)
	}
	v.findings = append(v.findings, findings...)
}

// validate checks what flag itself cannot, and returns what writes the form that is asked for.
func (f *validateFlags) validate(files []string) (func(io.Writer, verdict) error, error) {
	var errs []error
	if len(files) == 0 {
		errs = append(errs, errNoFile)
	}
	for i, file := range files {
		if strings.HasPrefix(file, "-") && (file != "-" || slices.Contains(files[:i], "-")) {
			errs = append(errs, fmt.Errorf("%q: flags stand before the files, and standard input can be read once", file))
		}
	}
	errs = append(errs, f.check())
	forms := map[string]func(io.Writer, verdict) error{
		"text": writeFindings, "json": writeFindingsJSON, "github": writeFindingsGitHub,
	}
	write := forms[f.form]
	errs = append(errs, checkForm(f.form, "text", "json", "github"))
	return write, errors.Join(errs...)
}

func writeFindings(out io.Writer, v verdict) error {
	var b strings.Builder
	for _, f := range v.findings {
		fmt.Fprintln(&b, f)
	}
	fmt.Fprintln(&b, v)
	_, err := io.WriteString(out, b.String())
	return err
}

// String is the last line for people.
func (v verdict) String() string {
	warnings := 0
	for _, f := range v.findings {
		if f.Warning {
			warnings++
		}
	}
	text := "not valid: " + counted(len(v.findings)-warnings, "error")
	if v.valid {
		text = "valid: " + counted(v.rules, "rule")
		if v.secrets > 0 && v.rules == 0 {
			text = "valid: " + counted(v.secrets, "secret")
		} else if v.secrets > 0 {
			text += ", " + counted(v.secrets, "secret")
		}
	}
	if warnings > 0 {
		text += ", " + counted(warnings, "warning")
	}
	return text
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// findingJSON is a finding as scripts read it. Line and column are those of the file, unless there is a key and the
// file has its text in another form than the document: then they are the document's, and within is true.
type findingJSON struct {
	Severity string `json:"severity"`
	File     string `json:"file,omitempty"`
	Key      string `json:"key,omitempty"`
	Within   bool   `json:"within,omitempty"`
	Path     string `json:"path,omitempty"`
	Line     int    `json:"line,omitempty"`
	Column   int    `json:"column,omitempty"`
	Message  string `json:"message"`
}

func writeFindingsJSON(out io.Writer, v verdict) error {
	type report struct {
		Valid    bool          `json:"valid"`
		Rules    int           `json:"rules"`
		Problems []findingJSON `json:"problems"`
	}
	r := report{Valid: v.valid, Rules: v.rules, Problems: []findingJSON{}}
	for _, f := range v.findings {
		r.Problems = append(r.Problems, findingJSON{
			Severity: severity(f), File: f.Position.File, Key: f.Position.Key, Within: f.Position.Within,
			Path: f.Path, Line: f.Line, Column: f.Column, Message: f.Message,
		})
	}
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

func severity(f policyfile.LocatedProblem) string {
	if f.Warning {
		return "warning"
	}
	return "error"
}

// Of a workflow command, the message ends at the line's end, and a property at a comma or colon too.
var (
	commandMessage  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	commandProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

// writeFindingsGitHub writes workflow commands, which GitHub shows beside the lines of a pull request.
func writeFindingsGitHub(out io.Writer, v verdict) error {
	var b strings.Builder
	for _, f := range v.findings {
		command := "::" + severity(f)
		if f.Position.File != "" && f.Position.File != policyfile.StandardInput {
			command += " file=" + commandProperty.Replace(filepath.ToSlash(filepath.Clean(f.Position.File)))
			command += annotationPlace(f)
		}
		fmt.Fprintf(&b, "%s::%s\n", command, commandMessage.Replace(annotationText(f)))
	}
	fmt.Fprintln(&b, v)
	_, err := io.WriteString(out, b.String())
	return err
}

// annotationPlace is a line of the file, also where the problem's line is that of a text within it.
func annotationPlace(f policyfile.LocatedProblem) string {
	switch {
	case f.Position.Within:
		return fmt.Sprintf(",line=%d", f.Position.Line)
	case f.Column > 0:
		return fmt.Sprintf(",line=%d,col=%d", f.Line, f.Column)
	case f.Line > 0:
		return fmt.Sprintf(",line=%d", f.Line)
	}
	return ""
}

// annotationText leaves out what the annotation's place says.
func annotationText(f policyfile.LocatedProblem) string {
	p := f.Problem
	p.Warning = false
	if f.Position.File != policyfile.StandardInput && (p.Line == 0 || !f.Position.Within) {
		p.Document, p.Line, p.Column = f.Position.Key, 0, 0
	}
	return p.String()
}
