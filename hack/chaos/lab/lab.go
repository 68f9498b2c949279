// Package lab is a cluster with 300 namespaces, in which somebody else is at work too, and an oracle that says whether what
// pullsecrets distributes there is right, and whether anything of others was lost. It knows the cluster by the plain API, and
// shares no code with the product.
package lab

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// Patience is how long anything is waited for. It says that something never comes, not how long it may take. The environment
// variable CHAOS_PATIENCE says otherwise.
var Patience = patience()

func patience() time.Duration {
	text := os.Getenv("CHAOS_PATIENCE")
	if text == "" {
		return 5 * time.Minute
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		panic(fmt.Sprintf("CHAOS_PATIENCE=%s is no time, such as 30s", text))
	}
	return d
}

// Usual is how many namespaces a lab has where nothing else is said.
const Usual = 300

// Size is how many namespaces a lab has: what the environment variable CHAOS_NAMESPACES says, else the usual number.
func Size() int {
	text := os.Getenv("CHAOS_NAMESPACES")
	if text == "" {
		return Usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		panic(fmt.Sprintf("CHAOS_NAMESPACES=%s is no number of namespaces", text))
	}
	return n
}

// accounts are the service accounts in each namespace; the cluster makes the first one itself.
var accounts = []string{"default", "builder"}

// Lab is such a cluster. Its methods may be called by several goroutines.
type Lab struct {
	Client dynamic.Interface // straight to the API server, with all rights
	Names  []string          // of the namespaces

	ctx     context.Context
	witness *witness
	other   *other

	mu       sync.Mutex
	policies []Policy // since Mark; the last one is in force
	revision int
	password map[string]string // by source
	marked   map[string]string // UIDs of the copies that there were then, by namespace/name
}

// New makes the namespaces, and all in them that is not ours, in a cluster that may have them already. It watches until the
// test ends.
func New(t *testing.T, config *rest.Config) *Lab {
	t.Helper()
	config = rest.CopyConfig(config)
	config.QPS = -1
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	l := &Lab{Client: client, ctx: context.Background(), password: map[string]string{}}
	for i := range Size() {
		l.Names = append(l.Names, fmt.Sprintf("chaos-%03d", i))
	}
	if err := l.create(api.Namespaces, api.Object("v1", "Namespace", "", api.Home)); err != nil {
		t.Fatal(err)
	}
	if err := l.each(l.furnish); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(l.ctx)
	t.Cleanup(cancel)
	l.witness = newWitness(ctx, client)
	if err := l.await("the default accounts", func() error {
		v := l.witness.view()
		for _, ns := range l.Names {
			if _, ok := v.lists[ns+"/default"]; !ok {
				return fmt.Errorf("namespace %s has none", ns)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if l.other, err = newOther(l); err != nil {
		t.Fatal(err)
	}
	return l
}

// furnish makes one namespace.
func (l *Lab) furnish(i int, ns string) error {
	u := api.Object("v1", "Namespace", "", ns)
	u.SetLabels(map[string]string{"team": team(i)})
	if err := l.create(api.Namespaces, u); err != nil {
		return err
	}
	return l.create(api.Accounts, api.Object("v1", "ServiceAccount", ns, "builder"))
}

func team(i int) string { return []string{"a", "b"}[i%2] }

// create makes an object; one that is there is fine.
func (l *Lab) create(resource schema.GroupVersionResource, u *unstructured.Unstructured) error {
	_, err := l.Client.Resource(resource).Namespace(u.GetNamespace()).Create(l.ctx, u, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// each calls f for all namespaces, several at a time, until there is an error.
func (l *Lab) each(f func(i int, ns string) error) error {
	return api.Parallel(8, len(l.Names), func(i int) error { return f(i, l.Names[i]) })
}

// await waits until f returns nil.
func (l *Lab) await(what string, f func() error) error {
	deadline := time.Now().Add(Patience)
	for {
		err := f()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: not in %s: %w", what, Patience, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
