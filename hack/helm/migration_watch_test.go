package helm

import (
	"encoding/base64"
	"maps"
	"slices"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness"
	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// state is what there is of copies and of service accounts, by namespace/name.
type state struct {
	copies, accounts map[string]*unstructured.Unstructured
}

// witness sees everything that happens to copies and service accounts between two moments.
type witness struct {
	m       *migrating
	secret  string
	before  state
	watches map[string]watch.Interface
}

// watching starts at the present.
func (m *migrating) watching(secret string) *witness {
	m.T.Helper()
	w := &witness{m: m, secret: secret, watches: map[string]watch.Interface{}}
	var versions map[string]string
	w.before, versions = m.state(secret)
	for what, resource := range map[string]schema.GroupVersionResource{"secrets": api.Secrets, "serviceaccounts": api.Accounts} {
		one, err := m.Client.Resource(resource).Watch(m.Ctx, metav1.ListOptions{ResourceVersion: versions[what]})
		harness.Must(m.T, err)
		w.watches[what] = one
	}
	return w
}

func (m *migrating) state(secret string) (state, map[string]string) {
	m.T.Helper()
	secrets, err := m.Client.Resource(api.Secrets).List(m.Ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + secret})
	harness.Must(m.T, err)
	accounts, err := m.Client.Resource(api.Accounts).List(m.Ctx, metav1.ListOptions{})
	harness.Must(m.T, err)
	return state{byKey(secrets), byKey(accounts)}, map[string]string{"secrets": secrets.GetResourceVersion(), "serviceaccounts": accounts.GetResourceVersion()}
}

func byKey(list *unstructured.UnstructuredList) map[string]*unstructured.Unstructured {
	out := map[string]*unstructured.Unstructured{}
	for i := range list.Items {
		out[key(&list.Items[i])] = &list.Items[i]
	}
	return out
}

func key(u *unstructured.Unstructured) string { return u.GetNamespace() + "/" + u.GetName() }

// ends reads what happened, and holds every single event: no copy goes, none is without its content, and no list is
// without a name that it had. What a chart itself brings and takes away is not looked at. It returns what there is now.
func (w *witness) ends(content string) state {
	w.m.T.Helper()
	const sentinel = "sentinel"
	for what, kind := range map[string]string{"secrets": "Secret", "serviceaccounts": "ServiceAccount"} {
		resource := schema.GroupVersionResource{Version: "v1", Resource: what}
		w.m.Create(resource, api.Object("v1", kind, "default", sentinel)) // what comes before it in the watch has happened before
		harness.Must(w.m.T, w.m.Client.Resource(resource).Namespace("default").Delete(w.m.Ctx, sentinel, metav1.DeleteOptions{}))
		for event := range w.watches[what].ResultChan() {
			u, ok := event.Object.(*unstructured.Unstructured)
			if !ok {
				w.m.T.Fatalf("the watch of %s ended: %v", what, event.Object)
			}
			if u.GetName() == sentinel {
				break
			}
			w.hold(event.Type, u, content)
		}
		w.watches[what].Stop()
	}
	now, _ := w.m.state(w.secret)
	return now
}

func (w *witness) hold(event watch.EventType, u *unstructured.Unstructured, content string) {
	w.m.T.Helper()
	if had := w.before.copies[key(u)]; had != nil && u.GetKind() == "Secret" {
		if event == watch.Deleted || had.GetUID() != u.GetUID() || contentOf(u) != content {
			w.m.T.Errorf("%s: the copy %s, with the uid %s and %d bytes", event, key(u), u.GetUID(), len(contentOf(u)))
		}
	}
	if had := w.before.accounts[key(u)]; had != nil && u.GetKind() == "ServiceAccount" && len(listOf(had)) > 0 {
		lost := slices.DeleteFunc(listOf(had), func(name string) bool { return slices.Contains(listOf(u), name) })
		if event == watch.Deleted || len(lost) > 0 {
			w.m.T.Errorf("%s: the account %s is without %q", event, key(u), lost)
		}
	}
}

func contentOf(u *unstructured.Unstructured) string {
	text, _, _ := unstructured.NestedString(u.Object, "data", ".dockerconfigjson")
	value, _ := base64.StdEncoding.DecodeString(text)
	return string(value)
}

// after is what a step has to leave behind.
type after struct {
	marks     func(namespace string) map[string]string // of a copy
	untouched []string                                 // copies that nobody may have written
	appeared  []string                                 // secrets of the copies' name that were made by hand
}

// same holds that all copies and accounts of before are there now, the same objects, and all but the copies' marks as it
// was.
func (w *witness) same(now state, want after) {
	t := w.m.T
	t.Helper()
	maps.DeleteFunc(now.copies, func(key string, _ *unstructured.Unstructured) bool { return slices.Contains(want.appeared, key) })
	if diff := cmp.Diff(slices.Sorted(maps.Keys(w.before.copies)), slices.Sorted(maps.Keys(now.copies))); diff != "" {
		t.Errorf("the copies (-before +after):\n%s", diff)
	}
	for key, before := range w.before.copies {
		if now.copies[key] != nil {
			w.sameCopy(key, before, now.copies[key], want)
		}
	}
	for key, before := range w.before.accounts {
		switch after := now.accounts[key]; {
		case after == nil: // one of the chart's own
		case len(listOf(before)) == 0 && len(listOf(after)) > 0:
			t.Errorf("the account %s had no name, and has %q", key, listOf(after))
		case len(listOf(before)) > 0:
			if diff := cmp.Diff(plain(before), plain(after)); diff != "" {
				t.Errorf("the account %s (-before +after):\n%s", key, diff)
			}
		}
	}
}

func (w *witness) sameCopy(key string, before, now *unstructured.Unstructured, want after) {
	w.m.T.Helper()
	if slices.Contains(want.untouched, key) {
		if before.GetResourceVersion() != now.GetResourceVersion() {
			w.m.T.Errorf("%s was written", key)
		}
		return
	}
	expected := before.DeepCopy()
	expected.SetLabels(map[string]string{ancestorMark: "pullsecrets"})
	expected.SetAnnotations(want.marks(before.GetNamespace()))
	if diff := cmp.Diff(plain(expected), plain(now)); diff != "" {
		w.m.T.Errorf("the copy %s (-want +now):\n%s", key, diff)
	}
}

// plain is an object without what every write changes.
func plain(u *unstructured.Unstructured) map[string]any {
	out := u.DeepCopy()
	out.SetManagedFields(nil)
	out.SetResourceVersion("")
	return out.Object
}
