package watch

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/rest"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
	"github.com/pullsecrets/pullsecrets/internal/reconcile/kube"
)

// TestAnInformerListsTypesWithoutWatchLists: one that watches after that, and one that only lists. Of a list that comes damaged it
// tells, and asks again.
func TestAnInformerListsTypesWithoutWatchLists(t *testing.T) {
	for _, listOnly := range []bool{false, true} {
		t.Run(fmt.Sprintf("only lists %t", listOnly), func(t *testing.T) {
			var mu sync.Mutex
			settled := make(chan struct{})
			damaged, projected, failures := true, map[string]string{}, []string{}
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				switch {
				case r.URL.Query().Get("sendInitialEvents") != "":
					w.WriteHeader(http.StatusUnprocessableEntity)
				case r.URL.Query().Get("watch") != "":
					w.Header().Set("Content-Type", runtime.ContentTypeProtobuf+";stream=watch")
					w.WriteHeader(http.StatusOK)
					w.(http.Flusher).Flush()
					mu.Unlock()
					<-r.Context().Done()
					mu.Lock()
				default:
					w.Header().Set("Content-Type", runtime.ContentTypeProtobuf)
					text := secrets(t)
					if damaged {
						text = text[:len(text)-5]
					}
					_, _ = w.Write(text)
				}
			}))
			client, err := kube.NewDynamic(&rest.Config{Host: server.URL})
			if err != nil {
				t.Fatal(err)
			}
			group := NewGroup(Options{Client: client, ListOnly: listOnly, ListEvery: map[bool]time.Duration{true: 50 * time.Millisecond}[listOnly],
				OnState: func() { close(settled) }, OnListing: func(kube.Target) {}, OnPlainLists: func(kube.Target) {},
				Unobserved: func(kube.Target) []cluster.Object { return nil }})
			one := group.Add(Spec{Target: kube.Target{Resource: kube.Secrets, Name: "reg"}, OnEvent: func(Event) {},
				OnError: func(_ kube.Target, err error) {
					mu.Lock()
					defer mu.Unlock()
					failures = append(failures, kube.Redact(err))
					damaged = false
				},
				Project: func(o metav1.Object) cluster.Object {
					mu.Lock()
					defer mu.Unlock()
					projected[o.GetNamespace()] = fmt.Sprintf("%T", o)
					return regMeta(o.GetNamespace(), o.GetResourceVersion())
				}})
			group.Start(t.Context())
			t.Cleanup(server.CloseClientConnections)
			select {
			case <-settled:
			case <-time.After(time.Minute):
				t.Fatal("it never has an answer")
			}
			if got := names(one.All()); got != "a/reg@1 b/reg@2" {
				t.Errorf("it knows %s", got)
			}
			mu.Lock()
			defer mu.Unlock()
			if projected["a"] != "*v1.Secret" || projected["b"] != "*v1.Secret" {
				t.Errorf("it was given %v", projected)
			}
			if len(failures) == 0 || !listOnly && !strings.Contains(failures[0], "ended early") {
				t.Errorf("of the damaged list it told %q", failures)
			}
		})
	}
}

// secrets are two in a list in protobuf.
func secrets(t *testing.T) []byte {
	list := &corev1.SecretList{ListMeta: metav1.ListMeta{ResourceVersion: "7"}}
	for i, namespace := range []string{"a", "b"} {
		list.Items = append(list.Items, corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "reg", ResourceVersion: fmt.Sprint(i + 1)},
		})
	}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	var text bytes.Buffer
	if err := protobuf.NewSerializer(nil, nil).Encode(list, &text); err != nil {
		t.Error(err)
	}
	return text.Bytes()
}
