package cli

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

// standardInput is what messages call it.
const standardInput = "standard input"

// policySource is a policy as it was found in files.
type policySource struct {
	documents map[string]string // as they stand, or would stand, in the ConfigMap
	places    map[string]place  // where each document stands
}

// place is where a document stands in a file.
type place struct {
	file string
	// key is the ConfigMap's, where the file is a manifest.
	key string
	// line and column are how far the document's own are from the file's.
	line, column int
	// within is set where the file's text is another than the document's, as in a quoted scalar: the lines of
	// problems are the document's then, and line is that of the file where the key's value starts.
	within bool
	folded bool // the value is a folded scalar (>)
}

// finding is a problem with its place in a file.
type finding struct {
	policy.Problem
	place place
}

// policyQuery says which policy is looked for, and where.
type policyQuery struct {
	file            string // or a folder, or - for standard input
	name, namespace string // of the policy ConfigMap, where the file has manifests
}

// readPolicy reads a policy: documents, a manifest of the ConfigMap, or a stream of manifests with it among them.
func readPolicy(q policyQuery, stdin io.Reader) (*policySource, error) {
	if q.file == "-" {
		text, err := io.ReadAll(stdin)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", standardInput, err)
		}
		return q.one(standardInput, "policy.yaml", string(text))
	}
	info, err := os.Stat(q.file)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return q.folder()
	}
	text, err := os.ReadFile(q.file)
	if err != nil {
		return nil, err
	}
	name := filepath.Base(q.file)
	if !policy.IsDocument(name) {
		name += ".yaml" // whoever names a file means it: /dev/fd/63 is a policy too
	}
	return q.one(q.file, name, string(text))
}

// one reads a file of its own.
func (q policyQuery) one(file, name, text string) (*policySource, error) {
	f, err := examine(file, text)
	switch {
	case err != nil:
		return nil, err
	case f.content == otherContent:
		return nil, fmt.Errorf("%s is neither a policy nor a manifest: a policy starts with apiVersion: %s, kind: %s and rules",
			file, policy.APIVersion, policy.Kind)
	case f.content == policyContent:
		s := newPolicySource()
		s.add(name, text, place{file: file})
		return s, nil
	case f.mixed > 0:
		return nil, mixedError(file, f)
	}
	return q.find([]examined{f})
}

// mixedError refuses a policy document among the objects of a file: kubectl would refuse it too, and nobody would judge it.
func mixedError(file string, f examined) error {
	return fmt.Errorf("%s: line %d: a policy document stands among Kubernetes objects: put it in a file of its own, or into the policy ConfigMap", file, f.mixed)
}

// folder reads the policy documents of a folder, or the policy ConfigMap among its manifests.
func (q policyQuery) folder() (*policySource, error) {
	entries, err := os.ReadDir(q.file)
	if err != nil {
		return nil, err
	}
	s := newPolicySource()
	var manifests []examined
	var unread error // of the first file that is no text
	for _, e := range entries {
		if e.IsDir() || !policy.IsDocument(e.Name()) || isKustomization(e.Name()) {
			continue
		}
		path := filepath.Join(q.file, e.Name())
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		f, err := examine(path, string(text))
		switch {
		case err != nil:
			return nil, err
		case f.content == policyContent:
			s.add(e.Name(), string(text), place{file: path})
			if f.problem != nil && unread == nil {
				unread = fmt.Errorf("%s: %s", path, f.problem)
			}
		case f.mixed > 0:
			return nil, mixedError(path, f)
		case f.content == manifestContent:
			manifests = append(manifests, f)
		}
	}
	if len(s.documents) == 0 && len(manifests) == 0 {
		return nil, fmt.Errorf("%s: no file in this folder holds a policy", q.file)
	}
	found, err := q.find(manifests)
	switch {
	case len(s.documents) == 0:
		return found, err
	case err == nil && unread != nil:
		return nil, unread
	case err == nil:
		return nil, fmt.Errorf("%s has policy documents and the ConfigMap %s too: name the file that is meant", q.file, q.name)
	}
	return s, nil
}

func isKustomization(file string) bool {
	return file == "kustomization.yaml" || file == "kustomization.yml"
}

// find finds the policy ConfigMap among the objects of manifests.
func (q policyQuery) find(files []examined) (*policySource, error) {
	var named, here []object
	var others []string
	var unnamed error // a ConfigMap whose name is not found, because of what stands before it
	for _, f := range files {
		for _, o := range f.objects {
			switch {
			case o.apiVersion != "v1" || o.kind != "ConfigMap":
			case o.name == q.name:
				named = append(named, o)
			case o.name == "":
				unnamed = cmp.Or(unnamed, o.checkKeys())
			default:
				others = append(others, o.name)
			}
		}
	}
	for _, namespace := range []string{q.namespace, ""} {
		if len(here) == 0 {
			here = slices.DeleteFunc(slices.Clone(named), func(o object) bool { return o.namespace != namespace })
		}
	}
	switch {
	case len(here) == 1:
		return here[0].policy()
	case len(here) > 1:
		return nil, fmt.Errorf("the ConfigMap %s is there %d times: %s", q.name, len(here), listed(here, object.place))
	case len(named) > 0:
		return nil, fmt.Errorf("the ConfigMap %s is not in the namespace %s, but in %s: say which with -namespace",
			q.name, q.namespace, listed(named, func(o object) string { return o.namespace }))
	}
	if unnamed != nil {
		return nil, unnamed
	}
	where := q.file
	if where == "-" {
		where = standardInput
	}
	err := fmt.Errorf("there is no ConfigMap %s among the manifests of %s", q.name, where)
	if i := slices.IndexFunc(others, func(n string) bool { return strings.Contains(n, q.name) }); i >= 0 {
		return nil, fmt.Errorf("%w, but %s: %s", err, others[i], q.renamed(others[i]))
	}
	return nil, err
}

// hashSuffix is what kustomize adds to the name of what a generator made.
var hashSuffix = regexp.MustCompile(`-[2456789bcdfghkmt]{10}$`)

// renamed says how a ConfigMap of another name is found, by what made that name of the one that was looked for.
func (q policyQuery) renamed(found string) string {
	name := hashSuffix.ReplaceAllString(found, "")
	var remedies []string
	if name != found {
		remedies = append(remedies, "set disableNameSuffixHash: true for its generator")
	}
	if name != q.name {
		remedies = append(remedies, fmt.Sprintf("a namePrefix or nameSuffix changes its name, so give -policy %s here and to run", name))
	}
	return strings.Join(remedies, "; ")
}

func listed(objects []object, text func(object) string) string {
	var out []string
	for _, o := range objects {
		out = append(out, text(o))
	}
	return strings.Join(out, ", ")
}

func newPolicySource() *policySource {
	return &policySource{documents: map[string]string{}, places: map[string]place{}}
}

func (s *policySource) add(document, text string, at place) {
	s.documents[document] = text
	s.places[document] = at
}

// parse judges the policy and tells its problems with their places in the files.
func (s *policySource) parse(opts policy.Options) (*policy.Policy, []finding) {
	p, problems := policy.Parse(s.documents, opts)
	var findings []finding
	for _, problem := range problems {
		findings = append(findings, s.locate(problem))
	}
	return p, findings
}

// valid returns the policy. Its warnings are written; its errors are returned.
func (s *policySource) valid(opts policy.Options, stderr io.Writer) (*policy.Policy, error) {
	p, findings := s.parse(opts)
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
func (s *policySource) locate(p policy.Problem) finding {
	at, ok := s.places[p.Document]
	if !ok {
		return finding{Problem: p} // of the policy as a whole
	}
	p.Document = at.file
	if at.folded && p.Message == policy.JoinedLines { // what is wrong is in the manifest, not in the text that came of it
		at.within, at.line, p.Line, p.Column = false, 0, at.line, 0
		p.Message = "the text is folded (>), which joins its lines: write | in place of >"
	}
	if at.within && p.Line > 0 {
		p.Document += ", within the key " + at.key
	} else if at.key != "" {
		p.Document += ", key " + at.key
	}
	if p.Line > 0 && !at.within {
		p.Line += at.line
	}
	if p.Column > 0 && !at.within {
		p.Column += at.column
	}
	return finding{p, at}
}
