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
		for _, i := range TriedLogins(logins, image) {
			tried = append(tried, logins[i].Host)
		}
		if strings.Join(tried, " ") != hosts {
			t.Errorf("%s: tried are %q, want %q", image, tried, hosts)
		}
	}
	if left := Logins(TypeDockercfg, NewCredential([]byte(`{"a.example":{"auth":"!"}}`))); left != nil {
		t.Errorf("of what the kubelet refuses there are %v", left)
	}
}

// TestLoginsThatPrintAlike are two, each of which the kubelet tries.
func TestLoginsThatPrintAlike(t *testing.T) {
	logins := Logins(TypeDockerConfigJSON, NewCredential([]byte(`{"auths":{"x@a.example":{"username":"one","password":"1"},"a.example":{"username":"two","password":"2"}}}`)))
	if len(logins) != 2 || logins[0].Host != logins[1].Host {
		t.Fatalf("they are %+v", logins)
	}
	if tried := TriedLogins(logins, "a.example/app"); fmt.Sprint(tried) != "[0 1]" {
		t.Errorf("tried are %v", tried)
	}
}
