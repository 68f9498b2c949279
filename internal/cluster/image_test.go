package cluster

import (
	"fmt"
	"testing"
)

func TestACredentialCoversWhatTheKubeletTriesItFor(t *testing.T) {
	for _, tt := range []struct {
		entry, repository string
		want              bool
	}{
		{"registry.example", "registry.example/shop", true},
		{"registry.example", "registry.example:5000/shop", false},
		{"registry.example:5000", "registry.example:5000/shop", true},
		{"registry.example/team", "registry.example/team/shop", true},
		{"registry.example/team", "registry.example/teams", true}, // a prefix of text, not of parts
		{"registry.example/team", "registry.example/other", false},
		{"https://registry.example/v1/", "registry.example/shop", true},
		{"https://registry.example/v2/", "registry.example/shop", true},
		{"http://registry.example/", "registry.example/shop", true},
		{"*.example", "registry.example/shop", true},
		{"*.example", "a.registry.example/shop", false},
		{"reg*.example", "registry.example/shop", true},
		{"https://index.docker.io/v1/", "docker.io/library/nginx", true},
		{"index.docker.io", "docker.io/library/nginx", true},
		{"docker.io", "docker.io/library/nginx", true},
		{"index.docker.io", "localhost/shop", true}, // without a port, it is no host to the kubelet
		{"index.docker.io", "localhost:5000/shop", false},
		{"https://index.docker.io/v1/team", "docker.io/library/nginx", false},
		{"registry.example", "docker.io/library/nginx", false},
		{"other.example", "registry.example/shop", false},
	} {
		c := content(t, NewProjector([]byte("key")), TypeDockerConfigJSON, fmt.Sprintf(`{"auths":{%q:{"username":"u","password":"p"}}}`, tt.entry))
		if got := c.Covers(tt.repository); got != tt.want {
			t.Errorf("an entry for %s covers %s: %t, want %t", tt.entry, tt.repository, got, tt.want)
		}
	}
	var none *Content
	if none.Covers("registry.example/shop") {
		t.Error("no credential covers something")
	}
}
