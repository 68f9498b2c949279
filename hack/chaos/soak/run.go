package soak

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/pullsecrets/pullsecrets/hack/chaos/plane"
	"github.com/pullsecrets/pullsecrets/hack/chaos/program"
	"github.com/pullsecrets/pullsecrets/hack/chaos/proxy"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

const (
	patience = 4 * time.Minute // how long it may take after the operations and faults of a round until all is right
	quiet    = 3 * time.Second // how long nothing may be written then
)

// soak is a cluster with two installations.
type soak struct {
	t        *testing.T
	seed     uint64
	client   dynamic.Interface
	root     string // of the repository
	world    *world
	witness  *witness
	proxy    *proxy.Proxy
	way      string // the kubeconfig through the proxy
	programs map[string]*program.Program
	right    []time.Duration // how long each round took until all was right
	done     int             // operations
	faults   map[string]int  // how often there was each
	endFault func()          // of the fault of the round
}

// start starts a control plane, the proxy and both programs, and makes the world as it begins.
func start(t *testing.T, seed uint64) *soak {
	t.Helper()
	cluster := plane.Up(t)
	s := &soak{
		t: t, seed: seed, client: cluster.Client, root: harness.Root(t), world: newWorld(),
		witness: &witness{client: cluster.Client}, programs: map[string]*program.Program{}, faults: map[string]int{},
	}
	var err error
	s.proxy, err = proxy.New(cluster.Config)
	harness.Must(t, err)
	t.Cleanup(s.proxy.Close)
	s.way, err = s.proxy.Kubeconfig(t.TempDir())
	harness.Must(t, err)
	harness.Must(t, s.populate(t.Context()))
	for _, home := range homes {
		s.run(home)
	}
	go s.witness.follow(t.Context(), secrets)
	go s.witness.follow(t.Context(), accounts)
	return s
}

// populate makes what there is before the first round: sources, namespaces, policies.
func (s *soak) populate(ctx context.Context) error {
	r := s.dice(0)
	for _, home := range homes {
		if _, err := s.client.Resource(namespaces).Create(ctx, api.Object("v1", "Namespace", "", home), metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
		for _, name := range registries {
			src := s.world.sources[home][name]
			src.state = "good"
			if _, err := s.putSource(home, name, src, "", "").do(ctx); err != nil {
				return err
			}
		}
		p := policy{}
		for range map[string]int{first: 4, second: 2}[home] {
			p.Rules = append(p.Rules, newRule(s, home, r))
		}
		if _, err := s.accept(home, p, "").do(ctx); err != nil {
			return err
		}
	}
	for _, i := range r.Perm(len(pool))[:28] {
		if _, err := s.newNamespace(pool[i], newSpace(r)).do(ctx); err != nil {
			return err
		}
	}
	return nil
}

// dice are those of a round: a seed gives the same operations, whatever a round before came to.
func (s *soak) dice(round int) *rand.Rand { return rand.New(rand.NewPCG(s.seed, uint64(round))) }

// run starts the program of an installation.
func (s *soak) run(home string) {
	s.t.Helper()
	var args []string
	if home == first {
		args = append(args, "-admission")
	}
	s.programs[home] = program.Start(s.t, program.Options{Name: home, Kubeconfig: s.way, Namespace: home, Args: args})
}

func (s *soak) stop(home string, kill bool) {
	p := s.programs[home]
	if kill {
		p.Signal(syscall.SIGKILL)
	} else {
		p.Signal(syscall.SIGCONT) // or one that stands still never hears of the other; after that it may have ended
		p.Signal(syscall.SIGTERM)
	}
	p.Exits()
}

// settle waits until the world as it begins is as it should be.
func (s *soak) settle(ctx context.Context, _ int) (differences []string, err error) {
	at, err := s.observe(ctx)
	if err != nil {
		return nil, err
	}
	s.world.looked(at)
	return s.rest(ctx)
}

// round does a round: its operations, then rest, and then what is wrong.
func (s *soak) round(ctx context.Context, number int) (differences []string, err error) {
	w, r := s.world, s.dice(number)
	f := s.chooseFault(r)
	w.log = append(w.log, "fault while this goes on: "+f.name)
	s.faults[f.name]++
	s.endFault = sync.OnceFunc(f.begin(s))
	for range 5 + r.IntN(16) {
		op := s.choose(r)
		result, err := op.do(ctx)
		if err != nil {
			s.endFault()
			return nil, fmt.Errorf("%s: %w", op.text, err)
		}
		if result != "" {
			op.text += " [" + result + "]"
		}
		w.log = append(w.log, op.text)
		s.done++
		at, err := s.observe(ctx)
		if err != nil {
			return nil, err
		}
		w.looked(at)
		pause(ctx, time.Duration(r.IntN(400))*time.Millisecond)
	}
	s.endFault()
	return s.rest(ctx)
}

// rest waits until all is right and nobody writes, and returns what is not.
func (s *soak) rest(ctx context.Context) (differences []string, err error) {
	w := s.world
	w.remember()
	began := time.Now()
	wait := 500 * time.Millisecond
	confirmed := map[string]time.Time{}
	var before *seen
	var right time.Duration // how long it took until all was right for good
	for {
		at, err := s.observe(ctx)
		if err != nil {
			return nil, err
		}
		differences = w.judge(at)
		if len(differences) == 0 {
			differences = s.judgePods(ctx, at)
		}
		if len(differences) == 0 && before != nil {
			if differences = written(before, at); len(differences) == 0 {
				break
			}
		}
		switch late := time.Since(began); {
		case len(differences) == 0:
			if before == nil {
				right = late
			}
			before, wait = at, quiet
		case late > patience || ctx.Err() != nil:
			return s.conclude(at, differences), nil
		default:
			before = nil
			wait = min(3*time.Second, wait*3/2)
			if err := s.confirm(ctx, at, late, confirmed); err != nil {
				return nil, err
			}
		}
		pause(ctx, wait)
	}
	s.right = append(s.right, right)
	at, err := s.observe(ctx)
	if err != nil {
		return nil, err
	}
	return s.conclude(at, nil), nil
}

// conclude adds what was written meanwhile that must not be, and begins the next round.
func (s *soak) conclude(at *seen, differences []string) []string {
	w := s.world
	w.events = s.witness.taken()
	differences = append(differences, w.judgeEvents()...)
	for _, home := range homes {
		if !s.programs[home].Running() {
			differences = append(differences, "the program of "+home+" has ended by itself")
		}
	}
	if len(differences) == 0 {
		w.forget(at)
		w.begin(at)
	}
	return differences
}

// confirm confirms what is held, and where there is no text to confirm, or one that is refused, puts the last good one back.
func (s *soak) confirm(ctx context.Context, at *seen, late time.Duration, confirmed map[string]time.Time) error {
	for _, home := range homes {
		cm := at.policies[home]
		if late > patience/4 && (cm == nil || s.world.invalid[home]) {
			s.world.log = append(s.world.log, "at rest: the last good policy of "+home+" is put back, so that what is held can be confirmed")
			if err := s.putPolicy(ctx, home, s.world.rules[home].text(), false); err != nil {
				return err
			}
			continue
		}
		if cm == nil || cm.annotations["pullsecrets/held-prune"] == "" || time.Since(confirmed[home]) < 5*time.Second {
			continue
		}
		held, value := cm.annotations["pullsecrets/held-prune"], any(nil)
		if cm.annotations["pullsecrets/confirm-prune"] != held { // it counts once: what was confirmed before goes first
			value = held
			s.world.log = append(s.world.log, "at rest: what "+home+" holds is confirmed")
		}
		confirmed[home] = time.Now()
		text, _ := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{"pullsecrets/confirm-prune": value}}})
		_, err := s.client.Resource(configMaps).Namespace(home).Patch(ctx, policyName, types.MergePatchType, text, metav1.PatchOptions{FieldManager: "people"})
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	return nil
}

// written are the objects that are at another version than before.
func written(before, after *seen) (differences []string) {
	compare := func(kind string, a, b map[key]*object) {
		for k, o := range b {
			if was := a[k]; was == nil || was.version != o.version {
				differences = append(differences, kind+" "+k.String()+" is still written")
			}
		}
		for k := range a {
			if b[k] == nil {
				differences = append(differences, kind+" "+k.String()+" went while all was right")
			}
		}
	}
	compare("secret", before.secrets, after.secrets)
	compare("account", before.accounts, after.accounts)
	slices.Sort(differences)
	return differences
}
