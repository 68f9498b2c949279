package cluster

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// A Defect says why the bytes of a secret cannot serve as a registry credential. The zero value means that they can.
type Defect string

// The defects of a registry credential.
const (
	DefectType         Defect = "WrongType"
	DefectMissingKey   Defect = "NoKey"
	DefectNotBase64    Defect = "NotBase64"
	DefectNotJSON      Defect = "NotJSON"
	DefectField        Defect = "BadField"
	DefectAuth         Defect = "BadAuth"
	DefectNoRegistry   Defect = "NoRegistry"
	DefectNoCredential Defect = "NoCredential"
	DefectEncrypted    Defect = "Encrypted"
	DefectNotRendered  Defect = "NotRendered"
)

// DefectMeaning is what a defect means, whatever its cause is; docs/reasons.md is made of it.
type DefectMeaning struct {
	Defect   Defect
	Says, Do string
}

// Defects are what the defects mean.
var Defects = []DefectMeaning{
	{DefectType, "its type is neither `kubernetes.io/dockerconfigjson` nor `kubernetes.io/dockercfg`", "make it anew with one of them: a type cannot be changed"},
	{DefectMissingKey, "the data key of its type is missing or empty", "put the credential under `.dockerconfigjson` or `.dockercfg`, as the type asks"},
	{DefectNotBase64, "the value is not base64, as it has to be under `data` of a manifest", "put text under `stringData`"},
	{DefectNotJSON, "the value is no JSON", "make the secret with `kubectl create secret docker-registry`"},
	{DefectField, "the value is JSON, but something in it has another type than the kubelet takes", "make it what the message says"},
	{DefectAuth, "an `auth` is not base64 of `username:password`", "encode the two again, or give `username` and `password` instead"},
	{DefectNoRegistry, "it names no registry host that the kubelet can go by", "name the host, without a path that no image has, under `auths`"},
	{DefectNoCredential, "it names hosts, but has no username and password for any of them", "log in without a credential store, and make the secret of that file"},
	{DefectEncrypted, "it was not decrypted on its way (SOPS)", "have the GitOps tool decrypt it"},
	{DefectNotRendered, "it is a template or variable that was not filled in", "fill it in before it is applied"},
}

// fault is a defect with its likely cause and cure in words, without any value. The zero value is none.
type fault struct {
	defect Defect
	cause  string
}

func faultf(d Defect, format string, args ...any) fault {
	return fault{d, fmt.Sprintf(format, args...)}
}

var wrongType = fault{DefectType, "its type is neither " + TypeDockerConfigJSON + " nor " + TypeDockercfg +
	": make it anew with one of them, a type cannot be changed"}

// missingKey says which data key a secret lacks.
func missingKey(key string, others []string) fault {
	for _, other := range []string{KeyDockerConfigJSON, KeyDockercfg} {
		if slices.Contains(others, other) {
			return faultf(DefectMissingKey, "it has the data key %s, and its type goes with %s: make it of the other type", other, key)
		}
	}
	return faultf(DefectMissingKey, "its data key %s is missing", key)
}

// notBase64 says why a value under data cannot be decoded. The API server refuses such, so it is from a file.
func notBase64(key, encoded string) fault {
	switch {
	case sopsValue.MatchString(encoded):
		return faultf(DefectEncrypted, "the value of %s is still encrypted (SOPS): decrypt it before it is applied", key)
	case placeholder.MatchString(encoded) || placeholderWithin.MatchString(encoded):
		return faultf(DefectNotRendered, "the value of %s is a template or variable that was not filled in", key)
	}
	return faultf(DefectNotBase64, "the value of %s under data is not base64: text belongs under stringData", key)
}

var (
	// placeholder is a whole value that a template engine, a shell or a vault plugin was to replace, or that Go's templates
	// leave where there is no value.
	placeholder = regexp.MustCompile(`(?s)^\s*(?:\{\{.*\}\}|\$\{.*\}|\$\(.*\)|<path:.*>|\$[A-Z_][A-Z0-9_]{2,}|<no value>|<nil>|%!\w\(<nil>\))\s*$`)
	// placeholderWithin is one among other text, where it may be chance.
	placeholderWithin = regexp.MustCompile(`\{\{-?\s*[.$\w(][^{}]*\}\}|\$\{\w[^{}]*\}|<path:[^<>]*>`)
	// sopsValue is what SOPS puts in the place of a value.
	sopsValue = regexp.MustCompile(`^\s*ENC\[\w+,`)
)

// judge says what is wrong with a value that the kubelet's decoder accepts: without a credential there is nothing to
// copy, and a text that stands for one would replace it everywhere.
func judge(secretType string, value []byte, c dockerConfigJSON) fault {
	credentials, unusable, found := 0, "", false
	for _, host := range slices.Sorted(maps.Keys(c.Auths)) {
		entry := c.Auths[host]
		if f := standIn(host, entry); f.defect != "" {
			return f
		}
		switch _, ok := registryKey(host); {
		case entry.empty():
		case ok:
			credentials++
		case !found:
			unusable, found = host, true
		}
	}
	switch {
	case credentials > 0:
		return fault{}
	case given(c.SOPS) || secretType == TypeDockercfg && hasKey(c.Auths, "sops"):
		return faultf(DefectEncrypted, "it is still encrypted (sops) and holds no credential: decrypt it before it is applied")
	case found:
		return faultf(DefectNoRegistry, "no image can match the host %s, so the kubelet finds no credential: %s", shownHost(unusable), neverMatches(unusable))
	case len(c.Auths) == 0:
		return noHost(secretType, value, c)
	}
	return noCredential(secretType, c)
}

// standIn finds what stands where a credential was to be.
func standIn(host string, entry dockerConfigEntry) fault {
	if placeholder.MatchString(host) || placeholderWithin.MatchString(host) {
		return faultf(DefectNotRendered, "the host of an entry is a template or variable that was not filled in")
	}
	for field, value := range entry.fields() {
		switch {
		case sopsValue.MatchString(value):
			return faultf(DefectEncrypted, "%s of %s is still encrypted (SOPS): decrypt it before it is applied", field, shownHost(host))
		case placeholder.MatchString(value):
			return faultf(DefectNotRendered, "%s of %s is a template or variable that was not filled in", field, shownHost(host))
		}
	}
	return fault{}
}

// fields yields what the kubelet sends, under the names of the fields that it comes from.
func (e dockerConfigEntry) fields() func(yield func(field, value string) bool) {
	of := ""
	if e.written.Auth != "" {
		of = " in auth"
	}
	return func(yield func(field, value string) bool) {
		_ = yield("username"+of, e.username) && yield("password"+of, e.password)
	}
}

// inStore says where the credentials are. The name of the store is the user's text, and not told.
func inStore(setting string) string {
	return "the credentials are in a credential store (" + setting + "), which is not part of the file: log in with a docker " +
		"config that has no credential store, or make the secret with kubectl create secret docker-registry"
}

// store names the setting by which the credentials are elsewhere.
func (c dockerConfigJSON) store() string {
	switch {
	case given(c.CredsStore):
		return "credsStore"
	case given(c.CredHelpers):
		return "credHelpers"
	}
	return ""
}

// noHost says why there is not a single entry.
func noHost(secretType string, value []byte, c dockerConfigJSON) fault {
	var top map[string]json.RawMessage
	_ = json.Unmarshal(value, &top) // fails for null only, which has no keys
	switch {
	case c.store() != "":
		return faultf(DefectNoRegistry, "it names no registry host: %s", inStore(c.store()))
	case hasKey(top, "kind") && hasKey(top, "apiVersion"):
		return faultf(DefectNoRegistry, "it names no registry host: it is a whole manifest, and has to be the value of its key %s alone",
			DataKey(secretType))
	case hasKey(top, "username") || hasKey(top, "password"):
		return faultf(DefectNoRegistry, "it names no registry host: username and password stand outside of auths; %s", shape(secretType))
	case looksLikeDockercfg(top):
		return faultf(DefectNoRegistry, "it has no auths: this is the form of %s; make the secret of that type, or put the hosts under auths",
			TypeDockercfg)
	}
	return faultf(DefectNoRegistry, "it names no registry host: %s", shape(secretType))
}

// shape shows what a type's value looks like.
func shape(secretType string) string {
	if secretType == TypeDockercfg {
		return `it has to be {"registry.example.com": {"username": …, "password": …}}`
	}
	return `it has to be {"auths": {"registry.example.com": {"username": …, "password": …}}}`
}

// looksLikeDockercfg reports whether hosts stand where auths was to be.
func looksLikeDockercfg(top map[string]json.RawMessage) bool {
	for _, value := range top {
		var entry map[string]json.RawMessage
		if json.Unmarshal(value, &entry) == nil && (hasKey(entry, "auth") || hasKey(entry, "username")) {
			return true
		}
	}
	return false
}

// otherForm is a .dockerconfigjson under the older type.
var otherForm = fault{DefectNoRegistry, "auths is no registry host: this is the form of " + TypeDockerConfigJSON + "; make the secret of that type"}

// noCredential says why no entry has a username or a password.
func noCredential(secretType string, c dockerConfigJSON) fault {
	switch store := c.store(); {
	case hasKey(c.Auths, "auths") && secretType == TypeDockercfg:
		return otherForm
	case hasKey(c.Auths, "auths"):
		return faultf(DefectNoRegistry, "auths is no registry host: it stands within auths once more; %s", shape(secretType))
	case store != "":
		return faultf(DefectNoCredential, "%s: %s", hostsWithout(c), inStore(store))
	case secretType == TypeDockercfg && (hasKey(c.Auths, "credsStore") || hasKey(c.Auths, "credHelpers")):
		return faultf(DefectNoCredential, "%s: %s", hostsWithout(c), inStore("credsStore or credHelpers"))
	}
	for _, entry := range c.Auths {
		if given(entry.written.IdentityToken) || given(entry.written.RegistryToken) {
			return faultf(DefectNoCredential, "%s: the kubelet does not use identitytoken and registrytoken; log in with a username and a password",
				hostsWithout(c))
		}
	}
	return faultf(DefectNoCredential, "%s: where docker login keeps the credentials in a credential store of the machine, only empty "+
		"entries are left in its file", hostsWithout(c))
}

// hostsWithout names the hosts, which are all without a credential.
func hostsWithout(c dockerConfigJSON) string {
	const shown = 3
	var hosts []string
	for _, host := range slices.Sorted(maps.Keys(c.Auths)) {
		hosts = append(hosts, shownHost(host))
	}
	text := strings.Join(hosts[:min(shown, len(hosts))], ", ")
	if more := len(hosts) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return "there is no username, password or auth for " + text
}

// given reports whether a field says something.
func given(value json.RawMessage) bool {
	switch string(value) {
	case "", "null", `""`, "{}", "[]", "false":
		return false
	}
	return true
}

// hasKey finds a key in any case, as encoding/json does.
func hasKey[V any](m map[string]V, key string) bool {
	for k := range m {
		if strings.EqualFold(k, key) {
			return true
		}
	}
	return false
}
