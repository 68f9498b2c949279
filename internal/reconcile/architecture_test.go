package reconcile

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const architecturePage = "../../docs/architecture.md"

// packageRow is a row of the table of packages in docs/architecture.md: the package, what it is for, its state, its imports.
var packageRow = regexp.MustCompile("(?m)^\\| \\[`([a-z/]+)`\\]\\(\\.\\./internal/[a-z/]+\\)[^|]* \\| ([^|]+) \\| ([^|]+) \\| [^|]+ \\|$")

// TestArchitecturePackages holds the table of packages, and the diagram, against the table of layers.
func TestArchitecturePackages(t *testing.T) {
	text := readPage(t, architecturePage)
	rows := packageRow.FindAllStringSubmatchIndex(text, -1)
	if len(rows) == 0 {
		t.Fatalf("%s has no table of packages", architecturePage)
	}
	told := map[string][2]string{} // what people wrote of a package
	for _, r := range rows {
		told[text[r[2]:r[3]]] = [2]string{text[r[4]:r[5]], text[r[6]:r[7]]}
	}
	var table []string
	for _, layer := range layers {
		if told[layer.name][0] == "" {
			t.Errorf("the table of packages in %s has no row for %s", architecturePage, layer.name)
		}
		table = append(table, rowOf(layer.name, layer.pure, strings.Fields(layer.uses), told[layer.name]))
		delete(told, layer.name)
	}
	for name := range told {
		t.Errorf("%s has a row for %s, and there is no such package", architecturePage, name)
	}
	begin, end := rows[0][0], rows[len(rows)-1][1]
	if want := strings.Join(table, "\n"); text[begin:end] != want {
		if *update && !t.Failed() {
			writePage(t, architecturePage, text[:begin]+want+text[end:])
			return
		}
		t.Errorf("the table of packages in %s is stale, run go test ./internal/reconcile -run Architecture -update; it has to be:\n%s", architecturePage, want)
	}
	checkDiagram(t, text)
}

func rowOf(name string, pure bool, uses []string, told [2]string) string {
	kind, imports := "", "none of ours"
	if pure {
		kind = ", pure"
	}
	if len(uses) > 0 {
		imports = "`" + strings.Join(uses, "`, `") + "`"
	}
	return fmt.Sprintf("| [`%s`](../internal/%s)%s | %s | %s | %s |", name, name, kind, told[0], told[1], imports)
}

// checkDiagram holds the names in the diagram against the packages. It need not show those that all others use.
func checkDiagram(t *testing.T, text string) {
	t.Helper()
	var shown []string
	for _, m := range regexp.MustCompile(`<b>([a-z/]+)</b>`).FindAllStringSubmatch(text, -1) {
		shown = append(shown, m[1])
	}
	for _, layer := range layers {
		at := slices.Index(shown, layer.name)
		if at < 0 && strings.HasPrefix(layer.name, "reconcile/") && !slices.Contains(notInDiagram, layer.name) {
			t.Errorf("the diagram in %s does not show %s", architecturePage, layer.name)
		}
		if at >= 0 {
			shown = slices.Delete(shown, at, at+1)
		}
	}
	if len(shown) > 0 {
		t.Errorf("the diagram in %s shows %v, and there are no such packages, or twice", architecturePage, shown)
	}
}

var notInDiagram = []string{"reconcile/bound", "reconcile/draining", "reconcile/kube", "reconcile/status", "reconcile/election"}

// codeLink is a link to a file of Go: its text is the file, or a name that is declared there, with its package or without.
var codeLink = regexp.MustCompile("\\[`([^`]+)`\\]\\(\\.\\./(internal/[^)#]+\\.go)\\)")

// TestArchitectureNames holds each name that docs/architecture.md links to a file against what is declared there.
func TestArchitectureNames(t *testing.T) {
	links := codeLink.FindAllStringSubmatch(readPage(t, architecturePage), -1)
	if len(links) < 50 {
		t.Errorf("%s has %d links to code", architecturePage, len(links))
	}
	for _, link := range links {
		name, file := link[1], link[2]
		if strings.Contains(name, "/") {
			if name != file {
				t.Errorf("%s: the link %s leads to %s", architecturePage, name, file)
			}
			continue
		}
		if !declaredIn(t, "../../"+file)[strings.TrimPrefix(name, packageOf(file)+".")] {
			t.Errorf("%s: %s does not declare %s", architecturePage, file, name)
		}
	}
}

// TestArchitecturePaths holds the paths that docs/architecture.md names without a link.
func TestArchitecturePaths(t *testing.T) {
	for _, m := range regexp.MustCompile("`((?:internal|kustomize|hack|docs)/[^` ]+)`").FindAllStringSubmatch(readPage(t, architecturePage), -1) {
		if _, err := os.Stat("../../" + m[1]); err != nil {
			t.Errorf("%s: %v", architecturePage, err)
		}
	}
}

// TestArchitectureCallbacks wants each function that a package below is given in an exported struct to be told of: it is how
// a package can call its user without importing it.
func TestArchitectureCallbacks(t *testing.T) {
	_, told, _ := strings.Cut(readPage(t, architecturePage), "## The callbacks that remain")
	files, err := filepath.Glob("*/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	found := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, field := range functionFields(t, file) {
			found++
			of, _, _ := strings.Cut(field, ".")
			link := func(name string) string {
				return "[`" + packageOf(file) + "." + name + "`](../internal/reconcile/" + filepath.ToSlash(file) + ")"
			}
			if !strings.Contains(told, link(of)) && !strings.Contains(told, link(field)) {
				t.Errorf("%s does not say why %s of %s is a function", architecturePage, field, file)
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d callbacks were found", found)
	}
}

// packageOf is the name of the package that a file is in.
func packageOf(file string) string { return filepath.Base(filepath.Dir(file)) }

// functionFields returns the exported fields of exported structs that are functions, as Type.Field.
func functionFields(t *testing.T, file string) (names []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || !spec.Name.IsExported() {
			return true
		}
		if of, ok := spec.Type.(*ast.StructType); ok {
			for _, field := range of.Fields.List {
				if _, ok := field.Type.(*ast.FuncType); !ok {
					continue
				}
				for _, name := range field.Names {
					if name.IsExported() {
						names = append(names, spec.Name.Name+"."+name.Name)
					}
				}
			}
		}
		return true
	})
	return names
}

// declaredIn returns what a file declares: names, methods as Type.Method and fields as Type.Field.
func declaredIn(t *testing.T, file string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.FromSlash(file), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Error(err)
		return names
	}
	for _, d := range parsed.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			name := d.Name.Name
			if d.Recv != nil {
				name = typeName(d.Recv.List[0].Type) + "." + name
			}
			names[name] = true
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				declare(names, spec)
			}
		}
	}
	return names
}

func declare(names map[string]bool, spec ast.Spec) {
	switch spec := spec.(type) {
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			names[name.Name] = true
		}
	case *ast.TypeSpec:
		names[spec.Name.Name] = true
		if fields, ok := spec.Type.(*ast.StructType); ok {
			for _, field := range fields.Fields.List {
				for _, name := range field.Names {
					names[spec.Name.Name+"."+name.Name] = true
				}
			}
		}
	}
}

// typeName is the name of a receiver's type.
func typeName(of ast.Expr) string {
	if pointer, ok := of.(*ast.StarExpr); ok {
		of = pointer.X
	}
	name, _ := of.(*ast.Ident)
	if name == nil {
		return ""
	}
	return name.Name
}

func readPage(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func writePage(t *testing.T, page, text string) {
	t.Helper()
	if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
