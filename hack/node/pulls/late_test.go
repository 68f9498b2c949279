package pulls

import (
	"strings"
	"testing"
)

// A pod may name a copy that does not exist yet, as one does that came between the two writes. It needs nobody: the
// kubelet tries again, after a pause that grows from ten seconds to five minutes.
func TestAPodThatNamedTheCopyBeforeItExisted(t *testing.T) {
	node(t)
	install(t, beside)
	namespace(t, "late")
	late := pod{t: t, namespace: "late", name: "web", images: images, names: []string{"registry1", "registry2"}}
	late.create()
	late.isRefused()
	if events := field("late", "events", `{.items[*].reason}`); !strings.Contains(events, "FailedToRetrieveImagePullSecret") {
		t.Errorf("the kubelet does not say that it lacks a secret: %s", events)
	}
	uid := late.field("{.metadata.uid}")

	late.isExplained("these do not exist: registry1, registry2; it is pulled without a credential")
	late.isExplained("Unable to retrieve some image pull secrets (registry1, registry2)")
	startController(t)
	late.runs()
	late.isExplained("Successfully pulled image", "already present on machine and can be accessed by the pod")
	if now := late.field("{.metadata.uid}"); now != uid {
		t.Errorf("somebody made the pod anew")
	}
}
