package cluster

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// jwt is a token with these claims and a signature of no key.
func jwt(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode([]byte(claims)) + "." + encode([]byte("signature"))
}

// ecr is a password as `aws ecr get-login-password` prints it.
func ecr(expiration string) string {
	return base64.StdEncoding.EncodeToString([]byte(`{"payload":"cGF5bG9hZA==","datakey":"ZGF0YWtleQ==","version":"2","type":"DATA_KEY","expiration":` + expiration + `}`))
}

func utc(text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return at
}

func TestWhenAPasswordEnds(t *testing.T) {
	until := utc("2026-11-27T12:00:00Z")
	unix := fmt.Sprint(until.Unix())
	before := func(ago time.Duration) string { return fmt.Sprint(until.Add(-ago).Unix()) }
	long := jwt(`{"exp":` + unix + `,"x":"` + strings.Repeat("x", maxToken) + `"}`)
	for _, tt := range []struct {
		why, password string
		want          Validity
	}{
		{"a password", "s3cret", Validity{}},
		{"none", "", Validity{}},
		{"a token that says nothing", "ghp_0123456789abcdefghijklmnopqrstuvwxyz", Validity{}},
		{"a key file of Google", `{"type":"service_account","private_key":"x"}`, Validity{}},
		{"a JWT", jwt(`{"exp":` + unix + `}`), Validity{Until: until}},
		{"a JWT with iat", jwt(`{"exp":` + unix + `,"iat":` + before(3*time.Hour) + `,"nbf":` + before(time.Hour) + `}`), Validity{until.Add(-3 * time.Hour), until}},
		{"a JWT with nbf", jwt(`{"exp":` + unix + `,"nbf":` + before(time.Hour) + `,"sub":{"any":["thing"]}}`), Validity{until.Add(-time.Hour), until}},
		{"iat after exp", jwt(`{"exp":` + unix + `,"iat":` + before(-time.Hour) + `}`), Validity{Until: until}},
		{"a fraction of a second", jwt(`{"exp":` + unix + `.9}`), Validity{Until: until}},
		{"in the other notation", jwt(`{"exp":1.7957808e9}`), Validity{Until: time.Unix(1795780800, 0).UTC()}},
		{"no exp", jwt(`{"iat":` + unix + `}`), Validity{}},
		{"exp is text", jwt(`{"exp":"` + unix + `"}`), Validity{}},
		{"exp is null", jwt(`{"exp":null}`), Validity{}},
		{"exp is 0", jwt(`{"exp":0}`), Validity{}},
		{"exp is negative", jwt(`{"exp":-` + unix + `}`), Validity{}},
		{"exp in milliseconds", jwt(`{"exp":` + unix + `000}`), Validity{}},
		{"exp is 1e18", jwt(`{"exp":1e18}`), Validity{}},
		{"exp is beyond numbers", jwt(`{"exp":1e999}`), Validity{}},
		{"the claims are a list", jwt(`[{"exp":` + unix + `}]`), Validity{}},
		{"the claims end early", jwt(`{"exp":` + unix), Validity{}},
		{"two parts", strings.TrimSuffix(jwt(`{"exp":`+unix+`}`), ".c2lnbmF0dXJl"), Validity{}},
		{"five parts, encrypted", jwt(`{"exp":`+unix+`}`) + ".YQ.YQ", Validity{}},
		{"a header that is none", "YWJj" + jwt(`{"exp":` + unix + `}`)[strings.IndexByte(jwt(""), '.'):], Validity{}},
		{"the signature is no base64", strings.TrimSuffix(jwt(`{"exp":`+unix+`}`), "c2lnbmF0dXJl") + "!", Validity{}},
		{"far too long", long, Validity{}},
		{"of ECR", ecr(unix), Validity{until.Add(-12 * time.Hour), until}},
		{"of ECR, without the last signs", strings.TrimRight(ecr(unix), "="), Validity{until.Add(-12 * time.Hour), until}},
		{"of ECR, of another form", ecr(`"` + unix + `"`), Validity{}},
		{"of ECR, at no time", ecr("0"), Validity{}},
		{"other JSON in base64", base64.StdEncoding.EncodeToString([]byte(`{"expiration":` + unix + `}`)), Validity{}},
	} {
		if diff := cmp.Diff(tt.want, passwordValidity(tt.password)); diff != "" {
			t.Errorf("%s: %s", tt.why, diff)
		}
	}
}

// FuzzWhenAPasswordEnds has nothing come out of a password but times that have a form in RFC 3339, and no panic.
func FuzzWhenAPasswordEnds(f *testing.F) {
	for _, seed := range []string{"", "..", jwt("{}"), jwt(`{"exp":1795780800}`), ecr("1795780800"), jwt(`{"exp":1e400,"iat":-1}`), jwt(`{"exp":[[[[`)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, password string) {
		for _, password := range []string{password, jwt(password), jwt(`{"exp":` + password + `}`), ecr(password)} {
			v := passwordValidity(password)
			for _, at := range []time.Time{v.From, v.Until} {
				if back, err := time.Parse(time.RFC3339, at.Format(time.RFC3339)); err != nil || !back.Equal(at) {
					t.Fatalf("%v", at)
				}
			}
			if !v.From.IsZero() && !v.From.Before(v.Until) || v.Until.IsZero() && !v.From.IsZero() {
				t.Fatalf("%+v", v)
			}
		}
	})
}

// FuzzTheAnnotationExpires has any text be a time that RFC 3339 has a form for, or none.
func FuzzTheAnnotationExpires(f *testing.F) {
	for _, seed := range []string{"", "2027-01-31T00:00:00Z", "0001-01-01T00:00:00Z", "2027-01-31", "1795780800", "9999-12-31T23:59:59.999999999-23:59"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, ok := expires(map[string]string{AnnotationExpires: text})
		if ok == at.IsZero() || ok && (at.Year() < 2001 || at.Year() > 9999) {
			t.Fatalf("%q: %v, %t", text, at, ok)
		}
	})
}

// expiring is a Secret with these entries, of which the data was written at a time.
func expiring(entries, annotation string, written time.Time) *Source {
	u := &unstructured.Unstructured{Object: map[string]any{
		"type": TypeDockerConfigJSON,
		"data": map[string]any{KeyDockerConfigJSON: base64.StdEncoding.EncodeToString([]byte(`{"auths":{` + entries + `}}`))},
		"metadata": map[string]any{"name": "hub", "managedFields": []any{map[string]any{
			"manager": "somebody", "operation": "Update", "time": written.Format(time.RFC3339), "fieldsType": "FieldsV1",
			"fieldsV1": map[string]any{"f:data": map[string]any{"f:" + KeyDockerConfigJSON: map[string]any{}}},
		}}},
	}}
	if annotation != "" {
		u.SetAnnotations(map[string]string{AnnotationExpires: annotation})
	}
	return NewProjector([]byte("key")).Source(u)
}

func TestWhenASourceEnds(t *testing.T) {
	early, late, written := utc("2026-11-27T12:00:00Z"), utc("2027-03-01T00:00:00Z"), utc("2026-11-27T09:00:00Z")
	entry := func(host, password string) string {
		return fmt.Sprintf(`%q:{"auth":%q}`, host, base64.StdEncoding.EncodeToString([]byte("u:"+password)))
	}
	token := func(at time.Time) string { return jwt(fmt.Sprintf(`{"exp":%d}`, at.Unix())) }
	both := entry("b.example", token(late)) + "," + entry("a.example", token(early)) + "," + entry("c.example", "s3cret")
	for _, tt := range []struct {
		why     string
		source  *Source
		want    []End
		notTime bool
	}{
		{"nobody says", expiring(entry("a.example", "s3cret"), "", written), nil, false},
		{"tokens of two registries, the first first", expiring(both, "", written),
			[]End{{"a.example", Validity{written, early}}, {"b.example", Validity{written, late}}}, false},
		{"the annotation wins", expiring(both, "2026-12-01T01:00:00+01:00", written),
			[]End{{"", Validity{written, utc("2026-12-01T00:00:00Z")}}}, false},
		{"an annotation that is no time does not", expiring(entry("a.example", token(early)), "next week", written),
			[]End{{"a.example", Validity{written, early}}}, true},
		{"a zero time, as a template leaves it, is none", expiring(entry("a.example", "s3cret"), "0001-01-01T00:00:00Z", written), nil, true},
		{"written after it ended", expiring(entry("a.example", token(early)), "", late), []End{{"a.example", Validity{time.Time{}, early}}}, false},
	} {
		if diff := cmp.Diff(tt.want, tt.source.Ends()); diff != "" || tt.source.BadExpires != tt.notTime {
			t.Errorf("%s: bad %t %s", tt.why, tt.source.BadExpires, diff)
		}
	}
	if a, b := expiring(both, "2026-12-01T00:00:00Z", written), expiring(both, "", late); !a.SameContent(b.Secret) {
		t.Error("when a credential ends makes it another credential")
	}
}

func TestWhenToWarn(t *testing.T) {
	until := utc("2026-11-27T12:00:00Z")
	const week = 7 * 24 * time.Hour
	for _, tt := range []struct {
		why    string
		life   time.Duration // 0: not known
		before time.Duration
		want   time.Duration // before until; 0 for never
	}{
		{"a year", 365 * 24 * time.Hour, week, week},
		{"nobody knows how long", 0, week, week},
		{"12 hours", 12 * time.Hour, week, 4 * time.Hour},
		{"three weeks", 3 * week, week, week},
		{"never", 12 * time.Hour, 0, 0},
		{"less than a third", 12 * time.Hour, time.Hour, time.Hour},
	} {
		v := Validity{Until: until}
		if tt.life > 0 {
			v.From = until.Add(-tt.life)
		}
		want := until.Add(-tt.want)
		if tt.want == 0 {
			want = time.Time{}
		}
		if got := v.WarnAt(tt.before); !got.Equal(want) {
			t.Errorf("%s: %s, want %s", tt.why, got, want)
		}
	}
	if at := (Validity{}).WarnAt(week); !at.IsZero() {
		t.Errorf("of one that does not end: %s", at)
	}
}
