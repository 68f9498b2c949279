package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/policy"
)

// The states of the sources are gathered again after every event, and a line for each would fill the log.
func TestAWarningIsLoggedOnceForEachContentOfASource(t *testing.T) {
	projector := cluster.NewProjector([]byte("key"))
	key := types.NamespacedName{Namespace: "pullsecrets", Name: "hub"}
	state := func(password string) policy.SourceState {
		content, defect, cause := projector.Content(cluster.TypeDockercfg, []byte(`{"hub.example":{"username":"robot","password":"`+password+`"}}`))
		return policy.NewSourceState(&cluster.Source{Secret: &cluster.Secret{Content: content, Defect: defect, Cause: cause}}, cluster.Installation{})
	}
	const line = `"source":"pullsecrets/hub","message":"password of hub.example ends in a newline`
	var out bytes.Buffer
	w := Warned{}
	for _, step := range []struct {
		why   string
		state policy.SourceState
		want  int
	}{
		{"nothing is wrong", state("one"), 0},
		{"a newline", state(`one\n`), 1},
		{"the same again", state(`one\n`), 0},
		{"another credential with one", state(`two\n`), 1},
		{"it is broken", state("${PASSWORD}"), 0},
		{"and back", state(`two\n`), 1},
		{"it is gone", policy.NewSourceState(nil, cluster.Installation{}), 0},
		{"a good one", state("three"), 0},
	} {
		out.Reset()
		w.Log(zerolog.New(&out), map[types.NamespacedName]policy.SourceState{key: step.state})
		if got := strings.Count(out.String(), line); got != step.want || strings.Count(out.String(), "\n") != step.want {
			t.Errorf("%s: %d lines, want %d:\n%s", step.why, got, step.want, &out)
		}
	}
}
