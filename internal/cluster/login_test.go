package cluster

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLogins has the forms that an entry may have, and hosts that may not be printed.
func TestLogins(t *testing.T) {
	logins := Logins(TypeDockerConfigJSON, NewCredential([]byte(`{"auths":{
		"https://index.docker.io/v1/":{"auth":"cm9ib3Q6aHVudGVyMg=="}, "b.example:5000/team/":{"USERNAME":"robot","password":"hunter2"},
		"robot:hunter2@a.example":{"password":"hunter2"}, "cm9ib3Q6aHVudGVyMg==":{"username":"robot"}, "white.example ":{"username":"robot"},
		"empty.example":{}, "*.c.example":{"username":"robot","password":"other","auth":"cm9ib3Q6aHVudGVyMg"}}}`)))
	type shown struct{ Host, Key, Username, Password string }
	var got []shown
	for _, l := range logins {
		got = append(got, shown{l.Host, l.Key, string(l.Username.Reveal()), string(l.Password.Reveal())})
	}
	want := []shown{
		{"(unprintable)", "", "robot", ""},
		{"(unprintable)", "", "robot", ""},
		{"*.c.example", "*.c.example", "robot", "hunter2"},
		{"a.example", "a.example", "", "hunter2"},
		{"b.example:5000/team/", "b.example:5000/team/", "robot", "hunter2"},
		{"https://index.docker.io/v1/", "index.docker.io", "robot", "hunter2"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if text := fmt.Sprintf("%v %+v %#v", logins, logins, logins); strings.Contains(text, "hunter2") || strings.Contains(text, "robot") {
		t.Errorf("it prints as %s", text)
	}
	for image, hosts := range map[string]string{
		"docker.io/library/nginx": "https://index.docker.io/v1/", "x.c.example/app": "*.c.example", "a.example/app": "a.example",
		"b.example:5000/team/app": "b.example:5000/team/", "b.example:5000/app": "", "empty.example/app": "",
	} {
		var tried []string
		for _, l := range TriedLogins(logins, image) {
			tried = append(tried, l.Host)
		}
		if strings.Join(tried, " ") != hosts {
			t.Errorf("%s: tried are %q, want %q", image, tried, hosts)
		}
	}
	if left := Logins(TypeDockercfg, NewCredential([]byte(`{"a.example":{"auth":"!"}}`))); left != nil {
		t.Errorf("of what the kubelet refuses there are %v", left)
	}
}
