// Package policyfile reads policies as people keep them: in a file, in a folder, or in the policy ConfigMap among the manifests of a
// stream. It finds where in them a problem is.
package policyfile

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// StandardInput is what messages call it.
const StandardInput = "standard input"

// Source is a policy as it was found in files.
type Source struct {
	Documents map[string]string   // as they stand, or would stand, in the ConfigMap
	Positions map[string]Position // where each document stands
}

// Position is where a document stands in a file.
type Position struct {
	File string
	// Key is the ConfigMap's, where the file is a manifest.
	Key string
	// Line and column are how far the document's own are from the file's.
	Line, Column int
	// Within is set where the file's text is another than the document's, as in a quoted scalar: the lines of
	// problems are the document's then, and line is that of the file where the key's value starts.
	Within bool
	folded bool // the value is a folded scalar (>)
}

// LocatedProblem is a problem with its place in a file.
type LocatedProblem struct {
	policy.Problem
	Position Position
}

// Query says which policy is looked for, and where.
type Query struct {
	File            string // or a folder, or - for standard input
	Name, Namespace string // of the policy ConfigMap, where the file has manifests
}

// Read reads a policy: documents, a manifest of the ConfigMap, or a stream of manifests with it among them.
func Read(q Query, stdin io.Reader) (*Source, error) {
	if q.File == "-" {
		text, err := io.ReadAll(stdin)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", StandardInput, err)
		}
		return q.one(StandardInput, "policy.yaml", string(text))
	}
	info, err := os.Stat(q.File)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return q.folder()
	}
	text, err := os.ReadFile(q.File)
	if err != nil {
		return nil, err
	}
	name := filepath.Base(q.File)
	if !policy.IsDocument(name) {
		name += ".yaml" // whoever names a file means it: /dev/fd/63 is a policy too
	}
	return q.one(q.File, name, string(text))
}

// one reads a file of its own.
func (q Query) one(file, name, text string) (*Source, error) {
	f, err := Parse(file, text)
	switch {
	case err != nil:
		return nil, err
	case f.Content == otherContent:
		return nil, fmt.Errorf("%s is neither a policy nor a manifest: a policy starts with apiVersion: %s, kind: %s and rules",
			file, policy.APIVersion, policy.Kind)
	case f.Content == policyContent:
		s := newPolicySource()
		s.add(name, text, Position{File: file})
		return s, nil
	case f.Mixed > 0:
		return nil, mixedError(file, f)
	}
	return q.find([]ParsedFile{f})
}

// mixedError refuses a policy document among the objects of a file: kubectl would refuse it too, and nobody would judge it.
func mixedError(file string, f ParsedFile) error {
	return fmt.Errorf("%s: line %d: a policy document stands among Kubernetes objects: put it in a file of its own, or into the policy ConfigMap", file, f.Mixed)
}

// folder reads the policy documents of a folder, or the policy ConfigMap among its manifests.
func (q Query) folder() (*Source, error) {
	entries, err := os.ReadDir(q.File)
	if err != nil {
		return nil, err
	}
	s := newPolicySource()
	var manifests []ParsedFile
	var unread error // of the first file that is no text
	for _, e := range entries {
		if e.IsDir() || !policy.IsDocument(e.Name()) || IsKustomization(e.Name()) {
			continue
		}
		path := filepath.Join(q.File, e.Name())
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		f, err := Parse(path, string(text))
		switch {
		case err != nil:
			return nil, err
		case f.Content == policyContent:
			s.add(e.Name(), string(text), Position{File: path})
			if f.problem != nil && unread == nil {
				unread = fmt.Errorf("%s: %s", path, f.problem)
			}
		case f.Mixed > 0:
			return nil, mixedError(path, f)
		case f.Content == ManifestContent:
			manifests = append(manifests, f)
		}
	}
	if len(s.Documents) == 0 && len(manifests) == 0 {
		return nil, fmt.Errorf("%s: no file in this folder holds a policy", q.File)
	}
	found, err := q.find(manifests)
	switch {
	case len(s.Documents) == 0:
		return found, err
	case err == nil && unread != nil:
		return nil, unread
	case err == nil:
		return nil, fmt.Errorf("%s has policy documents and the ConfigMap %s too: name the file that is meant", q.File, q.Name)
	}
	return s, nil
}

func IsKustomization(file string) bool {
	return file == "kustomization.yaml" || file == "kustomization.yml"
}

// find finds the policy ConfigMap among the objects of manifests.
func (q Query) find(files []ParsedFile) (*Source, error) {
	var named, here []Object
	var others []string
	var unnamed error // a ConfigMap whose name is not found, because of what stands before it
	for _, f := range files {
		for _, o := range f.Objects {
			switch {
			case o.APIVersion != "v1" || o.Kind != "ConfigMap":
			case o.Name == q.Name:
				named = append(named, o)
			case o.Name == "":
				unnamed = cmp.Or(unnamed, o.CheckKeys())
			default:
				others = append(others, o.Name)
			}
		}
	}
	for _, namespace := range []string{q.Namespace, ""} {
		if len(here) == 0 {
			here = slices.DeleteFunc(slices.Clone(named), func(o Object) bool { return o.Namespace != namespace })
		}
	}
	switch {
	case len(here) == 1:
		return here[0].policy()
	case len(here) > 1:
		return nil, fmt.Errorf("the ConfigMap %s is there %d times: %s", q.Name, len(here), listed(here, Object.Position))
	case len(named) > 0:
		return nil, fmt.Errorf("the ConfigMap %s is not in the namespace %s, but in %s: say which with -namespace",
			q.Name, q.Namespace, listed(named, func(o Object) string { return o.Namespace }))
	}
	if unnamed != nil {
		return nil, unnamed
	}
	where := q.File
	if where == "-" {
		where = StandardInput
	}
	err := fmt.Errorf("there is no ConfigMap %s among the manifests of %s", q.Name, where)
	if i := slices.IndexFunc(others, func(n string) bool { return strings.Contains(n, q.Name) }); i >= 0 {
		return nil, fmt.Errorf("%w, but %s: %s", err, others[i], q.renamed(others[i]))
	}
	return nil, err
}

// hashSuffix is what kustomize adds to the name of what a generator made.
var hashSuffix = regexp.MustCompile(`-[2456789bcdfghkmt]{10}$`)

// renamed says how a ConfigMap of another name is found, by what made that name of the one that was looked for.
func (q Query) renamed(found string) string {
	name := hashSuffix.ReplaceAllString(found, "")
	var remedies []string
	if name != found {
		remedies = append(remedies, "set disableNameSuffixHash: true for its generator")
	}
	if name != q.Name {
		remedies = append(remedies, fmt.Sprintf("a namePrefix or nameSuffix changes its name, so give -policy %s here and to run", name))
	}
	return strings.Join(remedies, "; ")
}

func listed(objects []Object, text func(Object) string) string {
	var out []string
	for _, o := range objects {
		out = append(out, text(o))
	}
	return strings.Join(out, ", ")
}

func newPolicySource() *Source {
	return &Source{Documents: map[string]string{}, Positions: map[string]Position{}}
}

func (s *Source) add(document, text string, at Position) {
	s.Documents[document] = text
	s.Positions[document] = at
}

// Parse judges the policy and tells its problems with their places in the files.
func (s *Source) Parse(opts policy.Options) (*policy.Policy, []LocatedProblem) {
	p, problems := policy.Parse(s.Documents, opts)
	var findings []LocatedProblem
	for _, problem := range problems {
		findings = append(findings, s.locate(problem))
	}
	return p, findings
}

// Valid returns the policy. Its warnings are written; its errors are returned.
func (s *Source) Valid(opts policy.Options, stderr io.Writer) (*policy.Policy, error) {
	p, findings := s.Parse(opts)
	var errs []error
	for _, f := range findings {
		if f.Warning {
			fmt.Fprintln(stderr, f)
		} else {
			errs = append(errs, errors.New(f.String()))
		}
	}
	if p == nil {
		return nil, fmt.Errorf("the policy is not valid:\n%w", errors.Join(errs...))
	}
	return p, nil
}

// locate gives a problem the line and column of its file. Where the file's text is another than the document's, it
// keeps those of the document.
func (s *Source) locate(p policy.Problem) LocatedProblem {
	at, ok := s.Positions[p.Document]
	if !ok {
		return LocatedProblem{Problem: p} // of the policy as a whole
	}
	p.Document = at.File
	if at.folded && p.Message == policy.JoinedLines { // what is wrong is in the manifest, not in the text that came of it
		at.Within, at.Line, p.Line, p.Column = false, 0, at.Line, 0
		p.Message = "the text is folded (>), which joins its lines: write | in place of >"
	}
	if at.Within && p.Line > 0 {
		p.Document += ", within the key " + at.Key
	} else if at.Key != "" {
		p.Document += ", key " + at.Key
	}
	if p.Line > 0 && !at.Within {
		p.Line += at.Line
	}
	if p.Column > 0 && !at.Within {
		p.Column += at.Column
	}
	return LocatedProblem{p, at}
}
