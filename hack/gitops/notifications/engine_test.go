package notifications

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/argoproj/notifications-engine/pkg/api"
	"github.com/argoproj/notifications-engine/pkg/controller"
	"github.com/argoproj/notifications-engine/pkg/services"
	log "github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/pullsecrets/pullsecrets/hack/gitops/cases"
)

const patient = 60 * time.Second

var applications = schema.GroupVersionResource{Group: "argoproj.io", Version: "v1alpha1", Resource: "applications"}

// TestArgoCDTellsOfThePolicy has Argo CD's notifications engine, with its controller, watch the Application of examples/argocd on a real
// API server, with examples/argocd/notifications.yaml applied and subscribed to as that file says, and looks at what a chat gets.
func TestArgoCDTellsOfThePolicy(t *testing.T) {
	c := cases.NewCluster(t)
	c.Define("github.com/argoproj/argo-cd/v3@v3.4.13", "manifests/crds/application-crd.yaml", "manifests/crds/appproject-crd.yaml")
	chat := newChat(t)
	app := install(t, c, chat.address)
	run(t, c)

	app.is("Progressing", nil)
	app.is("Degraded", nil)
	chat.gets("Application pullsecrets is Degraded.\nWhy: kubectl -n pullsecrets get configmap pullsecrets-policy -o jsonpath='{.metadata.annotations.pullsecrets/message}'\n" +
		"https://argocd.example/applications/pullsecrets")

	app.is("Healthy", nil)
	chat.gets("Application pullsecrets is Healthy, the policy is in force. Its message counts the namespaces that have problems of their own, if any.\nhttps://argocd.example/applications/pullsecrets")

	// A sync fails by the health of the policy, which is in a wave before the last.
	app.is("Degraded", map[string]any{"operationState": operation("Failed", "Invalid: refused, the last good policy stays in force: line 8")})
	chat.gets("Application pullsecrets is Degraded.\nInvalid: refused, the last good policy stays in force: line 8\nhttps://")

	app.is("Healthy", map[string]any{"operationState": operation("Running", "configmap/pullsecrets-policy serverside-applied")})
	chat.gets("is Healthy")

	// What a sync said when it succeeded is not why it is Degraded now.
	app.is("Degraded", nil)
	chat.gets("is Degraded.\nWhy: kubectl")
	app.is("Healthy", nil)
	chat.gets("is Healthy")

	// Argo CD keeps the health of resources in the Application. Those of other resources are not the policy's.
	app.is("Degraded", map[string]any{"resources": []any{
		map[string]any{"version": "v1", "kind": "ConfigMap", "namespace": "pullsecrets", "name": "pullsecrets-rolled-out", "status": "Synced"},
		map[string]any{"version": "v1", "kind": "ConfigMap", "namespace": "pullsecrets", "name": "pullsecrets-policy", "status": "Synced",
			"health": map[string]any{"status": "Degraded", "message": "Degraded: 7 of 412 namespaces have problems"}},
		map[string]any{"group": "apps", "version": "v1", "kind": "Deployment", "namespace": "pullsecrets", "name": "pullsecrets", "status": "Synced",
			"health": map[string]any{"status": "Healthy", "message": "fine"}},
	}})
	chat.gets("is Degraded.\nDegraded: 7 of 412 namespaces have problems\nhttps://")

	// It is told once: another look at it changes nothing. What comes next comes next.
	if _, err := c.Kubectl("", "-n", "argocd", "annotate", "application", "pullsecrets", "looked-at=again"); err != nil {
		t.Fatal(err)
	}
	app.is("Healthy", nil)
	chat.gets("is Healthy")
}

// operation is what a sync says of the policy.
func operation(phase, message string) map[string]any {
	return map[string]any{
		"phase": "Failed", "startedAt": "2026-11-27T12:00:00Z", "operation": map[string]any{},
		"syncResult": map[string]any{"revision": "abc", "resources": []any{
			map[string]any{"group": "apps", "version": "v1", "kind": "Deployment", "namespace": "pullsecrets", "name": "pullsecrets",
				"message": "deployment.apps/pullsecrets serverside-applied", "hookPhase": "Running", "status": "Synced"},
			map[string]any{"group": "", "version": "v1", "kind": "ConfigMap", "namespace": "pullsecrets", "name": "pullsecrets-policy",
				"message": message, "hookPhase": phase, "status": "Synced"},
		}},
	}
}

// application is the one of examples/argocd.
type application struct {
	t *testing.T
	c *cases.Cluster
}

// install applies what the example says, to a Slack at this address.
func install(t *testing.T, c *cases.Cluster, address string) application {
	t.Helper()
	kubectl := func(stdin string, args ...string) {
		t.Helper()
		if out, err := c.Kubectl(stdin, args...); err != nil {
			t.Fatalf("kubectl %v: %v\n%s", args, err, out)
		}
	}
	kubectl("", "create", "namespace", "argocd")
	t.Cleanup(func() { _, _ = c.Kubectl("", "delete", "namespace", "argocd") })
	// What an Argo CD has that sends to Slack.
	kubectl("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: argocd-notifications-cm, namespace: argocd}\ndata:\n"+
		"  context: '{argocdUrl: https://argocd.example}'\n  service.slack: '{token: $slack-token, apiURL: "+address+"/}'\n---\n"+
		"apiVersion: v1\nkind: Secret\nmetadata: {name: argocd-notifications-secret, namespace: argocd}\nstringData: {slack-token: made-up}\n", "apply", "--server-side", "-f", "-")
	for _, file := range []string{"application.yaml", "notifications.yaml"} {
		text, err := os.ReadFile("../../../examples/argocd/" + file)
		if err != nil {
			t.Fatal(err)
		}
		kubectl(string(text), "apply", "--server-side", "--field-manager=somebody", "-f", "-")
		if _, commands, ok := strings.Cut(string(text), "#   kubectl -n argocd annotate"); ok {
			commands, _, _ = strings.Cut(commands, "apiVersion:")
			kubectl("", append([]string{"-n", "argocd", "annotate"}, strings.Fields(strings.NewReplacer("#", " ", "\\", " ").Replace(commands))...)...)
		}
	}
	return application{t, c}
}

// is has the application controller write the status.
func (a application) is(health string, status map[string]any) {
	a.t.Helper()
	all := map[string]any{"health": map[string]any{"status": health}}
	for key, value := range status {
		all[key] = value
	}
	patch, err := json.Marshal(map[string]any{"status": all})
	if err != nil {
		a.t.Fatal(err)
	}
	if _, err := a.c.Client.Resource(applications).Namespace("argocd").Patch(a.t.Context(), "pullsecrets", types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		a.t.Fatal(err)
	}
}

// run runs the engine as argocd-notifications-controller does: with the same names, and the variables that these templates use.
func run(t *testing.T, c *cases.Cluster) {
	t.Helper()
	log.SetOutput(t.Output())
	clients, err := kubernetes.NewForConfig(c.Config)
	if err != nil {
		t.Fatal(err)
	}
	core := informers.NewSharedInformerFactoryWithOptions(clients, 0, informers.WithNamespace("argocd"))
	secrets, configMaps := core.Core().V1().Secrets().Informer(), core.Core().V1().ConfigMaps().Informer()
	apps := dynamicinformer.NewFilteredDynamicSharedInformerFactory(c.Client, 0, "argocd", nil)
	watched := apps.ForResource(applications).Informer()
	factory := api.NewFactory(api.Settings{
		ConfigMapName: "argocd-notifications-cm", SecretName: "argocd-notifications-secret",
		InitGetVars: func(_ *api.Config, _ *corev1.ConfigMap, _ *corev1.Secret) (api.GetVars, error) {
			return func(obj map[string]any, _ services.Destination) map[string]any {
				return map[string]any{"app": obj, "context": map[string]string{"argocdUrl": "https://argocd.example"}}
			}, nil
		},
	}, "argocd", secrets, configMaps)
	engine := controller.NewController(c.Client.Resource(applications), watched, factory,
		controller.WithEventCallback(func(s controller.NotificationEventSequence) {
			for _, err := range append(s.Errors, s.Warnings...) {
				t.Errorf("the engine says: %v", err)
			}
		}))
	stop, stopped := make(chan struct{}), make(chan struct{})
	core.Start(stop)
	apps.Start(stop)
	if !cache.WaitForCacheSync(stop, secrets.HasSynced, configMaps.HasSynced, watched.HasSynced) {
		t.Fatal("it does not see the cluster")
	}
	go func() {
		defer close(stopped)
		engine.Run(1, stop)
	}()
	t.Cleanup(func() {
		close(stop)
		<-stopped
		log.SetOutput(io.Discard)
	})
}

// chat is a Slack that takes what it is sent.
type chat struct {
	t        *testing.T
	address  string
	messages chan string
}

func newChat(t *testing.T) *chat {
	c := &chat{t: t, messages: make(chan string, 100)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.URL.Path != "/chat.postMessage" || r.PostForm.Get("channel") != "platform" {
			t.Errorf("it asks for %s with %v, %v", r.URL, r.PostForm, err)
		}
		c.messages <- r.PostForm.Get("text")
		fmt.Fprint(w, `{"ok": true, "channel": "C1", "ts": "1"}`)
	}))
	t.Cleanup(server.Close)
	c.address = server.URL
	return c
}

// gets takes the next message, which has these words.
func (c *chat) gets(words string) {
	c.t.Helper()
	select {
	case text := <-c.messages:
		if !strings.Contains(text, words) {
			c.t.Errorf("the chat gets\n%s\nwant\n%s", text, words)
		}
	case <-time.After(patient):
		c.t.Fatalf("the chat gets nothing within %s, want %s", patient, words)
	}
}
