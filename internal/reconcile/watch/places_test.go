package watch

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// TestMostNamespacesHaveNothing of a name that a few have a copy of, and that is known without a search.
func TestMostNamespacesHaveNothing(t *testing.T) {
	var p places
	for i := range 10 {
		p.add(PlaceOf(fmt.Sprintf("with-%d", i)))
	}
	searched := 0
	for i := range 1000 {
		if p.mayHave(PlaceOf(fmt.Sprintf("without-%d", i))) {
			searched++
		}
	}
	if searched > 100 {
		t.Errorf("%d of 1,000 namespaces are searched", searched)
	}
}

// TestWhatStaysIsFoundWhileOthersComeAndGo and whole lists come.
func TestWhatStaysIsFoundWhileOthersComeAndGo(t *testing.T) {
	o := NewObjects()
	object := func(prefix string, i int) cluster.Object {
		return &cluster.Meta{Namespace: fmt.Sprintf("%s-%d", prefix, i), Name: "reg"}
	}
	const staying = 40
	list := func(random *rand.Rand) (objs []cluster.Object) {
		for i := range staying {
			objs = append(objs, object("stays", i))
		}
		for range random.IntN(100) {
			objs = append(objs, object("comes", random.IntN(500)))
		}
		return objs
	}
	random := rand.New(rand.NewPCG(1, 2))
	o.replace(list(random), "1")
	var stop atomic.Bool
	ended := make(chan string, 3)
	for range cap(ended) {
		go func() {
			lost := ""
			for i := 0; !stop.Load() && lost == ""; i++ {
				place := PlaceOf(fmt.Sprintf("stays-%d", i%staying))
				if o.at(place, "reg") == nil {
					lost = place.Namespace
				}
			}
			ended <- lost
		}()
	}
	for deadline := time.Now().Add(300 * time.Millisecond); time.Now().Before(deadline); {
		switch random.IntN(10) {
		case 0:
			o.replace(list(random), "1")
		case 1, 2, 3:
			o.Delete(object("comes", random.IntN(500)))
		default:
			o.Add(object("comes", random.IntN(500)))
		}
	}
	stop.Store(true)
	for range cap(ended) {
		if lost := <-ended; lost != "" {
			t.Errorf("%s was not found", lost)
		}
	}
}
