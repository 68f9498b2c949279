package lab

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// view is the cluster as far as the oracle looks at it, by namespace/name.
type view struct {
	secrets map[string]secret
	lists   map[string][]string // service accounts' imagePullSecrets
}

type secret struct{ uid, kind, content string }

func newView() view { return view{map[string]secret{}, map[string][]string{}} }

func (v view) addSecret(u *unstructured.Unstructured) {
	kind, _, _ := unstructured.NestedString(u.Object, "type")
	v.secrets[u.GetNamespace()+"/"+u.GetName()] = secret{string(u.GetUID()), kind, api.Content(u)}
}

func (v view) addAccount(u *unstructured.Unstructured) {
	v.lists[u.GetNamespace()+"/"+u.GetName()] = api.PullSecrets(u)
}

// list reads the cluster.
func (l *Lab) list() (view, error) {
	v := newView()
	for resource, add := range map[schema.GroupVersionResource]func(*unstructured.Unstructured){api.Secrets: v.addSecret, api.Accounts: v.addAccount} {
		all, err := l.Client.Resource(resource).List(l.ctx, metav1.ListOptions{})
		if err != nil {
			return v, err
		}
		for i := range all.Items {
			add(&all.Items[i])
		}
	}
	return v, nil
}

// Version is that of the cluster now.
func (l *Lab) Version() (string, error) {
	all, err := l.Client.Resource(api.Namespaces).List(l.ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		return "", err
	}
	return all.GetResourceVersion(), nil
}

// witness follows the cluster by watches of its own, which no fault of a proxy meets.
type witness struct {
	mu     sync.Mutex
	seen   view
	uids   map[string][]string // all that a secret had, in their order
	states []string            // the policy's states and their reasons, one after the other
}

func newWitness(ctx context.Context, client dynamic.Interface) *witness {
	w := &witness{seen: newView(), uids: map[string][]string{}}
	w.follow(ctx, client.Resource(api.Accounts), func(u *unstructured.Unstructured, gone bool) {
		if w.seen.addAccount(u); gone {
			delete(w.seen.lists, u.GetNamespace()+"/"+u.GetName())
		}
	})
	w.follow(ctx, client.Resource(api.Secrets), func(u *unstructured.Unstructured, gone bool) {
		key := u.GetNamespace() + "/" + u.GetName()
		w.seen.addSecret(u)
		if known := w.uids[key]; len(known) == 0 || known[len(known)-1] != string(u.GetUID()) {
			w.uids[key] = append(known, string(u.GetUID()))
		}
		if gone {
			delete(w.seen.secrets, key)
		}
	})
	w.follow(ctx, client.Resource(api.ConfigMaps).Namespace(api.Home), func(u *unstructured.Unstructured, gone bool) {
		if u.GetName() != "pullsecrets-policy" {
			return
		}
		if gone {
			w.states = nil
			return
		}
		state := stateOf(u.GetAnnotations())
		if state != "" && (len(w.states) == 0 || w.states[len(w.states)-1] != state) {
			w.states = append(w.states, state)
		}
	})
	return w
}

// reason is what a problem is called in a message: two words or more in one.
var reason = regexp.MustCompile(`\b[A-Z][a-z]+([A-Z][a-z]+)+\b`)

// stateOf is the state that the annotations of a policy tell, with the reasons that they name, or the beginning of the message where
// it names none.
func stateOf(said map[string]string) string {
	reasons := without(reason.FindAllString(said["pullsecrets/message"], -1), []string{"ConfigMap", "ServiceAccount"})
	slices.Sort(reasons)
	state, message := said["pullsecrets/status"], said["pullsecrets/message"]
	switch {
	case len(reasons) > 0:
		return state + " (" + strings.Join(slices.Compact(reasons), ", ") + ")"
	case state == "Ready" || message == "":
		return state
	}
	return state + " (" + message[:min(len(message), 100)] + ")"
}

// follow starts a watch and waits until it is up to date.
func (w *witness) follow(ctx context.Context, of dynamic.ResourceInterface, note func(u *unstructured.Unstructured, gone bool)) {
	api.Follow(ctx, of, metav1.ListOptions{}, func(u *unstructured.Unstructured, gone bool) {
		w.mu.Lock()
		defer w.mu.Unlock()
		note(u, gone)
	})
}

// view is what was seen last.
func (w *witness) view() view {
	w.mu.Lock()
	defer w.mu.Unlock()
	return view{maps.Clone(w.seen.secrets), maps.Clone(w.seen.lists)}
}

// forget begins anew to note what changes.
func (w *witness) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.uids, w.states = map[string][]string{}, w.states[max(0, len(w.states)-1):]
}

func (w *witness) sinceForgotten() (uids map[string][]string, states []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.uids), slices.Clone(w.states)
}
