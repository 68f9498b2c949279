package registry

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestImages asks of the images that the kubelet tries an entry for.
func TestImages(t *testing.T) {
	manifests := map[string]http.HandlerFunc{
		"/v2/team/app/manifests/1":          answering(200, asJSON, "{}"),
		"/v2/team/gone/manifests/latest":    answering(404, asJSON, ""),
		"/v2/team/gone/tags/list":           answering(401, asJSON, ""),
		"/v2/team/tagless/manifests/latest": answering(404, asJSON, ""),
		"/v2/team/tagless/tags/list":        answering(200, asJSON, `{"tags":["1"]}`),
		"/v2/team/other/manifests/1":        answering(403, asJSON, ""),
		"/v2/team/broken/manifests/1":       answering(500, asJSON, ""),
		"/v2/":                              answering(200, asJSON, "{}"),
	}
	s := start(t, challenged(func(w http.ResponseWriter, r *http.Request) { manifests[r.URL.Path](w, r) }, basic))
	var images []string
	for _, image := range []string{"team/app:1", "team/gone", "team/tagless", "team/other:1", "team/broken:1"} {
		images = append(images, s.host+"/"+image)
	}
	got := askOne(t, Options{PlainHTTP: []string{s.host}}, s.host, append(images, "other.example/x", "Not an image")...)
	if diff := cmp.Diff([]Image{
		{images[0], Accepted, ""},
		{images[1] + ":latest", NotFound, "404 Not Found: it is not there, or not for this credential"},
		{images[2] + ":latest", NotFound, "its repository may be pulled from, and has no latest"},
		{images[3], Refused, "403 Forbidden, which registries also answer where there is no such repository"},
		{images[4], Unreachable, "500 Internal Server Error"},
	}, got.Images); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if asked := strings.Join(s.requests(), ","); strings.Contains(asked, "GET /v2/team/app") {
		t.Errorf("a manifest was fetched, which counts as a pull: %s", asked)
	}
}

// TestAWildcardIsAskedWhereAnImageIs knows by an image which host is meant.
func TestAWildcardIsAskedWhereAnImageIs(t *testing.T) {
	s := start(t, challenged(answering(200, asJSON, "{}"), basic))
	wildcard := strings.Replace(s.host, "127.0.0.1", "127.0.*.1", 1)
	got := askOne(t, Options{PlainHTTP: []string{s.host}}, wildcard, s.host+"/team/app:1")
	want(t, got, Accepted, "asked at "+s.host)
	if len(got.Images) != 1 || got.Images[0].Verdict != Accepted {
		t.Errorf("%+v", got)
	}
	other := start(t, challenged(answering(401, asJSON, ""), basic))
	got = askOne(t, Options{PlainHTTP: []string{s.host, other.host}}, "*.0.0.1:*", other.host+"/x:1")
	want(t, got, NotAsked, "no image is of this host") // no image has a port that a wildcard is for
	open := start(t, answering(200, asJSON, "{}"))
	got = askOne(t, Options{PlainHTTP: []string{open.host}}, open.host, open.host+"/team/app:1")
	want(t, got, Anonymous, "it asks for no credential")
	if diff := cmp.Diff([]Image{{open.host + "/team/app:1", Accepted, "it may be pulled without a credential"}}, got.Images); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	closed := start(t, challenged(answering(401, asJSON, ""), basic))
	got = askOne(t, Options{PlainHTTP: []string{closed.host}}, closed.host, closed.host+"/team/app:1")
	if want(t, got, Refused, "401"); got.Images[0].Verdict != Refused {
		t.Errorf("%+v", got)
	}
}
