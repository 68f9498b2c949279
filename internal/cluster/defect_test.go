package cluster

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// under is a value with one entry, of registry.example.
func under(secretType, entry string) string {
	if secretType == TypeDockercfg {
		return `{"registry.example":` + entry + `}`
	}
	return `{"auths":{"registry.example":` + entry + `}}`
}

func b64(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

const (
	longForm  = `it has to be {"auths": {"registry.example.com": {"username": …, "password": …}}}`
	shortForm = `it has to be {"registry.example.com": {"username": …, "password": …}}`
	wantAuth  = ": it has to be base64 of username:password"
	emptyText = ": where docker login keeps the credentials in a credential store of the machine, only empty entries are left in its file"
	storeText = ", which is not part of the file: log in with a docker config that has no credential store, or make the secret with kubectl create secret docker-registry"
)

func TestADefectNamesItsCause(t *testing.T) {
	const good = `{"auth":"dTpw"}`
	for _, tt := range []struct {
		why, value string
		want       Defect
		cause      string
	}{
		// What is no JSON.
		{"nothing", ``, DefectMissingKey, "its data key .dockerconfigjson is empty"},
		{"white space", " \n", DefectNotJSON, "it is empty but for white space"},
		{"text", `hello`, DefectNotJSON, "it is no JSON from line 1, column 1 on"},
		{"base64 of something else", b64(strings.Repeat("hello, world ", 4)), DefectNotJSON, "it is base64, and not of JSON"},
		{"a comma too many", "{\"auths\":\n {\"ä\":{},}}", DefectNotJSON, "it is no JSON from line 2, column 10 on"},
		{"cut off", `{"auths":{"a":{}`, DefectNotJSON, "it breaks off: the end of its JSON is missing"},
		{"two objects", under("", good) + `{}`, DefectNotJSON, "more follows its JSON, which ends at line 1, column 46"},
		{"something after the object", under("", good) + "\nx", DefectNotJSON, "more follows its JSON, which ends at line 1, column 46"},
		{"YAML", "auths:\n  registry.example:\n    auth: x\n", DefectNotJSON, "it is YAML: it has to be JSON"},
		{"encoded twice", b64(under("", good)), DefectNotJSON, "it is base64 of JSON: it was encoded twice; text belongs under stringData, base64 under data"},
		{"a byte order mark", "\xef\xbb\xbf" + under("", good), DefectNotJSON, "it starts with a byte order mark, which the kubelet refuses: save it as UTF-8 without BOM"},
		{"UTF-16", "\xff\xfe{\x00}\x00", DefectNotJSON, "it is UTF-16: save it as UTF-8"},
		{"UTF-16 without a mark", "{\x00}\x00", DefectNotJSON, "it is UTF-16: save it as UTF-8"},
		{"quotes of a shell", `'` + under("", good) + `'`, DefectNotJSON, "it stands in quotes: remove them"},
		// What was not decrypted or filled in.
		{"SOPS, the value", `ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]`, DefectEncrypted, "it is still encrypted: decrypt it before it is applied"},
		{"SOPS, a field", under("", `{"username":"u","password":"ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]"}`), DefectEncrypted,
			"password of registry.example is still encrypted (SOPS): decrypt it before it is applied"},
		{"SOPS, auth", under("", `{"auth":"ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]"}`), DefectEncrypted,
			"auth of registry.example is still encrypted (SOPS): decrypt it before it is applied"},
		{"SOPS, its own key", `{"data":"x","sops":{"version":"3"}}`, DefectEncrypted, "it is still encrypted (sops) and holds no credential: decrypt it before it is applied"},
		{"age", "age-encryption.org/v1\n-> X25519", DefectEncrypted, "it is still encrypted: decrypt it before it is applied"},
		{"sealed", "AgB" + b64(strings.Repeat("x", 60)), DefectEncrypted, "it is still sealed, or encoded twice: a SealedSecret has to be unsealed by its controller"},
		{"a template", `{{ .Values.credential }}`, DefectNotRendered, "it has a template or variable in it that was not filled in"},
		{"a template within", under("", `{"auth": {{ .Values.auth }} }`), DefectNotRendered, "it has a template or variable in it that was not filled in"},
		{"a template of a password", under("", `{"username":"u","password":"{{ .Values.password }}"}`), DefectNotRendered,
			"password of registry.example is a template or variable that was not filled in"},
		{"a variable of a password", under("", `{"username":"u","password":"${PASSWORD}"}`), DefectNotRendered,
			"password of registry.example is a template or variable that was not filled in"},
		{"a variable in auth", under("", `{"auth":"`+b64("u:$PASSWORD")+`"}`), DefectNotRendered,
			"password in auth of registry.example is a template or variable that was not filled in"},
		{"what a template leaves of no value", under("", `{"auth":"`+b64("robot:<no value>")+`"}`), DefectNotRendered,
			"password in auth of registry.example is a template or variable that was not filled in"},
		{"what printf leaves of no value", under("", `{"auth":"`+b64("%!s(<nil>):%!s(<nil>)")+`"}`), DefectNotRendered,
			"username in auth of registry.example is a template or variable that was not filled in"},
		{"no value for a host", `{"auths":{"<no value>":` + good + `}}`, DefectNotRendered, "the host of an entry is a template or variable that was not filled in"},
		{"a variable for auth", under("", `{"auth":"${AUTH}"}`), DefectNotRendered, "auth of registry.example is a template or variable that was not filled in"},
		{"a variable for a host", `{"auths":{"${REGISTRY}":` + good + `}}`, DefectNotRendered, "the host of an entry is a template or variable that was not filled in"},
		// What is JSON, and of another type.
		{"a list", `[]`, DefectField, "it is a list: " + longForm},
		{"text in quotes", `"x"`, DefectField, "it is text: " + longForm},
		{"auths is a list", `{"auths":[]}`, DefectField, "auths is a list: " + longForm},
		{"an entry is text", under("", `"dTpw"`), DefectField, "the entry of registry.example is text: it has to be an object with username and password, or with auth"},
		{"a password that is a number", under("", `{"username":"u","password":20261126}`), DefectField, "password of registry.example is a number: it has to be text, in quotes"},
		{"an auth that is a list", under("", `{"Auth":["dTpw"]}`), DefectField, "auth of registry.example is a list: it has to be text, in quotes"},
		{"no host between", `{"auths":{"username":"u","password":"p"}}`, DefectField, "password stands where a registry host has to be: put it under the host that it is for"},
		{"headers", `{"auths":{"registry.example":` + good + `},"HttpHeaders":{"x":1}}`, DefectField, "HttpHeaders, or an entry that stands there twice, cannot be read: remove it"},
		// auth.
		{"auth is plain text", under("", `{"auth":"robot:s3cret"}`), DefectAuth, "auth of registry.example is not base64, but plain text with a colon" + wantAuth},
		{"auth is a token", under("", `{"auth":"`+b64("token")+`"}`), DefectAuth, "auth of registry.example is base64 of a text without a colon, such as a token alone" + wantAuth},
		{"auth is for URLs", under("", `{"auth":"dXNlcjE6cGFzc3d-cmQ"}`), DefectAuth, "auth of registry.example is base64 of the alphabet for URLs, with - and _ in it: encode it with + and /"},
		{"auth is encoded twice", under("", `{"auth":"`+b64("dTpw")+`"}`), DefectAuth, "auth of registry.example is encoded twice" + wantAuth},
		{"auth lacks a =", under("", `{"auth":"dTpwcA="}`), DefectAuth, "auth of registry.example is base64 with the wrong number of = at its end: encode it anew"},
		{"auth ends in a space", under("", `{"auth":"dTpw "}`), DefectAuth, "auth of registry.example has white space around it: remove it"},
		{"auth is a header", under("", `{"auth":"Basic dTpw"}`), DefectAuth, "auth of registry.example is the value of an HTTP header" + wantAuth},
		{"auth is something else", under("", `{"auth":"?"}`), DefectAuth, "auth of registry.example is not base64" + wantAuth},
		{"one bad entry beside a good one", `{"auths":{"a.example":` + good + `,"b.example":{"auth":"?"}}}`, DefectAuth, "auth of b.example is not base64" + wantAuth},
		// No host.
		{"null", `null`, DefectNoRegistry, "it names no registry host: " + longForm},
		{"no auths", `{}`, DefectNoRegistry, "it names no registry host: " + longForm},
		{"auths are null", `{"auths":null}`, DefectNoRegistry, "it names no registry host: " + longForm},
		{"auths are empty", `{"auths":{}}`, DefectNoRegistry, "it names no registry host: " + longForm},
		{"no auths, but a store", `{"credsStore":"x"}`, DefectNoRegistry, "it names no registry host: the credentials are in a credential store (credsStore)" + storeText},
		{"a dockercfg under the newer type", under(TypeDockercfg, good), DefectNoRegistry,
			"it has no auths: this is the form of kubernetes.io/dockercfg; make the secret of that type, or put the hosts under auths"},
		{"no auths around", `{"username":"u","password":"p"}`, DefectNoRegistry, "it names no registry host: username and password stand outside of auths; " + longForm},
		{"a manifest", `{"apiVersion":"v1","kind":"Secret"}`, DefectNoRegistry, "it names no registry host: it is a whole manifest, and has to be the value of its key .dockerconfigjson alone"},
		{"auths within auths", `{"auths":{"auths":{"a.example":` + good + `}}}`, DefectNoRegistry, "auths is no registry host: it stands within auths once more; " + longForm},
		{"a host with a space", `{"auths":{"a.example ":` + good + `}}`, DefectNoRegistry, "no image can match the host a.example, so the kubelet finds no credential: remove the white space around it"},
		{"a host with another scheme", `{"auths":{"oci://a.example":` + good + `}}`, DefectNoRegistry,
			"no image can match the host oci://a.example, so the kubelet finds no credential: write it as images have it, registry.example.com, with a port or path if need be"},
		// No credential.
		{"an entry that is null", under("", `null`), DefectNoCredential, "there is no username, password or auth for registry.example" + emptyText},
		{"an empty entry", under("", `{}`), DefectNoCredential, "there is no username, password or auth for registry.example" + emptyText},
		{"empty values", under("", `{"username":"","password":"","auth":""}`), DefectNoCredential, "there is no username, password or auth for registry.example" + emptyText},
		{"a colon alone", under("", `{"auth":"Og=="}`), DefectNoCredential, "there is no username, password or auth for registry.example" + emptyText},
		{"a store", `{"auths":{"a.example":{},"b.example":{}},"credsStore":"x"}`, DefectNoCredential,
			"there is no username, password or auth for a.example, b.example: the credentials are in a credential store (credsStore)" + storeText},
		{"many hosts", `{"auths":{"a":{},"b":{},"c":{},"d":{},"e":{}},"credHelpers":{"a":"x"}}`, DefectNoCredential,
			"there is no username, password or auth for a, b, c and 2 more: the credentials are in a credential store (credHelpers)" + storeText},
		{"a token that the kubelet does not use", under("", `{"identitytoken":"x"}`), DefectNoCredential,
			"there is no username, password or auth for registry.example: the kubelet does not use identitytoken and registrytoken; log in with a username and a password"},
	} {
		t.Run(tt.why, func(t *testing.T) { wantDefect(t, TypeDockerConfigJSON, tt.value, tt.want, tt.cause) })
	}
}

func TestADefectOfTheOlderTypeNamesItsCause(t *testing.T) {
	const newer = "auths is no registry host: this is the form of kubernetes.io/dockerconfigjson; make the secret of that type"
	for _, tt := range []struct {
		why, value string
		want       Defect
		cause      string
	}{
		{"nothing", ``, DefectMissingKey, "its data key .dockercfg is empty"},
		{"no host", `{}`, DefectNoRegistry, "it names no registry host: " + shortForm},
		{"a list", `[]`, DefectField, "it is a list: " + shortForm},
		{"the newer form", `{"auths":{"a.example":{"auth":"dTpw"}}}`, DefectNoRegistry, newer},
		{"the newer form in capitals", `{"Auths":{"a.example":{"auth":"dTpw"}}}`, DefectNoRegistry, newer},
		{"the newer form with a store", `{"auths":{"a.example":{"auth":"dTpw"}},"credsStore":"x"}`, DefectNoRegistry, newer},
		{"an entry is text", `{"a.example":"dTpw"}`, DefectField, "the entry of a.example is text: it has to be an object with username and password, or with auth"},
		{"an empty entry", `{"a.example":{}}`, DefectNoCredential, "there is no username, password or auth for a.example" + emptyText},
		{"auth is plain text", `{"a.example":{"auth":"u:p"}}`, DefectAuth, "auth of a.example is not base64, but plain text with a colon" + wantAuth},
		{"SOPS", `{"a.example":{},"sops":{"version":"3"}}`, DefectEncrypted, "it is still encrypted (sops) and holds no credential: decrypt it before it is applied"},
	} {
		t.Run(tt.why, func(t *testing.T) { wantDefect(t, TypeDockercfg, tt.value, tt.want, tt.cause) })
	}
}

func TestADefectOfADataKeyNamesItsCause(t *testing.T) {
	for _, tt := range []struct {
		why, secret string
		want        Defect
		cause       string
	}{
		{"another type", `{type: Opaque, data: {.dockerconfigjson: e30=}}`, DefectType,
			"its type is neither kubernetes.io/dockerconfigjson nor kubernetes.io/dockercfg: make it anew with one of them, a type cannot be changed"},
		{"no key", `{type: kubernetes.io/dockercfg, data: {a: e30=}}`, DefectMissingKey, "its data key .dockercfg is missing"},
		{"the key of the other type", `{type: kubernetes.io/dockercfg, data: {.dockerconfigjson: e30=}}`, DefectMissingKey,
			"it has the data key .dockerconfigjson, and its type goes with .dockercfg: make it of the other type"},
		{"plain text", `{type: kubernetes.io/dockercfg, data: {.dockercfg: '{"a":{}}'}}`, DefectNotBase64,
			"the value of .dockercfg under data is not base64: text belongs under stringData"},
		{"a variable", `{type: kubernetes.io/dockercfg, data: {.dockercfg: "${CREDENTIAL}"}}`, DefectNotRendered,
			"the value of .dockercfg is a template or variable that was not filled in"},
		{"SOPS", `{type: kubernetes.io/dockercfg, data: {.dockercfg: "ENC[AES256_GCM,data:x]"}}`, DefectEncrypted,
			"the value of .dockercfg is still encrypted (SOPS): decrypt it before it is applied"},
	} {
		got := NewProjector([]byte("key")).Secret(object(t, tt.secret))
		if got.Defect != tt.want || got.Cause != tt.cause || got.Content != nil {
			t.Errorf("%s: got %s (%s), want %s (%s)", tt.why, got.Defect, got.Cause, tt.want, tt.cause)
		}
	}
}

func wantDefect(t *testing.T, secretType, value string, want Defect, cause string) {
	t.Helper()
	p := NewProjector([]byte("key"))
	for range 2 { // what is remembered of a refusal says the same
		c, got, why := p.Content(secretType, []byte(value))
		if c != nil || got != want {
			t.Errorf("got %q with content %v, want %q", got, c, want)
		}
		if diff := cmp.Diff(cause, why); diff != "" {
			t.Errorf("the cause (-want +got):\n%s", diff)
		}
	}
}

func TestWhatTheKubeletTakesIsAccepted(t *testing.T) {
	for _, tt := range []struct{ why, secretType, value string }{
		{"auth alone", TypeDockerConfigJSON, under("", `{"auth":"dTpw"}`)},
		{"auth without padding", TypeDockerConfigJSON, under("", `{"auth":"dTpwcA"}`)},
		{"username and password alone", TypeDockercfg, under(TypeDockercfg, `{"username":"u","password":"p"}`)},
		{"keys in capitals", TypeDockerConfigJSON, `{"AUTHS":{"registry.example":{"Username":"u","Password":"p"}}}`},
		{"a password alone", TypeDockerConfigJSON, under("", `{"password":"p"}`)},
		{"fields that nobody knows", TypeDockerConfigJSON, `{"auths":{"registry.example":{"auth":"dTpw","x":1}},"credsStore":1,"x":[]}`},
		{"an empty entry beside it", TypeDockerConfigJSON, `{"auths":{"a.example":{"auth":"dTpw"},"b.example":null}}`},
		{"white space around", TypeDockercfg, " " + under(TypeDockercfg, `{"auth":"dTpw"}`) + "\n"},
		{"a password that has braces in it", TypeDockercfg, under(TypeDockercfg, `{"username":"u","password":"a{{b}}c"}`)},
	} {
		if c, defect, cause := NewProjector([]byte("key")).Content(tt.secretType, []byte(tt.value)); c == nil || cause != "" {
			t.Errorf("%s: %s (%s)", tt.why, defect, cause)
		}
	}
}

func TestAWarningNamesHostAndField(t *testing.T) {
	const badHost = "write it as images have it, registry.example.com, with a port or path if need be"
	for _, tt := range []struct {
		why, auths string
		want       []string
	}{
		{"nothing", `"a.example":{"auth":"dTpw"},"*.b.example:5000/x":{"username":"u","password":"p w"},"localhost":{"auth":"dTpw"}`, nil},
		{"an empty entry", `"a.example":{"auth":"dTpw"},"b.example":{}`,
			[]string{"the entry of b.example holds no username, password or auth, so the kubelet sends empty credentials there: remove it, or log in"}},
		{"a newline", `"a.example":{"username":"u","password":"p\n"}`,
			[]string{"password of a.example ends in a newline, as it comes from echo or a file: encode it without (echo -n, printf %s)"}},
		{"a newline in auth", `"a.example":{"auth":"` + b64("u:p\n") + `"}`,
			[]string{"password in auth of a.example ends in a newline, as it comes from echo or a file: encode it without (echo -n, printf %s)"}},
		{"white space", `"a.example":{"username":" u","password":"p\t"}`,
			[]string{"username of a.example starts or ends with white space", "password of a.example starts or ends with white space"}},
		{"half a credential", `"a.example":{"username":"u"},"b.example":{"password":"p"}`,
			[]string{"password of a.example is empty", "username of b.example is empty"}},
		{"bytes that are no UTF-8", `"a.example":{"auth":"` + b64("u:\xff") + `"}`,
			[]string{"password in auth of a.example has bytes in it that are no UTF-8: they do not reach the registry as they are"}},
		{"a control character", `"a.example":{"username":"u","password":"p\u0000q"}`, []string{"password of a.example has control characters in it"}},
		{"a colon", `"a.example":{"username":"u:v","password":"p"}`,
			[]string{"username of a.example has a colon in it, which no registry can tell from the start of the password"}},
		{"part of a template", `"a.example":{"username":"u","password":"x-{{ .Values.x }}"}`,
			[]string{"password of a.example looks like a template that was not filled in"}},
		{"two credentials", `"a.example":{"username":"u","password":"q","auth":"dTpw"}`,
			[]string{"auth of a.example says otherwise than username and password, and the kubelet goes by auth"}},
		{"tokens", `"a.example":{"auth":"dTpw","identitytoken":"x"}`, []string{"identitytoken and registrytoken of a.example are not used by the kubelet"}},
		{"a host with white space", `"a.example":{"auth":"dTpw"},"b.example\n":{"auth":"dTpw"}`,
			[]string{"no image matches the host b.example: remove the white space around it"}},
		{"a host that is none", `"a.example":{"auth":"dTpw"},"b.example:x":{"auth":"dTpw"}`, []string{"no image matches the host (unprintable): " + badHost}},
		{"a path that is the image's", `"https://index.docker.io/v1":{"auth":"dTpw"}`,
			[]string{"no image matches the host https://index.docker.io/v1: its path is taken for that of the image; end it in /v1/, or leave the path out"}},
		{"Docker Hub by another name", `"hub.docker.com":{"auth":"dTpw"}`,
			[]string{"no image matches the host hub.docker.com: images of Docker Hub are matched by https://index.docker.io/v1/ or docker.io"}},
		{"a word", `"harbor":{"auth":"dTpw"}`, []string{"no image matches the host harbor: a host without a dot or a port is taken for a part of Docker Hub"}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			got := content(t, NewProjector([]byte("key")), TypeDockerConfigJSON, `{"auths":{`+tt.auths+`}}`).Warnings
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWarningsAreAFewAtMost(t *testing.T) {
	entries := []string{`"good.example":{"auth":"dTpw"}`}
	for i := range 1000 {
		entries = append(entries, fmt.Sprintf(`"h%d.example":{}`, i))
	}
	got := content(t, NewProjector([]byte("key")), TypeDockercfg, "{"+strings.Join(entries, ",")+"}").Warnings
	if len(got) != shownWarnings+1 || got[shownWarnings] != "and 990 more of the kind" {
		t.Errorf("%d warnings, the last one: %s", len(got), got[len(got)-1])
	}
}

// What people put in the wrong place is told without it, in whatever form it is.
func TestNoValueLeaksThroughADefectOrAWarning(t *testing.T) {
	for _, value := range []string{
		"%[1]s", "%[2]s", `"%[1]s"`, `["%[1]s"]`, "auths:\n  a.example:\n    password: %[1]s", "{{ %[1]s }}", "${%[1]s}", "ENC[AES256_GCM,data:%[2]s]",
		`{"auths":{"a.example":{"auth":"%[1]s"}}}`, `{"auths":{"a.example":{"auth":"robot:%[1]s"}}}`, `{"auths":{"a.example":{"auth":"%[2]s"}}}`,
		`{"auths":{"a.example":{"auth":["%[1]s"]}}}`, `{"auths":{"a.example":{"auth":"Basic %[2]s"}}}`, `{"auths":{"a.example":"%[1]s"}}`, `{"auths":"%[1]s"}`,
		`{"auths":{"robot:%[1]s@a.example":{}}}`, `{"auths":{"robot:%[1]s":{}}}`, `{"auths":{"cm9ib3Q6%[2]s":{}}}`, `{"auths":{"https://robot:%[1]s":{"auth":"dTpw"}}}`,
		`{"auths":{"a.example":{"password":{"%[1]s":"%[1]s"}}}}`, `{"auths":{"a.example":{}},"credsStore":"%[1]s"}`, `{"credHelpers":{"a.example":"%[1]s"}}`,
		`{"auths":{},"%[1]s":"%[1]s"}`, `{"auths":{"a.example":{"password":"%[1]s"}}}`, `{"auths":{"a.example":{"username":"u","password":"%[1]s\n"}}}`,
		`{"auths":{"a.example":{"username":"x:%[1]s","password":"{{ .x }}%[1]s"}}}`, `{"auths":{"a.example":{"password":"{{ %[1]s }}"}}}`,
		`{"auths":{"a.example":{"auth":"cm9ib3Q6%[2]s"},"b.example":{"identitytoken":"%[1]s","registrytoken":"%[1]s"}}}`,
		`{"auths":{"a.example":{"auth":"dTpw"}}} %[1]s`, `{"auths":{"a.example":{"auth":"dTpw"}},"HttpHeaders":{"%[1]s":1}}`, `{"auths":{"a.example":{"auth":"dTpw"}},"%[1]s`,
	} {
		value = fmt.Sprintf(value, canary, b64(canary))
		if strings.Contains(value, "%!") {
			t.Fatal(value)
		}
		for _, secretType := range []string{TypeDockerConfigJSON, TypeDockercfg, "Opaque"} {
			c, defect, cause := NewProjector([]byte("key")).Content(secretType, []byte(value))
			text := string(defect) + cause
			if c != nil {
				text = strings.Join(c.Warnings, "\n") + fmt.Sprint(c.Registries)
			} else if cause == "" {
				t.Errorf("%s: no cause for %q", value, defect)
			}
			wantNoLeak(t, secretType+" "+value, text, canary)
		}
	}
}
