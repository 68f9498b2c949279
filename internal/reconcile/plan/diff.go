package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// Diff says what a write changes in a secret, a line each. It is made from a projection that never held the
// credential: registry hosts and the names of fields, no value, length or hash.
type Diff []string

// view is what go-cmp compares.
type view struct {
	Type       string
	Registries map[string]map[string]cluster.Field
	Marks      map[string]string
}

// newDiff compares what there is with what is about to be written. Data under other keys survives an update, but not
// the deletion that replaces the object.
func newDiff(live, source *cluster.Secret, marks cluster.Marks, replaced bool) Diff {
	before := view{Type: live.Type, Registries: registries(live.Content), Marks: markMap(live.Marks)}
	after := view{Type: source.Type, Registries: registries(source.Content), Marks: markMap(marks)}
	r := &reporter{}
	cmp.Equal(before, after, cmp.Comparer(cluster.Field.SameValue), cmp.Reporter(r))
	slices.Sort(r.lines)
	if replaced {
		for _, key := range live.OtherKeys {
			r.lines = append(r.lines, fmt.Sprintf("data %q: removed", key))
		}
	}
	for _, o := range live.Owners {
		r.lines = append(r.lines, strings.TrimSuffix(fmt.Sprintf("content owned by %q (%s, %s", o.Manager, o.Operation, o.Time), ", ")+")")
	}
	return r.lines
}

func registries(c *cluster.Content) map[string]map[string]cluster.Field {
	out := map[string]map[string]cluster.Field{}
	if c == nil {
		return out
	}
	for _, r := range c.Registries {
		fields := map[string]cluster.Field{}
		for _, f := range r.Fields {
			fields[f.Name] = f
		}
		out[r.Host] = fields
	}
	return out
}

func markMap(m cluster.Marks) map[string]string {
	out := map[string]string{
		"label " + cluster.LabelManagedBy:        m.ManagedBy,
		"annotation " + cluster.AnnotationRule:   m.Rule,
		"annotation " + cluster.AnnotationSource: m.Source,
		"annotation " + cluster.AnnotationFor:    m.For,
		"annotation " + cluster.AnnotationPrune:  m.Prune,
	}
	maps.DeleteFunc(out, func(_, v string) bool { return v == "" })
	return out
}

// reporter is a cmp.Reporter that writes the differences in words. cmp.Diff's own text is not stable.
type reporter struct {
	path  cmp.Path
	lines []string
}

func (r *reporter) PushStep(step cmp.PathStep) { r.path = append(r.path, step) }
func (r *reporter) PopStep()                   { r.path = r.path[:len(r.path)-1] }

func (r *reporter) Report(result cmp.Result) {
	if result.Equal() {
		return
	}
	x, y := r.path.Last().Values()
	change := "changed"
	switch {
	case !x.IsValid():
		change = "added"
	case !y.IsValid():
		change = "removed"
	}
	var keys []string
	for _, step := range r.path {
		if m, ok := step.(cmp.MapIndex); ok {
			keys = append(keys, m.Key().String())
		}
	}
	switch field, _ := r.path.Index(1).(cmp.StructField); field.Name() {
	case "Type":
		r.lines = append(r.lines, fmt.Sprintf("type: %q becomes %q", x.String(), y.String()))
	case "Registries":
		line := "registry " + keys[0] + ": " + change
		if len(keys) > 1 {
			line = "registry " + keys[0] + ": " + keys[1] + " " + change
		}
		r.lines = append(r.lines, line)
	case "Marks":
		line := keys[0] + ": " + change
		if change == "changed" {
			line = fmt.Sprintf("%s: %q becomes %q", keys[0], x.String(), y.String())
		}
		r.lines = append(r.lines, line)
	}
}

// Difference says what differs between two versions of a secret, as a Diff does.
func Difference(before, after *cluster.Secret) Diff {
	return newDiff(before, after, after.Marks, false)
}
