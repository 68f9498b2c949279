package oracle

import (
	"os"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/mutating/patch"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	"k8s.io/apiserver/pkg/cel/environment"
	"sigs.k8s.io/yaml"
)

// TestAnOlderAPIServerCompilesTheExpressions holds the admission policies that are shipped against the language that
// the oldest Kubernetes has for which they are. An API server takes in new objects only what its predecessor could
// compile too (environment.DefaultCompatibilityVersion), for the sake of a rollback.
func TestAnOlderAPIServerCompilesTheExpressions(t *testing.T) {
	for _, c := range []struct{ file, kubernetes, language string }{
		{"../../kustomize/base/guard.yaml", "1.30", "1.29"},
		{"../../kustomize/components/admission/policy.yaml", "1.36", "1.35"},
	} {
		t.Run(c.kubernetes, func(t *testing.T) {
			p := policyIn(t, c.file)
			if failures := compiled(t, p, c.language); len(failures) > 0 {
				t.Errorf("%s does not compile on Kubernetes %s:\n%s", c.file, c.kubernetes, strings.Join(failures, "\n"))
			}
		})
	}
	// It judges: the component's functions came with 1.34.
	if failures := compiled(t, policyIn(t, "../../kustomize/components/admission/policy.yaml"), "1.33"); len(failures) == 0 {
		t.Error("functions that came later compile")
	}
}

// expressions are those of an admission policy.
type expressions struct {
	params      bool
	conditions  []cel.ExpressionAccessor
	variables   []cel.NamedExpressionAccessor
	validations []cel.ExpressionAccessor
	mutations   []cel.ExpressionAccessor
}

// policyIn reads the first document of a file, a validating or a mutating policy.
func policyIn(t *testing.T, file string) (e expressions) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.Split(string(text), "\n---\n")[0])
	// Both kinds have the same fields for what they share.
	var shared struct {
		Spec struct {
			ParamKind       *admissionv1.ParamKind
			MatchConditions []admissionv1.MatchCondition
			Variables       []admissionv1.Variable
			Validations     []admissionv1.Validation
			Mutations       []admissionv1.Mutation
		}
	}
	if err := yaml.Unmarshal(text, &shared); err != nil {
		t.Fatal(err)
	}
	e.params = shared.Spec.ParamKind != nil
	for i := range shared.Spec.MatchConditions {
		e.conditions = append(e.conditions, (*matchconditions.MatchCondition)(&shared.Spec.MatchConditions[i]))
	}
	for _, v := range shared.Spec.Variables {
		e.variables = append(e.variables, &validating.Variable{Name: v.Name, Expression: v.Expression})
	}
	for _, v := range shared.Spec.Validations {
		e.validations = append(e.validations, &validating.ValidationCondition{Expression: v.Expression})
	}
	for _, m := range shared.Spec.Mutations {
		e.mutations = append(e.mutations, &patch.JSONPatchCondition{Expression: m.JSONPatch.Expression})
	}
	if len(e.conditions) == 0 || len(e.variables) == 0 || len(e.validations)+len(e.mutations) == 0 {
		t.Fatalf("%s has %d conditions, %d variables, %d validations and %d mutations", file, len(e.conditions), len(e.variables),
			len(e.validations), len(e.mutations))
	}
	return e
}

// compiled compiles expressions as an API server does that gets them anew, and returns those that failed.
func compiled(t *testing.T, e expressions, language string) (failures []string) {
	t.Helper()
	compiler, err := cel.NewCompositedCompiler(environment.MustBaseEnvSet(version.MustParseGeneric(language)))
	if err != nil {
		t.Fatal(err)
	}
	note := func(r cel.CompilationResult, what cel.ExpressionAccessor) {
		if r.Error != nil {
			failures = append(failures, what.GetExpression()+": "+r.Error.Error())
		}
	}
	options := cel.OptionalVariableDeclarations{HasParams: e.params, HasAuthorizer: true}
	for _, v := range e.variables {
		note(compiler.CompileAndStoreVariable(v, options, environment.NewExpressions), v)
	}
	for _, x := range append(e.conditions, e.validations...) {
		note(compiler.CompileCELExpression(x, options, environment.NewExpressions), x)
	}
	options.HasPatchTypes = true
	for _, x := range e.mutations {
		note(compiler.CompileCELExpression(x, options, environment.NewExpressions), x)
	}
	return failures
}
