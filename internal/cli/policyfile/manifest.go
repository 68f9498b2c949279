package policyfile

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// Content is what a file holds.
type Content int

const (
	otherContent    Content = iota // neither of the others
	policyContent                  // a policy document
	ManifestContent                // Kubernetes objects
)

// ParsedFile is a file that was looked at. No error about it quotes its text: a stream of manifests may hold secrets.
type ParsedFile struct {
	Content Content
	Objects []Object
	problem *policy.Problem // why it is no text, and counts as a policy: what the problem is, the judgement tells
	Mixed   int             // the line of a policy document among the objects, or 0
}

// Object is one object of a manifest.
type Object struct {
	File                              string
	APIVersion, Kind, Name, Namespace string
	Root                              *yaml.Node
	lines                             []string // of the whole file
}

// Parse finds out what a file holds. A text that is not YAML is a policy where it looks like one, so that the mistake
// is told as the controller tells it.
func Parse(file, content string) (ParsedFile, error) {
	text, problem := policy.ReadText(content)
	if problem != nil {
		return ParsedFile{Content: policyContent, problem: problem}, nil
	}
	f := ParsedFile{}
	lines := strings.Split(text, "\n")
	empty := true
	for _, part := range yamlDocuments(lines) {
		var node yaml.Node
		if err := decodeDocument(part.text, &node); err != nil {
			if len(f.Objects) == 0 && looksLikePolicy(text) {
				return ParsedFile{Content: policyContent}, nil
			}
			return f, brokenYAML(file, part)
		}
		if node.Kind == 0 || node.Content[0].ShortTag() == "!!null" {
			continue
		}
		empty = false
		root := node.Content[0]
		shift(root, part.line, map[*yaml.Node]bool{})
		switch contentOf(root) {
		case policyContent:
			f.Content, f.Mixed = max(f.Content, policyContent), root.Line
		case ManifestContent:
			f.Content = ManifestContent
			f.Objects = append(f.Objects, objectsOf(root, file, lines)...)
		}
	}
	if empty {
		f.Content = policyContent // its emptiness is for the judgement to tell
	}
	if f.Content != ManifestContent {
		f.Mixed = 0
	}
	return f, nil
}

// decodeDocument also reads what stands behind the document, which yaml.Unmarshal passes over: behind a {{ … }} in the
// first line, that is everything.
func decodeDocument(text string, node *yaml.Node) error {
	dec := yaml.NewDecoder(strings.NewReader(text))
	for _, n := range []*yaml.Node{node, {}} {
		if err := dec.Decode(n); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	return nil
}

var (
	policyLine = regexp.MustCompile(`(?m)^(?:apiVersion:\s*["']?pullsecrets/|kind:\s*["']?Policy\b|rules:|\s*"rules"\s*:)`)
	kindLine   = regexp.MustCompile(`(?m)^[\s{,]*"?kind"?\s*:\s*["']?(\w*)`)
)

// looksLikePolicy reports whether a text that is not YAML has lines as a policy has, and no object's.
func looksLikePolicy(text string) bool {
	for _, m := range kindLine.FindAllStringSubmatch(text, -1) {
		if m[1] != policy.Kind {
			return false
		}
	}
	return policyLine.MatchString(text)
}

// part is one YAML document of a file, and how many lines stand before it.
type part struct {
	text string
	line int
}

// yamlDocuments splits where a line starts with ---, which YAML allows nowhere else than between documents.
func yamlDocuments(lines []string) []part {
	var parts []part
	start := 0
	for i := 1; i <= len(lines); i++ {
		if i == len(lines) || lines[i] == "---" || strings.HasPrefix(lines[i], "--- ") || strings.HasPrefix(lines[i], "---\r") {
			parts = append(parts, part{strings.Join(lines[start:i], "\n"), start})
			start = i
		}
	}
	return parts
}

// fixedReason are the parsers' messages that have nothing of the text in them. An anchor's name, as in "unknown anchor",
// may be the start of a password.
var fixedReason = regexp.MustCompile(`^(?:did not find|could not find|found|mapping values|block|control characters) `)

// brokenYAML says where a part of a file is not YAML.
func brokenYAML(file string, p part) error {
	line, column, reason := policy.SyntaxError(p.text)
	where, why := file, "is not YAML"
	if line > 0 {
		where += fmt.Sprintf(": line %d, column %d", p.line+line, column)
	} else if p.line > 0 {
		where += fmt.Sprintf(": the document at line %d", p.line+1)
	}
	if fixedReason.MatchString(reason) {
		why += ": " + reason
	}
	if at, cause := policy.SyntaxCause(p.text, line); cause != "" {
		why += fmt.Sprintf(": line %d has %s", p.line+at, cause)
	}
	return fmt.Errorf("%s: %s", where, why)
}

// shift makes the lines of a part's nodes those of the file.
func shift(n *yaml.Node, lines int, seen map[*yaml.Node]bool) {
	if n == nil || seen[n] {
		return
	}
	seen[n] = true
	n.Line += lines
	shift(n.Alias, lines, seen)
	for _, c := range n.Content {
		shift(c, lines, seen)
	}
}

// contentOf tells a policy from an object. A policy is known by its apiVersion; where that is wrong, by its kind or its
// rules, if it is no object: a ClusterRole has rules too.
func contentOf(root *yaml.Node) Content {
	metadata, kind := Field(root, "metadata"), Scalar(root, "kind")
	switch {
	case strings.HasPrefix(Scalar(root, "apiVersion"), "pullsecrets/"):
		return policyContent
	case metadata == nil && (kind == "Policy" || Field(root, "rules") != nil):
		return policyContent
	case metadata != nil || kind != "":
		return ManifestContent
	}
	return otherContent
}

// objectsOf are the object of a document, or those of a list.
func objectsOf(root *yaml.Node, file string, lines []string) []Object {
	kind := Scalar(root, "kind")
	if items := Field(root, "items"); items != nil && items.Kind == yaml.SequenceNode && strings.HasSuffix(kind, "List") {
		var objects []Object
		for _, item := range items.Content {
			objects = append(objects, objectsOf(item, file, lines)...)
		}
		return objects
	}
	metadata := Field(root, "metadata")
	return []Object{{
		File: file, APIVersion: Scalar(root, "apiVersion"), Kind: kind,
		Name: Scalar(metadata, "name"), Namespace: Scalar(metadata, "namespace"), Root: root, lines: lines,
	}}
}

func (o Object) Position() string { return fmt.Sprintf("%s line %d", o.File, o.Root.Line) }

// policy takes the documents out of the policy ConfigMap.
func (o Object) policy() (*Source, error) {
	if err := o.CheckKeys(); err != nil {
		return nil, err
	}
	s := newPolicySource()
	data, err := o.texts("data")
	if err != nil {
		return nil, err
	}
	for key, value := range data {
		s.add(key, plainText(value), o.placeOf(key, value))
	}
	encoded, err := o.texts("binaryData")
	if err != nil {
		return nil, err
	}
	for key, value := range encoded {
		content, err := base64.StdEncoding.DecodeString(value.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: the key %s under binaryData is not base64: put its text under data", o.File, value.Line, key)
		}
		for document, text := range policy.Documents(nil, map[string][]byte{key: content}) {
			s.add(document, text, Position{File: o.File, Key: key, Line: value.Line, Within: true})
		}
	}
	return s, nil
}

// CheckKeys refuses a key that is no text or that a pasted space is part of, with which the API server would refuse the
// object, and one that is given twice: kubectl takes the last, and a reader may take the first.
func (o Object) CheckKeys() error { return checkKeys(o.File, o.Root) }

func checkKeys(file string, n *yaml.Node) error {
	seen := map[string]bool{}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && c.Kind == yaml.ScalarNode {
			if seen[c.Value] {
				return fmt.Errorf("%s: line %d: the key %q is given twice, or a --- is missing before it", file, c.Line, c.Value)
			}
			seen[c.Value] = true
		}
		if n.Kind == yaml.MappingNode && i%2 == 0 && (c.Kind == yaml.MappingNode || c.Kind == yaml.SequenceNode) {
			return fmt.Errorf("%s: line %d: a key has to be text: a template that was not rendered looks so to YAML", file, c.Line)
		}
		if n.Kind == yaml.MappingNode && i%2 == 0 && strings.ContainsFunc(c.Value, func(r rune) bool { return r > unicode.MaxASCII && !unicode.IsPrint(r) }) {
			return fmt.Errorf("%s: line %d: the key %q has a space or character that YAML takes for text: type ordinary spaces", file, c.Line, c.Value)
		}
		if err := checkKeys(file, c); err != nil {
			return err
		}
	}
	return nil
}

// texts are the values of a ConfigMap's data or binaryData, by key. There may be none: that there is no policy is for
// the judgement to tell.
func (o Object) texts(name string) (map[string]*yaml.Node, error) {
	values := map[string]*yaml.Node{}
	data := Field(o.Root, name)
	if data == nil {
		return nil, nil
	}
	for i := 0; i+1 < len(data.Content); i += 2 {
		key, value := data.Content[i], resolved(data.Content[i+1])
		if value.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("%s: line %d: the key %s of a ConfigMap must be text: start it with |", o.File, key.Line, key.Value)
		}
		if len(validation.IsConfigMapKey(key.Value)) > 0 {
			return nil, fmt.Errorf("%s: line %d: %q is no key of a ConfigMap, which has only -, _, ., letters and digits", o.File, key.Line, key.Value)
		}
		values[key.Value] = value
	}
	return values, nil
}

const binaryTag = "!!binary"

// plainText is the text of a value, which kubectl decodes where it has the tag !!binary.
func plainText(value *yaml.Node) string {
	var decoded string
	if value.ShortTag() != binaryTag || value.Decode(&decoded) != nil {
		return value.Value
	}
	return decoded
}

// placeOf finds the text of a block scalar among the file's lines. Where it does not stand there as it is, as in a
// quoted or folded scalar, its lines have no place of their own.
func (o Object) placeOf(key string, value *yaml.Node) Position {
	at := Position{File: o.File, Key: key, Line: value.Line, Within: true, folded: value.Style&yaml.FoldedStyle != 0}
	if value.Style&yaml.LiteralStyle == 0 || value.ShortTag() == binaryTag {
		return at
	}
	indent := -1
	for i, line := range strings.Split(strings.TrimRight(value.Value, "\n"), "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		if value.Line+i >= len(o.lines) {
			return at
		}
		before, ok := strings.CutSuffix(strings.TrimSuffix(o.lines[value.Line+i], "\r"), line)
		if !ok || strings.Trim(before, " ") != "" || indent >= 0 && len(before) != indent {
			return at
		}
		indent = len(before)
	}
	at.Column, at.Within = max(indent, 0), false
	return at
}

// Field is a mapping's value, or nil.
func Field(n *yaml.Node, key string) *yaml.Node {
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return resolved(n.Content[i+1])
		}
	}
	return nil
}

func Scalar(n *yaml.Node, key string) string {
	if v := Field(n, key); v != nil && v.Kind == yaml.ScalarNode {
		return v.Value
	}
	return ""
}

func resolved(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}
