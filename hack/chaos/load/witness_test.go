package load

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// witness sees through watches of its own what is there, and when it came.
type witness struct {
	c *cluster

	mu       sync.Mutex
	copies   map[string]seen
	accounts map[string]seen
	born     map[string]time.Time // by account: when it was seen first
	changes  int                  // writes of copies and accounts that were seen
	remade   map[string]bool      // copies that were deleted or made anew, though nobody asked for that
	expected map[string]bool      // copies that somebody else deleted
	lost     map[string]bool      // accounts from whose lists a name of somebody else was missing at any time, and secrets of others that went
}

// seen is what was seen last of an object.
type seen struct {
	content string   // of a copy
	names   []string // of an account
	uid     types.UID
}

func (c *cluster) witness(ctx context.Context) *witness {
	w := &witness{c: c, copies: map[string]seen{}, accounts: map[string]seen{}, born: map[string]time.Time{},
		remade: map[string]bool{}, expected: map[string]bool{}, lost: map[string]bool{}}
	w.follow(ctx, api.Accounts, "", func(key string, u *unstructured.Unstructured, gone bool) {
		if _, known := w.born[key]; !known {
			w.born[key] = time.Now()
		}
		for _, name := range c.theirsIn(key) {
			if gone || !slices.Contains(api.PullSecrets(u), name) {
				w.lost[key] = true
			}
		}
		w.accounts[key] = seen{names: api.PullSecrets(u), uid: u.GetUID()}
	})
	w.follow(ctx, api.Secrets, "app.kubernetes.io/managed-by=pullsecrets", func(key string, u *unstructured.Unstructured, gone bool) {
		before, known := w.copies[key]
		if (gone || known && before.uid != u.GetUID()) && !w.expected[key] {
			w.remade[key] = true
		}
		if gone {
			delete(w.copies, key)
			return
		}
		w.copies[key] = seen{content: api.Content(u), uid: u.GetUID()}
	})
	return w
}

// follow starts a watch and waits until it is up to date.
func (w *witness) follow(ctx context.Context, resource schema.GroupVersionResource, selector string, note func(key string, u *unstructured.Unstructured, gone bool)) {
	api.Follow(ctx, w.c.client.Resource(resource), metav1.ListOptions{LabelSelector: selector}, func(u *unstructured.Unstructured, gone bool) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.changes++
		note(u.GetNamespace()+"/"+u.GetName(), u, gone)
	})
}

// theirsIn are the names that somebody else put into a list.
func (c *cluster) theirsIn(account string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.theirs[account]
}

// lostOfOthers is of how many accounts an entry of somebody else was missing at any time, and how many of their secrets are gone.
func (w *witness) lostOfOthers() (n int) {
	w.mu.Lock()
	n = len(w.lost)
	w.mu.Unlock()
	for account := range w.c.theirs {
		ns, _, _ := strings.Cut(account, "/")
		if _, err := w.c.client.Resource(api.Secrets).Namespace(ns).Get(w.c.ctx, "theirs", metav1.GetOptions{}); err != nil {
			n++
		}
	}
	return n
}

// wrong is the first thing that is not as it should be, and how many there are.
func (w *witness) wrong() (first string, n int) {
	copies, accounts := w.c.wanted()
	w.mu.Lock()
	defer w.mu.Unlock()
	note := func(format string, args ...any) {
		if n++; n == 1 {
			first = fmt.Sprintf(format, args...)
		}
	}
	for key, want := range copies {
		if got, ok := w.copies[key]; !ok {
			note("no copy %s", key)
		} else if got.content != want {
			note("the copy %s is another", key)
		}
	}
	for key := range w.copies {
		if _, ok := copies[key]; !ok {
			note("the copy %s is too much", key)
		}
	}
	for key, want := range accounts {
		if got := w.accounts[key].names; !same(got, want) {
			note("the account %s has %q, not %q", key, got, want)
		}
	}
	return first, n
}

func same(got, want []string) bool {
	if len(got) != len(want) {
		return false
	}
	for _, name := range want {
		if !slices.Contains(got, name) {
			return false
		}
	}
	return true
}

// made reports whether a copy is there that is another object than before.
func (w *witness) made(key string, before types.UID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	got, ok := w.copies[key]
	return ok && got.uid != before
}
