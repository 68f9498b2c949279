package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	sigsyaml "sigs.k8s.io/yaml"
)

const schemaFile = "../../schema/policy.json"

func TestTheSchemaIsThatOfTheTypes(t *testing.T) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(publishedSchema(t)); err != nil {
		t.Fatal(err)
	}
	upToDate(t, schemaFile, b.String())
}

// upToDate holds a generated file against what it has to be, and writes it with -update.
func upToDate(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if *update && string(got) != want {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s is stale, run go test ./internal/policy -update: %v (-want +got):\n%s", path, err, diff)
	}
}

// schema is a JSON Schema, draft-07: editors know no later one as well.
type schema = map[string]any

func publishedSchema(t *testing.T) schema {
	s := schemaOf(t, reflect.TypeFor[Document](), "", comments(t))
	for path := range extras {
		if !usedExtras[path] {
			t.Errorf("there is no field %s", path)
		}
	}
	s["$schema"] = "http://json-schema.org/draft-07/schema#"
	// Of this version, so that an editor judges a policy as the controller beside it does.
	version := strings.TrimSpace(readFile(t, "../../VERSION"))
	s["$id"] = "https://raw.githubusercontent.com/pullsecrets/pullsecrets/" + version + "/schema/policy.json"
	s["title"] = "pullsecrets policy"
	return s
}

// What the checker asks beyond the Go types.
var (
	subdomain    = `[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*`
	name         = schema{"pattern": "^" + subdomain + "$", "maxLength": 253}
	optionalName = schema{"pattern": "^(" + subdomain + ")?$", "maxLength": 253}
	globItems    = schema{"pattern": `^[-a-z0-9.*?]+$`}
	labelName    = `[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?`
	labelKey     = schema{"pattern": "^(" + subdomain + "/)?" + labelName + "$"}
	labelValue   = schema{"pattern": "^(" + labelName + ")?$"}

	extras = map[string]schema{
		"apiVersion":                                     {"const": APIVersion},
		"kind":                                           {"const": Kind},
		"rules[].name":                                   name,
		"rules[].secrets":                                {"minItems": 1},
		"rules[].secrets[].source.name":                  name,
		"rules[].secrets[].source.namespace":             {"pattern": "^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$", "maxLength": 63},
		"rules[].secrets[].name":                         optionalName,
		"rules[].namespaces.include":                     {"minItems": 1, "default": []string{"*"}},
		"rules[].serviceAccounts.include":                {"default": []string{"default"}},
		"rules[].attach":                                 {"enum": []string{"", "accounts", "pods"}, "default": "accounts"},
		"rules[].force":                                  {"default": false},
		"rules[].override":                               {"default": false},
		"rules[].prune":                                  {"default": true},
		"rules[].*.include[]":                            globItems,
		"rules[].*.exclude[]":                            globItems,
		"rules[].*.selector.matchLabels":                 {"propertyNames": labelKey},
		"rules[].*.selector.matchLabels{}":               labelValue,
		"rules[].*.selector.matchExpressions[]":          valuesAsOperatorAsks,
		"rules[].*.selector.matchExpressions[].key":      labelKey,
		"rules[].*.selector.matchExpressions[].operator": {"enum": operators},
		"rules[].*.selector.matchExpressions[].values[]": labelValue,
	}
	valuesAsOperatorAsks = schema{
		"if":   schema{"properties": schema{"operator": schema{"enum": []string{"In", "NotIn"}}}},
		"then": schema{"required": []string{"values"}, "properties": schema{"values": schema{"minItems": 1}}},
		"else": schema{"properties": schema{"values": schema{"maxItems": 0}}},
	}
)

var usedExtras = map[string]bool{}

// extra finds what is asked of a path; namespaces and serviceAccounts share what is under *.
func extra(path string) schema {
	shared := strings.NewReplacer(".namespaces.", ".*.", ".serviceAccounts.", ".*.").Replace(path)
	for _, p := range []string{path, shared} {
		if s, ok := extras[p]; ok {
			usedExtras[p] = true
			return maps.Clone(s)
		}
	}
	return schema{}
}

// schemaOf is the schema of a Go type at a path of the policy.
func schemaOf(t *testing.T, goType reflect.Type, path string, docs map[string]string) schema {
	s := extra(path)
	if goType.Kind() == reflect.Pointer {
		goType = goType.Elem()
	}
	switch goType.Kind() {
	case reflect.Struct:
		s["type"], s["additionalProperties"] = "object", false
		properties, required := schema{}, []string{}
		for _, f := range fieldsOf(goType, docs) {
			p := schemaOf(t, f.goType, join(path, f.name), docs)
			p["description"] = f.doc
			if f.required {
				required = append(required, f.name)
			} else if p["type"] == "object" {
				p["type"] = []string{"object", "null"} // an empty mapping may be left empty
			}
			properties[f.name] = p
		}
		s["properties"] = properties
		if len(required) > 0 {
			s["required"] = required
		}
	case reflect.Map:
		s["type"], s["additionalProperties"] = "object", schemaOf(t, goType.Elem(), path+"{}", docs)
	case reflect.Slice:
		s["type"], s["items"] = "array", schemaOf(t, goType.Elem(), path+"[]", docs)
	case reflect.Bool:
		s["type"] = "boolean"
	case reflect.String:
		s["type"] = "string"
	default:
		t.Fatalf("%s: there is no schema for %s", path, goType)
	}
	return s
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// fieldOf is a field of the schema's types.
type fieldOf struct {
	name, doc string
	goType    reflect.Type
	required  bool
}

func fieldsOf(goType reflect.Type, docs map[string]string) (out []fieldOf) {
	for f := range goType.Fields() {
		name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
		doc := docs[goType.Name()+"."+f.Name]
		if described, ok := reflect.New(goType).Interface().(interface{ SwaggerDoc() map[string]string }); ok {
			doc = described.SwaggerDoc()[name] // a type of Kubernetes
		}
		out = append(out, fieldOf{name, doc, f.Type, option == ""})
	}
	return out
}

// comments are those of the fields in schema.go, by type and field.
func comments(t *testing.T) map[string]string {
	file, err := parser.ParseFile(token.NewFileSet(), "schema.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		for _, f := range spec.Type.(*ast.StructType).Fields.List {
			doc := strings.Join(strings.Fields(f.Doc.Text()), " ")
			if doc == "" {
				t.Errorf("%s.%s has no comment to describe it", spec.Name, f.Names[0])
			}
			out[spec.Name.Name+"."+f.Names[0].Name] = doc
		}
		return false
	})
	return out
}

// beyondSchema are the bad files that a JSON Schema cannot refuse, by reason.
var beyondSchema = map[string][]string{
	"not YAML at all": {"not-yaml-bracket", "not-yaml-colon", "not-yaml-control", "not-yaml-indent", "tab", "bare-star", "bare-star-suffix", "after-the-end"},
	"a key that is no string, as a template makes one":                      {"template", "template-lines", "template-values", "odd-keys"},
	"gone once it is read: anchors, aliases, merge keys, a key given twice": {"alias", "anchor", "merge-key", "duplicate-key", "duplicate-key-labels"},
	"a matter of how a value is written, not of which it is":                {"yaml11-string"},
	"more than one document":                                                {"second-document", "second-document-empty"},
	"about two rules or two secrets":                                        {"rule-name-twice", "copy-name-twice"},
	"about how the controller is started, or about the ConfigMap":           {"source-namespace", "no-policy-keys"},
}

// The schema accepts what Parse accepts, and refuses what Parse refuses for its structure.
func TestTheSchemaAgreesWithParse(t *testing.T) {
	compiled := jsonschema.NewCompiler()
	published, err := jsonschema.UnmarshalJSON(strings.NewReader(readFile(t, schemaFile)))
	if err != nil {
		t.Fatal(err)
	}
	if err := compiled.AddResource("policy.json", published); err != nil {
		t.Fatal(err)
	}
	s := compiled.MustCompile("policy.json")
	for _, c := range testCases(t, "testdata/good/*.txtar", 18) {
		for document, content := range c.documents() {
			if err := schemaError(t, s, content); err != nil && IsDocument(document) {
				t.Errorf("%s: Parse accepts it, the schema does not: %v", c.path, err)
			}
		}
	}
	beyondAll := slices.Concat(slices.Collect(maps.Values(beyondSchema))...)
	for _, c := range testCases(t, "testdata/bad/*.txtar", 60) {
		var found []error
		for document, content := range c.documents() {
			if err := schemaError(t, s, content); err != nil && IsDocument(document) {
				found = append(found, err)
			}
		}
		if beyond := slices.Contains(beyondAll, c.name()); beyond != (len(found) == 0) {
			t.Errorf("%s: beyond a schema: %t, but it says: %v", c.path, beyond, found)
		}
	}
	for _, path := range []string{
		"../../examples/policy.yaml", "../../kustomize/overlays/own-folder/policy.yaml", "../../kustomize/overlays/pods/policy.yaml",
		"../../examples/argocd/pullsecrets/policy.yaml", "../../examples/flux/pullsecrets/policy/policy.yaml",
		"../../examples/flux/oci/policy/policy.yaml",
	} {
		if err := schemaError(t, s, readFile(t, path)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func schemaError(t *testing.T, s *jsonschema.Schema, content string) error {
	t.Helper()
	asJSON, err := sigsyaml.YAMLToJSON([]byte(content))
	if err != nil {
		return nil // an editor tells of that without a schema
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(value)
}

func TestTheExamplesNameTheSchemaForEditors(t *testing.T) {
	published := schema{}
	if err := json.Unmarshal([]byte(readFile(t, schemaFile)), &published); err != nil {
		t.Fatal(err)
	}
	want := "# yaml-language-server: $schema=" + published["$id"].(string) + "\n"
	for _, path := range []string{
		"../../examples/policy.yaml", "../../kustomize/base/policy.yaml",
		"../../examples/argocd/pullsecrets/policy.yaml", "../../examples/flux/pullsecrets/policy/policy.yaml",
	} {
		if !strings.HasPrefix(readFile(t, path), want) {
			t.Errorf("%s is to start with %q", path, want)
		}
	}
	if text := readFile(t, "../../docs/policy.md"); !strings.Contains(text, want) {
		t.Errorf("docs/policy.md is to show %q", want)
	}
}

const fieldsStart, fieldsEnd = "<!-- fields: generated by go test ./internal/policy -update -->\n", "<!-- end of fields -->\n"

// The reference shows the fields as the types have them.
func TestTheReferenceHasTheFieldsOfTheTypes(t *testing.T) {
	const path = "../../docs/policy.md"
	before, rest, ok := strings.Cut(readFile(t, path), fieldsStart)
	_, after, ends := strings.Cut(rest, fieldsEnd)
	if !ok || !ends {
		t.Fatalf("%s has no place for the fields", path)
	}
	rows := fieldRows(reflect.TypeFor[Document](), "", comments(t))
	table := "| field | is | when left out | |\n| --- | --- | --- | --- |\n" + strings.Join(rows, "")
	upToDate(t, path, before+fieldsStart+table+fieldsEnd+after)
}

func fieldRows(goType reflect.Type, path string, docs map[string]string) (rows []string) {
	for _, f := range fieldsOf(goType, docs) {
		at, inner := join(path, f.name), f.goType
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s | %s |\n", at, kindWords(inner), leftOut(f, at), f.doc))
		if inner.Kind() == reflect.Slice {
			at, inner = at+"[]", inner.Elem()
		}
		if inner.Kind() == reflect.Struct && inner.PkgPath() == goType.PkgPath() {
			rows = append(rows, fieldRows(inner, at, docs)...)
		}
	}
	return rows
}

func kindWords(goType reflect.Type) string {
	switch {
	case goType == reflect.TypeFor[metav1.LabelSelector]():
		return "label selector"
	case goType == reflect.TypeFor[[]string]():
		return "list of globs"
	case goType.Kind() == reflect.Slice:
		return "list"
	case goType.Kind() == reflect.Struct:
		return "mapping"
	case goType.Kind() == reflect.Bool:
		return "true or false"
	}
	return "string"
}

func leftOut(f fieldOf, path string) string {
	if f.required {
		return "an error"
	}
	if value, ok := extra(path)["default"]; ok {
		text, _ := json.Marshal(value)
		return "`" + string(text) + "`"
	}
	return ""
}
