package bound

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
)

// maxLine is what no line of the log exceeds.
const maxLine = 16 << 10

func TestALongListIsCutWithTheNumberOfWhatIsLeftOut(t *testing.T) {
	many := make([]string, 6000)
	for i := range many {
		many[i] = fmt.Sprintf("registry-%04d.example: changed", i)
	}
	cut := List(many, "lines")
	last := cut[len(cut)-1]
	if want := fmt.Sprintf("and %d more lines", len(many)-len(cut)+1); last != want || len(cut) < 100 {
		t.Errorf("%d items, the last is %q, want %q", len(cut), last, want)
	}
	if diff := cmp.Diff(many[:len(cut)-1], cut[:len(cut)-1]); diff != "" {
		t.Errorf("the others are the first ones: %s", diff)
	}
	for _, short := range [][]string{nil, {"a"}, many[:50]} {
		if got := List(short, "lines"); !slices.Equal(got, short) {
			t.Errorf("%d items became %d", len(short), len(got))
		}
	}
}

// TestTwoListsAndATextFitInALine has characters in it that JSON writes as six.
func TestTwoListsAndATextFitInALine(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		b := make([]byte, r.IntN(3000))
		for i := range b {
			b[i] = byte(r.IntN(256) >> r.IntN(6))
		}
		return string(b)
	}
	for range 30 {
		var a, b []string
		for range r.IntN(300) {
			a, b = append(a, text()), append(b, text())
		}
		out := bytes.Buffer{}
		log := zerolog.New(&out)
		log.Info().Strs("a", List(a, "lines")).Strs("b", List(b, "")).Msg(Text(strings.ToValidUTF8(text(), "")))
		if out.Len() > maxLine {
			t.Fatalf("%d bytes", out.Len())
		}
	}
}
