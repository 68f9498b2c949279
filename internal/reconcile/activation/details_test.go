package activation

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/apply"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/plan"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/status"
)

// TestAllProblemsAreInTheStatus at the pace of the rest, and are gone when they are mended.
func TestAllProblemsAreInTheStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, Options{})
		w.edit(onePolicy)
		w.run()
		w.requeue() // once more, when the copies are there
		w.finish()
		w.rest(w.StatusInterval)
		if packed := w.Cluster.StatusMap().BinaryData[status.KeyProblems]; packed != nil {
			t.Errorf("without problems there are %d bytes", len(packed))
		}
		record := status.Decode(w.Cluster.StatusMap().Data[status.KeyRecord])
		if len(record.Rules) != 1 || record.Rules[0] != (status.RuleTotals{Name: "a", Namespaces: 3, Copies: 3, ServiceAccounts: 3}) {
			t.Errorf("the rules are %+v", record.Rules)
		}
		if len(record.Summaries) != 1 || record.Summaries[0].State != "Usable" {
			t.Errorf("the sources are %+v", record.Summaries)
		}
		foreign := plan.Action{Verb: plan.None, Kind: plan.KindSecret, Name: "regcred", Rule: "a", Reason: plan.ForeignSecret}
		fails := func(ns string, actions ...plan.Action) {
			w.Reporter.Record(plan.Plan{Namespace: ns, Actions: actions}, apply.Result{Namespace: ns}, false)
			w.rest(soon)
		}
		var names []string
		for i := range 60 {
			names = append(names, fmt.Sprintf("x-%02d", i))
		}
		w.rest(w.StatusInterval)
		statusWrites := func() int {
			return len(slices.DeleteFunc(slices.Clone(w.writes), func(name string) bool { return name != "the-status" }))
		}
		written := statusWrites()
		for _, ns := range names {
			fails(ns, foreign)
		}
		w.rest(w.StatusInterval)
		if n := statusWrites() - written; n == 0 || n > 2 {
			t.Errorf("%d writes in %s", n, 2*w.StatusInterval)
		}
		want := func(want []string) {
			t.Helper()
			all, err := status.UnpackProblems(w.Cluster.StatusMap().BinaryData[status.KeyProblems])
			if err != nil || len(all) != min(1, len(want)) || len(all) == 1 && !slices.Equal(all[0].Namespaces, want) {
				t.Errorf("%v, problems are %+v", err, all)
			}
		}
		want(names)

		// One that the record does not name goes, and another comes: its text is the same, and yet all are told.
		text := w.Cluster.StatusMap().Data[status.KeyRecord]
		w.Reporter.Record(plan.Plan{Namespace: "x-59"}, apply.Result{Namespace: "x-59"}, false)
		fails("x-60", foreign)
		w.Reporter.Forget("x-59")
		w.Reporter.Record(plan.Plan{Namespace: "fine"}, apply.Result{Namespace: "fine"}, false)
		w.rest(2 * w.StatusInterval)
		want(append(slices.Clone(names[:59]), "x-60"))
		if now := w.Cluster.StatusMap().Data[status.KeyRecord]; len(now) != len(text) {
			t.Errorf("the record is another: %s", now)
		}
		for _, ns := range append(names, "x-60") {
			w.Reporter.Forget(ns)
		}
		w.rest(2 * w.StatusInterval)
		if _, there := w.Cluster.StatusMap().BinaryData[status.KeyProblems]; there {
			t.Error("they are mended, and the key is there")
		}
		all := len(w.writes)
		for range 20 {
			w.settle()
			w.rest(time.Minute)
		}
		if n := len(w.writes) - all; n > 0 {
			t.Errorf("nothing changed, and there were %d writes", n)
		}
	})
}

// TestAnotherTextTakesTheRollOutBack as soon as it is about to come in force, and leaves all else of the status as it is.
func TestAnotherTextTakesTheRollOutBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, Options{})
		w.edit(onePolicy, cluster.AnnotationRevision, "v1")
		w.run()
		w.Reporter.OfNone("x", []status.Problem{{Kind: "Policy", Name: "x", Reason: "R", Detail: "it is"}})
		w.rest(2 * w.StatusInterval)
		before := w.Cluster.StatusMap()
		if r := status.Decode(before.Data[status.KeyRecord]); r.RolledOut != hashOf(onePolicy) || len(before.BinaryData[status.KeyProblems]) == 0 {
			t.Fatalf("the status says %+v", r)
		}
		w.idle = true
		const other = onePolicy + "# another text\n"
		w.edit(other, cluster.AnnotationRevision, "v2")
		w.settle()
		check := func(inForce string) {
			t.Helper()
			saved := w.Cluster.StatusMap()
			r := status.Decode(saved.Data[status.KeyRecord])
			documents, err := status.UnpackPolicy(saved.BinaryData[status.KeyPolicy])
			if err != nil || hashOf(documents["policy.yaml"]) != inForce || r.RolledOut != "" || r.Observed != hashOf(onePolicy) {
				t.Errorf("the status says %+v, in force is %v, %v", r, documents, err)
			}
			if string(saved.BinaryData[status.KeyProblems]) != string(before.BinaryData[status.KeyProblems]) {
				t.Error("the problems are others")
			}
		}
		check(hashOf(other))
		w.edit(onePolicy, cluster.AnnotationRevision, "v1")
		w.settle()
		check(hashOf(onePolicy))
		w.idle = false
		w.settle()
		w.rest(2 * w.StatusInterval)
		if r := status.Decode(w.Cluster.StatusMap().Data[status.KeyRecord]); r.RolledOut != hashOf(onePolicy) {
			t.Errorf("the status says %+v", r)
		}
	})
}

// TestProblemsMakeRoomForAnotherText: it is not kept out, for as long as it takes to try again, by what they take of the status
// ConfigMap.
func TestProblemsMakeRoomForAnotherText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 3, Options{})
		const limit = 1 << 20 // of the API server, for all values of a ConfigMap
		w.refuseStatus = func(cm *cluster.ConfigMap) error {
			size := 0
			for _, text := range cm.Data {
				size += len(text)
			}
			for _, value := range cm.BinaryData {
				size += len(value)
			}
			if size > limit {
				return apierrors.NewRequestEntityTooLargeError("it is too long")
			}
			return nil
		}
		w.edit(onePolicy)
		w.run()
		var random [32]byte
		chance := rand.NewChaCha8(random)
		bytes := func(n int) []byte {
			b := make([]byte, n)
			_, _ = chance.Read(b)
			return b
		}
		foreign := plan.Action{Verb: plan.None, Kind: plan.KindSecret, Name: "regcred", Rule: "a", Reason: plan.ForeignSecret}
		for range 26_000 {
			ns := hex.EncodeToString(bytes(31))
			w.Reporter.Record(plan.Plan{Namespace: ns, Actions: []plan.Action{foreign}}, apply.Result{Namespace: ns}, false)
		}
		w.rest(2 * w.StatusInterval)
		if n := len(w.Cluster.StatusMap().BinaryData[status.KeyProblems]); n < 700<<10 {
			t.Fatalf("the problems take %d bytes", n)
		}
		other := onePolicy + "# " + base64.StdEncoding.EncodeToString(bytes(380<<10)) + "\n"
		w.edit(other)
		w.settle()
		w.rest(2 * w.StatusInterval)
		if p, _ := w.Progress(); p.Unsaved != "" || w.log.has("cannot write the status ConfigMap") {
			t.Errorf("it was kept out: %q", p.Unsaved)
		}
		documents, err := status.UnpackPolicy(w.Cluster.StatusMap().BinaryData[status.KeyPolicy])
		if err != nil || documents["policy.yaml"] != other {
			t.Errorf("another text is kept: %v", err)
		}
	})
}
