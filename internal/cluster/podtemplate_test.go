package cluster

import "testing"

func TestAMessageIsAboutTheVolumeWhoseImageItQuotes(t *testing.T) {
	uses := []ImageUse{
		{Container: "app", Image: "hub.example/app", Mounts: []string{"tmp", "model", "same"}},
		{Container: "side", Image: "hub.example/side"},
		{Volume: "model", Image: "hub.example/model"},
		{Volume: "same", Image: "hub.example/app"},
		{Volume: "unmounted", Image: "hub.example/other"},
	}
	for _, tt := range []struct{ why, container, message, want string }{
		{"its own image", "app", `Back-off pulling image "hub.example/app"`, ""},
		{"a volume that it mounts", "app", `Back-off pulling image "hub.example/model": ErrImagePull: denied`, "model"},
		{"an image that begins as the volume's does", "app", `Back-off pulling image "hub.example/model/x"`, ""},
		{"a volume that it does not mount", "side", `Back-off pulling image "hub.example/model"`, ""},
		{"a volume that nothing mounts", "app", `Back-off pulling image "hub.example/other"`, ""},
		{"a container that the pod has not", "gone", `Back-off pulling image "hub.example/model"`, ""},
		{"no message", "app", "", ""},
	} {
		if got := ReportedVolume(uses, tt.container, tt.message); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.why, got, tt.want)
		}
	}
}
