package policy

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/validation/field"
	sigsyaml "sigs.k8s.io/yaml"
)

// text is one document's YAML, with the place of every path in it.
type text struct {
	name     string
	content  string
	root     *yaml.Node
	nodes    map[string]*yaml.Node // by path, as field.Path prints it
	keys     map[string]*yaml.Node // of labels, by path
	broken   map[string]bool       // the paths whose node does not fit the schema
	problems Problems
}

// decode reads exactly one YAML document into a Document. The node tree gives the positions and is held
// against the schema first, so that every problem is found; the decoding itself is sigs.k8s.io/yaml's. Of a
// text that does not fit the schema, what can be read is returned, so that it is judged with the rest.
func decode(name, content string) (*Document, *text) {
	t := &text{name: name, nodes: map[string]*yaml.Node{}, keys: map[string]*yaml.Node{}, broken: map[string]bool{}}
	if !t.read(content) || !t.plainLines() || !t.parse() {
		return nil, t
	}
	t.check(t.root, reflect.TypeFor[Document](), nil)
	if len(t.problems) > 0 {
		return t.decodeRest(), t
	}
	var doc Document
	if err := sigsyaml.UnmarshalStrict([]byte(t.content), &doc); err != nil {
		t.add(nil, t.root, "%v", err)
		return nil, t
	}
	return &doc, t
}

// decodeRest decodes what fits the schema. The decoder reads nothing at all of a text with a key that is no string, and
// then every field would seem to be missing: such keys are left out. What it says is among the problems.
func (t *text) decodeRest() *Document {
	withoutOddKeys(t.root)
	rest, err := yaml.Marshal(t.root)
	if err != nil {
		return nil
	}
	var doc Document
	if err := sigsyaml.Unmarshal(rest, &doc); err != nil && strings.HasPrefix(err.Error(), "error converting YAML to JSON") {
		return nil
	}
	return &doc
}

func withoutOddKeys(n *yaml.Node) {
	if n.Kind == yaml.MappingNode {
		var kept []*yaml.Node
		for i := 0; i+1 < len(n.Content); i += 2 {
			if isKey(n.Content[i]) {
				kept = append(kept, n.Content[i], n.Content[i+1])
			}
		}
		n.Content = kept
	}
	for _, c := range n.Content {
		withoutOddKeys(c)
	}
}

func isKey(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && !isNull(n) }

func (t *text) parse() bool {
	dec := yaml.NewDecoder(strings.NewReader(t.content))
	var first, second yaml.Node
	err := dec.Decode(&first)
	if errors.Is(err, io.EOF) || (err == nil && first.Content[0].ShortTag() == "!!null") {
		t.problems = append(t.problems, Problem{Document: t.name, Line: 1, Column: 1, Message: "is empty: a policy starts with " +
			"apiVersion: " + APIVersion + ", kind: " + Kind + " and rules"})
		return false
	}
	if err == nil {
		t.root = first.Content[0]
		err = dec.Decode(&second)
		if err == nil {
			t.add(nil, &second, "a second document starts here: put it under a key of its own")
			return false
		}
	}
	if !errors.Is(err, io.EOF) {
		t.problems = append(t.problems, t.syntaxProblem())
		return false
	}
	return t.plain(t.root)
}

// plain refuses what makes a text mean something else than what stands there: a policy is read by people, in
// parts, in merge requests.
func (t *text) plain(n *yaml.Node) bool {
	switch {
	case n.Anchor != "" || n.Kind == yaml.AliasNode:
		t.add(nil, n, "anchors and aliases are not allowed: write the value out")
		return false
	case n.ShortTag() == "!!merge":
		t.add(nil, n, "merge keys (<<) are not allowed: write the values out")
		return false
	case n.Style&yaml.TaggedStyle != 0: // one that plainLines passed over
		t.add(nil, n, "the tag %s is not allowed", brief(n.Tag))
		return false
	}
	ok := true
	for _, c := range n.Content {
		ok = t.plain(c) && ok
	}
	return ok
}

// check holds a node against a Go type of the schema and records the places of its paths.
func (t *text) check(n *yaml.Node, schema reflect.Type, path *field.Path) {
	t.nodes[pathString(path)] = n
	if schema.Kind() == reflect.Pointer {
		schema = schema.Elem()
	}
	if isNull(n) {
		switch schema.Kind() {
		case reflect.Struct, reflect.Map:
		default:
			t.add(path, n, "null: give a value, or leave the field out")
		}
		return
	}
	switch schema.Kind() {
	case reflect.Struct:
		t.checkFields(n, schema, path)
	case reflect.Map:
		if t.want(n, yaml.MappingNode, path) {
			t.eachKey(n, path, func(key, value *yaml.Node) {
				t.keys[pathString(path.Key(key.Value))] = key
				t.checkString(key, path.Key(key.Value))
				t.check(value, schema.Elem(), path.Key(key.Value))
			})
		}
	case reflect.Slice:
		if t.want(n, yaml.SequenceNode, path) {
			for i, item := range n.Content {
				t.check(item, schema.Elem(), path.Index(i))
			}
		}
	case reflect.Bool:
		if t.want(n, yaml.ScalarNode, path) {
			t.checkBool(n, path)
		}
	case reflect.String:
		if t.want(n, yaml.ScalarNode, path) {
			t.checkString(n, path)
		}
	}
}

func (t *text) checkFields(n *yaml.Node, schema reflect.Type, path *field.Path) {
	if !t.want(n, yaml.MappingNode, path) {
		return
	}
	fields := map[string]reflect.Type{}
	required := map[string]bool{}
	var names []string
	for f := range schema.Fields() {
		name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
		fields[name], required[name] = f.Type, option == ""
		names = append(names, name)
	}
	t.eachKey(n, path, func(key, value *yaml.Node) {
		schema, known := fields[key.Value]
		switch {
		case !known:
			t.add(path, key, "unknown field %q%s", brief(key.Value), suggestion(key.Value, names))
		case required[key.Value] && isNull(value):
			t.nodes[pathString(child(path, key.Value))] = value // whoever needs the value says what it should be
		default:
			t.check(value, schema, child(path, key.Value))
		}
	})
}

func (t *text) eachKey(n *yaml.Node, path *field.Path, f func(key, value *yaml.Node)) {
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if !isKey(key) {
			t.add(path, key, "a key must be a string")
			continue
		}
		if seen[key.Value] {
			t.add(path, key, "%q is given twice", brief(key.Value))
			continue
		}
		seen[key.Value] = true
		f(key, value)
	}
}

func (t *text) checkBool(n *yaml.Node, path *field.Path) {
	switch {
	case n.Style != 0:
		t.add(path, n, "%q is a string: one of true, false, without quotes", brief(n.Value))
	case n.Value != "true" && n.Value != "false":
		t.add(path, n, "%s: one of true, false", brief(n.Value))
	}
}

// checkString refuses a scalar that the decoder would not read as the text that stands there, such as on,
// 1.10 or 2026-01-01.
func (t *text) checkString(n *yaml.Node, path *field.Path) {
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return
	}
	var v any
	if err := sigsyaml.Unmarshal([]byte(n.Value), &v); err != nil || v != n.Value {
		t.add(path, n, "%s is not a string in YAML: write %q", brief(n.Value), brief(n.Value))
	}
}

var kindNames = map[yaml.Kind]string{
	yaml.MappingNode: "a mapping (key: value)", yaml.SequenceNode: "a list", yaml.ScalarNode: "a single value",
}

func (t *text) want(n *yaml.Node, kind yaml.Kind, path *field.Path) bool {
	if n.Kind == kind {
		return true
	}
	found := kindNames[n.Kind]
	if n.Kind == yaml.ScalarNode && path != nil { // a text that is one value is no policy, and may be a password
		found = strconv.Quote(brief(n.Value))
	}
	t.add(path, n, "must be %s, found %s", kindNames[kind], found)
	return false
}

func isNull(n *yaml.Node) bool { return n.ShortTag() == "!!null" }

func (t *text) add(path *field.Path, n *yaml.Node, format string, args ...any) {
	t.broken[pathString(path)] = true
	t.addNode(pathString(path), n, fmt.Sprintf(format, args...))
}

// addAt places a problem at a path. Where the node there does not fit the schema, nothing is added: the problem may
// only follow from the one there.
func (t *text) addAt(path, message string) {
	if at, n := t.nearest(path); !t.broken[at] {
		t.addNode(path, n, message)
	}
}

// addNode tells a problem of a path at a node of its own.
func (t *text) addNode(path string, n *yaml.Node, message string) {
	t.problems = append(t.problems, Problem{
		Document: t.name, Path: path, Line: n.Line, Column: n.Column, Message: message,
	})
}

// warnAt places a warning at a path.
func (t *text) warnAt(path, message string) {
	_, n := t.nearest(path)
	t.problems = append(t.problems, Problem{
		Document: t.name, Path: path, Line: n.Line, Column: n.Column, Message: message, Warning: true,
	})
}

// brief is the start of a value that is too long to be read: a message says what is allowed after what was found.
func brief(value string) string {
	const longest = 100
	if len(value) <= longest {
		return value
	}
	return strings.ToValidUTF8(value[:longest], "") + "…"
}

// nearest is the path's own node, or that of the nearest parent that stands in the text.
func (t *text) nearest(path string) (string, *yaml.Node) {
	for t.nodes[path] == nil { // the root stands under ""
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return path, t.nodes[path]
}

// absence says how a required value is not there.
func (t *text) absence(path string) string {
	switch n := t.nodes[path]; {
	case n == nil:
		return "is missing"
	case isNull(n):
		return "is null"
	}
	return "is empty"
}

func pathString(path *field.Path) string {
	if path == nil {
		return ""
	}
	return path.String()
}

func child(path *field.Path, name string) *field.Path {
	if path == nil {
		return field.NewPath(name)
	}
	return path.Child(name)
}

// suggestion names the field that was probably meant, or all that are allowed.
func suggestion(got string, names []string) string {
	if best := nearestWord(got, names); best != "" {
		return fmt.Sprintf(": did you mean %q?", best)
	}
	return ": one of " + strings.Join(names, ", ")
}

// meant names the value that was probably meant, after all that are allowed.
func meant(got string, names []string) string {
	if best := nearestWord(got, names); best != "" {
		return fmt.Sprintf("; did you mean %s?", best)
	}
	return ""
}

// nearestWord is the word that differs from got by case, or else by at most two letters and not by most of them.
func nearestWord(got string, words []string) string {
	best, distance := "", 3
	for _, word := range words {
		if strings.EqualFold(got, word) {
			return word
		}
		if d := editDistance(got, word); d < distance && d < len(got) {
			best, distance = word, d
		}
	}
	return best
}

// editDistance is the Levenshtein distance between two short words.
func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
