package lab

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	utilnet "k8s.io/apimachinery/pkg/util/net"

	"github.com/pullsecrets/pullsecrets/internal/e2e/harness/api"
)

// other is somebody else who works in the same namespaces: adds entries to lists and takes some of them back, by update and by
// apply, labels accounts, makes secrets and changes them. Always politely: what was read is written back only unchanged.
type other struct {
	l     *Lab
	since time.Time

	mu      sync.Mutex
	lists   map[string][]string // what is in the lists that is not ours, in its order
	secrets map[string]string   // contents
	unsure  map[string]bool     // keys of writes of which nobody knows whether they took place
	serial  int
	Writes  int
}

const othersPrefix = "other-"

// newOther begins with what is there, and one entry in each list.
func newOther(l *Lab) (*other, error) {
	v, err := l.list()
	if err != nil {
		return nil, err
	}
	o := &other{l: l, since: time.Now(), lists: map[string][]string{}, secrets: map[string]string{}, unsure: map[string]bool{}}
	for _, ns := range l.Names {
		for _, account := range accounts {
			o.lists[ns+"/"+account] = without(v.lists[ns+"/"+account], copies)
		}
	}
	for key, s := range v.secrets {
		if _, name, _ := strings.Cut(key, "/"); strings.HasPrefix(name, othersPrefix) {
			o.secrets[key] = s.content
		}
	}
	return o, l.each(func(_ int, ns string) error {
		for _, account := range accounts {
			if len(o.lists[ns+"/"+account]) == 0 {
				if err := o.entry(ns, account, "theirs"); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// OthersWork has somebody else write every so often, until the function that it returns is called; that returns how many
// writes there were.
func (l *Lab) OthersWork(every time.Duration) (rest func() (writes int)) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	l.other.Writes = 0
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(every):
				l.other.work()
			}
		}
	})
	return sync.OnceValue(func() int {
		close(done)
		wg.Wait()
		return l.other.Writes
	})
}

// work does one thing. What fails is left, and noted: the API server may be away.
func (o *other) work() {
	o.serial++
	ns := o.l.Names[rand.IntN(len(o.l.Names))]
	account := accounts[rand.IntN(len(accounts))]
	key := ns + "/" + account
	var err error
	switch rand.IntN(6) {
	case 0, 1:
		err = o.entry(ns, account, o.name("theirs"))
	case 2:
		err = o.takeBack(ns, account)
	case 3:
		err = o.applied(ns, account, o.name("applied"))
	case 4:
		key = "" // a label is in no list
		_, err = o.l.Client.Resource(api.Accounts).Namespace(ns).Patch(o.l.ctx, account, types.MergePatchType,
			fmt.Appendf(nil, `{"metadata":{"labels":{"others":"%d"}}}`, o.serial), metav1.PatchOptions{FieldManager: "somebody"})
	case 5:
		name := fmt.Sprintf("%s%d", othersPrefix, rand.IntN(2))
		key = ns + "/" + name
		err = o.secret(ns, name, api.Credential("theirs.example.com", fmt.Sprint(o.serial)))
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.Writes++
	o.doubt(key, err)
}

// doubt notes that nobody knows whether a write took place. One that reached no API server did not: else everything would be in
// doubt while that is away, and nothing of it could be lost.
func (o *other) doubt(key string, err error) {
	if err != nil && key != "" && !utilnet.IsConnectionRefused(err) {
		o.unsure[key] = true
	}
}

// Unsure is of how many lists and secrets of others Lost knows nothing.
func (l *Lab) Unsure() int {
	l.other.mu.Lock()
	defer l.other.mu.Unlock()
	return len(l.other.unsure)
}

// entry adds one to a list.
func (o *other) entry(ns, account, name string) error {
	return o.edit(ns, account, func(list []string) []string { return append(list, name) }, func(theirs []string) []string { return append(theirs, name) })
}

// name is one that was never given out before, by an earlier lab in the same cluster either.
func (o *other) name(sort string) string {
	return fmt.Sprintf("%s-%s-%d", sort, strconv.FormatInt(o.since.Unix(), 36), o.serial)
}

// takeBack removes the last entry that is not ours, if there are several.
func (o *other) takeBack(ns, account string) error {
	o.mu.Lock()
	theirs := o.lists[ns+"/"+account]
	o.mu.Unlock()
	if len(theirs) < 2 {
		return nil
	}
	last := theirs[len(theirs)-1:]
	remove := func(list []string) []string { return without(list, last) }
	return o.edit(ns, account, remove, remove)
}

func (o *other) edit(ns, account string, edit, record func([]string) []string) error {
	if err := o.l.editList(ns, account, false, edit); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lists[ns+"/"+account] = record(slices.Clone(o.lists[ns+"/"+account]))
	return nil
}

// applied adds an entry with server-side apply: the whole list as it is, with one more, if it did not change since.
func (o *other) applied(ns, account, name string) error {
	live, err := o.l.Client.Resource(api.Accounts).Namespace(ns).Get(o.l.ctx, account, metav1.GetOptions{})
	if err != nil {
		return err
	}
	u := api.Object("v1", "ServiceAccount", ns, account)
	u.SetResourceVersion(live.GetResourceVersion())
	u.SetUID(live.GetUID())
	setList(u, append(api.PullSecrets(live), name))
	_, err = o.l.Client.Resource(api.Accounts).Namespace(ns).Apply(o.l.ctx, account, u, metav1.ApplyOptions{FieldManager: "somebody-who-applies", Force: true})
	if apierrors.IsConflict(err) {
		return nil // it changed since: another time
	}
	if err == nil {
		o.mu.Lock()
		o.lists[ns+"/"+account] = append(o.lists[ns+"/"+account], name)
		o.mu.Unlock()
	}
	return err
}

func (o *other) secret(ns, name, content string) error {
	u := api.Secret(ns, name, content)
	_, err := o.l.Client.Resource(api.Secrets).Namespace(ns).Apply(o.l.ctx, name, u, metav1.ApplyOptions{FieldManager: "somebody", Force: true})
	if err == nil {
		o.mu.Lock()
		o.secrets[ns+"/"+name] = content
		o.mu.Unlock()
	}
	return err
}

// restore puts a list to one entry of theirs.
func (o *other) restore(ns, account string) error {
	one := []string{"theirs"}
	return o.edit(ns, account, func([]string) []string { return one }, func([]string) []string { return one })
}

func (o *other) lost(v view) (lost []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for key, want := range o.lists {
		if got := without(v.lists[key], copies); !slices.Equal(got, want) && !o.unsure[key] {
			lost = append(lost, fmt.Sprintf("service account %s has of others %v, they left %v", key, got, want))
		}
	}
	for key, want := range o.secrets {
		if got := v.secrets[key]; got.content != want && !o.unsure[key] {
			lost = append(lost, fmt.Sprintf("secret %s of others is gone or another", key))
		}
	}
	slices.Sort(lost)
	return lost
}

func setList(u *unstructured.Unstructured, names []string) {
	list := []any{}
	for _, name := range names {
		list = append(list, map[string]any{"name": name})
	}
	u.Object["imagePullSecrets"] = list
}
