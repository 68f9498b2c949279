package cluster

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestContentsAreEqualWhenTheyMeanTheSame(t *testing.T) {
	const base = `{"auths":{"a.example":{"username":"u","password":"p"},"b.example":{"auth":"dTpw"}}}` // dTpw is u:p
	for _, tt := range []struct {
		why   string
		value string
		want  bool
	}{
		{"the same bytes", base, true},
		{"white space", "\n{ \"auths\" : {\t\"a.example\": {\"username\": \"u\", \"password\": \"p\"}, \"b.example\": {\"auth\": \"dTpw\"}}}\n", true},
		{"the order of keys", `{"auths":{"b.example":{"auth":"dTpw"},"a.example":{"password":"p","username":"u"}}}`, true},
		{"an escape", `{"auths":{"a.example":{"username":"\u0075","password":"p"},"b.example":{"auth":"dTpw"}}}`, true},
		{"a password changed", `{"auths":{"a.example":{"username":"u","password":"P"},"b.example":{"auth":"dTpw"}}}`, false},
		{"values swapped between fields", `{"auths":{"a.example":{"username":"p","password":"u"},"b.example":{"auth":"dTpw"}}}`, false},
		{"a password of one host under another", `{"auths":{"a.example":{"username":"u","password":"p"},"c.example":{"auth":"dTpw"}}}`, false},
		{"a host less", `{"auths":{"a.example":{"username":"u","password":"p"}}}`, false},
		{"auth for username and password, and the other way round", `{"auths":{"a.example":{"auth":"dTpw"},"b.example":{"username":"u","password":"p"}}}`, true},
		{"auth beside username and password", `{"auths":{"a.example":{"username":"u","password":"p","auth":"dTpw"},"b.example":{"auth":"dTpw"}}}`, true},
		{"auth wins over username and password", `{"auths":{"a.example":{"username":"x","password":"y","auth":"dTpw"},"b.example":{"auth":"dTpw"}}}`, true},
		{"auth without its padding", `{"auths":{"a.example":{"username":"u","password":"p"},"b.example":{"auth":"dTpw\n"}}}`, true},
		{"the case of keys", `{"Auths":{"a.example":{"Username":"u","PASSWORD":"p"},"b.example":{"AUTH":"dTpw"}}}`, true},
		{"the case of a host", `{"auths":{"A.example":{"username":"u","password":"p"},"b.example":{"auth":"dTpw"}}}`, false},
		{"another spelling of a host", `{"auths":{"https://a.example":{"username":"u","password":"p"},"b.example":{"auth":"dTpw"}}}`, false},
		{"an entry that stands twice, of which the last counts", `{"auths":{"a.example":{"auth":"eDp5"},"a.example":{"username":"u","password":"p"},"b.example":{"auth":"dTpw"}}}`, true},
		{"an empty entry more", `{"auths":{"a.example":{"username":"u","password":"p"},"b.example":{"auth":"dTpw"},"c.example":{}}}`, false},
		{"an email, which no registry is sent", `{"auths":{"a.example":{"username":"u","password":"p","email":"u@a.example"},"b.example":{"auth":"dTpw"}}}`, true},
		{"a field that the kubelet does not know more", `{"auths":{"a.example":{"username":"u","password":"p","x":1},"b.example":{"auth":"dTpw"}}}`, true},
		{"the colon elsewhere", `{"auths":{"a.example":{"username":"up","password":""},"b.example":{"auth":"dTpw"}}}`, false},
		{"the host's user more", `{"auths":{"u@a.example":{"username":"u","password":"p"},"b.example":{"auth":"dTpw"}}}`, false},
		{"something beside auths", `{"auths":{"a.example":{"username":"u","password":"p"},"b.example":{"auth":"dTpw"}},"credsStore":"x"}`, true},
	} {
		t.Run(tt.why, func(t *testing.T) {
			p := NewProjector([]byte("key"))
			want, got := content(t, p, TypeDockerConfigJSON, base), content(t, p, TypeDockerConfigJSON, tt.value)
			if want.Equal(got) != tt.want || got.Equal(want) != tt.want {
				t.Errorf("equal: %t and %t, want %t", want.Equal(got), got.Equal(want), tt.want)
			}
		})
	}
}

func TestContentsOfDifferentKindsAreNotEqual(t *testing.T) {
	const entry = `{"a.example":{"auth":"dTpw"}}`
	p := NewProjector([]byte("key"))
	long := content(t, p, TypeDockerConfigJSON, `{"auths":`+entry+`}`)
	short := content(t, p, TypeDockercfg, entry)
	if long.Equal(short) {
		t.Error("a .dockerconfigjson and a .dockercfg are equal: kubelet reads them differently")
	}
	if diff := cmp.Diff(describe(long), describe(short)); diff != "" {
		t.Errorf("they have the same host and field (-dockerconfigjson +dockercfg):\n%s", diff)
	}
	var none *Content
	if long.Equal(none) || none.Equal(long) || !none.Equal(nil) {
		t.Error("no content is equal to no content alone")
	}
	if content(t, NewProjector([]byte("other")), TypeDockerConfigJSON, `{"auths":`+entry+`}`).Equal(long) {
		t.Error("contents of different keys are equal: the hash is not keyed")
	}
}

func TestAContentHasTheHostsAndFieldsInOrder(t *testing.T) {
	got := content(t, NewProjector([]byte("key")), TypeDockerConfigJSON, `{"auths":{
		"z.example": {"x": 1, "y": {}, "registrytoken": "t", "identitytoken": "i", "email": "e", "password": "p", "username": "u"},
		"https://index.docker.io/v1/": {},
		"a.example:5000": null,
		"*.b.example": {"auth": "dTpw"},
		"u.example": {"auth": "dTo="}
	}}`)
	want := []string{
		"*.b.example: password username", "a.example:5000:", "https://index.docker.io/v1/:", "u.example: username",
		"z.example: password username",
	}
	if diff := cmp.Diff(want, describe(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAFieldHasTheSameValueOnlyUnderTheSameName(t *testing.T) {
	c := content(t, NewProjector([]byte("key")), TypeDockercfg,
		`{"a":{"password":"p","username":"p"},"b":{"auth":"dTpw"},"c":{"password":"q"}}`)
	field := func(host, name int) Field { return c.Registries[host].Fields[name] } // password, username
	for _, tt := range []struct {
		why  string
		a, b Field
		want bool
	}{
		{"two hosts, one password, once in auth", field(0, 0), field(1, 0), true},
		{"two passwords", field(0, 0), field(2, 0), false},
		{"a password that is the user's name too, which nobody has to learn", field(0, 0), field(0, 1), false},
		{"two usernames", field(0, 1), field(1, 1), false},
	} {
		if got := tt.a.SameValue(tt.b); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.why, got, tt.want)
		}
	}
}

func TestAHostIsNeverKeptWithItsUserAndPassword(t *testing.T) {
	for _, tt := range []struct{ host, want string }{
		{"a.example", "a.example"},
		{"a.example:5000/path", "a.example:5000/path"},
		{"[::1]:5000", "[::1]:5000"},
		{"user:hunter2@a.example", "a.example"},
		{"https://user:hunter2@a.example/v1/", "a.example/v1/"},
		{"user:hun@ter2@a.example", "a.example"},
		{"user:hunter2%40a.example", "(unprintable)"},
		{"a.example?password=hunter2", "(unprintable)"},
		{"a.example\nhunter2", "(unprintable)"},
		{"dXNlcjpodW50ZXIy==", "(unprintable)"},
		{"dXNlcjpodW50ZXIy", "(unprintable)"},
		{"user:hunter2", "(unprintable)"},
		{"https://user:hunter2", "(unprintable)"},
		{"registry.example/" + strings.Repeat("a", 300), "(unprintable)"},
		{"HTTPS://a.example", "HTTPS://a.example"},
		{"Registry.Example:5000", "Registry.Example:5000"},
		{"registry", "registry"},
		{"registry:5000", "registry:5000"},
		{"*.dkr.ecr.*.amazonaws.com", "*.dkr.ecr.*.amazonaws.com"},
		{"ghp_16C7e42F292c6912E7710c838347Ae178B4a", "(unprintable)"}, // none of these is anybody's
		{"glpat-abcdefghijklmnopqrst", "(unprintable)"},
		{"AKIAIOSFODNN7EXAMPLE", "(unprintable)"},
		{"5d41402abc4b2a76b9719d911017c592", "(unprintable)"},
		{"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U", "(unprintable)"},
		{"user:12345678", "(unprintable)"},
		{"registry.example/v2/token/abc:def", "(unprintable)"},
		{"registry.example/AbCdEf", "(unprintable)"},
		{"", "(empty)"},
	} {
		value := fmt.Sprintf(`{%q:{},"good.example":{"auth":"dTpw"}}`, tt.host)
		c := content(t, NewProjector([]byte("key")), TypeDockercfg, value)
		if !slices.ContainsFunc(c.Registries, func(r Registry) bool { return r.Host == tt.want }) {
			t.Errorf("%q is kept as %v, want %q", tt.host, c.Registries, tt.want)
		}
	}
}

// Two keys of auths may look the same once they are safe to print. Their order is that of the keys, every time.
func TestTheOrderOfHostsThatLookTheSameIsStable(t *testing.T) {
	fields := []string{"password", "username"}
	var entries []string
	want := map[string][]string{}
	for i := range 60 { // more than a sort that is not stable leaves in order by chance
		host, field := string("ab"[i%2]), fields[i*i%7%2]
		entries = append(entries, fmt.Sprintf(`"user-%02d@%s":{%q:"1"}`, i, host, field))
		want[host] = append(want[host], host+": "+field)
	}
	rand.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
	value := "{" + strings.Join(entries, ",") + "}"
	for range 20 {
		got := describe(content(t, NewProjector([]byte("key")), TypeDockercfg, value))
		if diff := cmp.Diff(slices.Concat(want["a"], want["b"]), got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	}
}

func TestEqualValuesShareOneContentWhileItLives(t *testing.T) {
	p := NewProjector([]byte("key"))
	const value = `{"a":{"auth":"dTpw"}}`
	c := content(t, p, TypeDockercfg, value)
	if content(t, p, TypeDockercfg, value) != c {
		t.Error("the same value was projected into a second content")
	}
	if other := content(t, p, TypeDockerConfigJSON, `{"auths":{"a":{"auth":"dTpw"}}}`); other == c {
		t.Error("different values share a content")
	}
	runtime.KeepAlive(c)
}

// A source that is rotated for years must not fill the memory with what is gone.
func TestContentsThatNobodyHoldsAreForgotten(t *testing.T) {
	p := NewProjector([]byte("key"))
	for i := range 2000 {
		content(t, p, TypeDockercfg, fmt.Sprintf(`{"a":{"password":"%d"}}`, i))
		if i%50 == 0 {
			runtime.GC()
		}
	}
	if got := len(p.byText); got > 1000 {
		t.Errorf("%d of 2000 contents are remembered", got)
	}
}

func TestAProjectorCanBeUsedConcurrently(t *testing.T) {
	p := NewProjector([]byte("key"))
	want := content(t, p, TypeDockercfg, `{"a":{"password":"0"}}`)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 200 {
				c, defect, _ := p.Content(TypeDockercfg, fmt.Appendf(nil, `{"a":{"password":"%d"}}`, i%20))
				if defect != "" || c.Equal(want) != (i%20 == 0) {
					t.Errorf("content %d: defect %q, equal to the first: %t", i, defect, c.Equal(want))
				}
			}
		})
	}
	wg.Wait()
}

func content(t *testing.T, p *Projector, secretType, value string) *Content {
	t.Helper()
	c, defect, cause := p.Content(secretType, []byte(value))
	if defect != "" {
		t.Fatalf("defect %s of %s: %s", defect, value, cause)
	}
	return c
}

// describe writes a content's hosts, a line each, with the names of their fields.
func describe(c *Content) []string {
	if c == nil {
		return nil
	}
	var out []string
	for _, r := range c.Registries {
		line := r.Host + ":"
		for _, f := range r.Fields {
			line += " " + f.Name
		}
		out = append(out, line)
	}
	return out
}
