package cluster

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// refusal says what the kubelet's decoder refuses in a value, and how that usually comes about. err is its error.
func refusal(secretType string, value []byte, err error) fault {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return notJSON(value, syntax)
	}
	var entries map[string]json.RawMessage
	if secretType == TypeDockercfg {
		err = json.Unmarshal(value, &entries)
	} else {
		var top struct {
			Auths map[string]json.RawMessage `json:"auths"`
		}
		err = json.Unmarshal(value, &top)
		entries = top.Auths
	}
	if secretType == TypeDockercfg && hasKey(entries, "auths") {
		return otherForm
	}
	for _, host := range slices.Sorted(maps.Keys(entries)) {
		var entry dockerConfigEntry
		if err := json.Unmarshal(entries[host], &entry); err != nil {
			return badEntry(host, entry, err)
		}
	}
	var wrong *json.UnmarshalTypeError
	switch {
	case !errors.As(err, &wrong):
		// The entries that are left of equal keys are good, so the others are not, or HttpHeaders are not.
		return faultf(DefectField, "HttpHeaders, or an entry that stands there twice, cannot be read: remove it")
	case wrong.Field == "":
		return faultf(DefectField, "it is %s: %s", kindOf(wrong), shape(secretType))
	}
	return faultf(DefectField, "auths is %s: %s", kindOf(wrong), shape(secretType))
}

// badEntry says what is wrong with a host's entry.
func badEntry(host string, entry dockerConfigEntry, err error) fault {
	name := shownHost(host)
	var wrong *json.UnmarshalTypeError
	switch {
	case !errors.As(err, &wrong):
		return badAuth(name, entry.written.Auth, err)
	case wrong.Field != "":
		return faultf(DefectField, "%s of %s is %s: it has to be text, in quotes", wrong.Field, name, kindOf(wrong))
	case hasKey(map[string]bool{"username": true, "password": true, "auth": true, "email": true}, host):
		return faultf(DefectField, "%s stands where a registry host has to be: put it under the host that it is for", name)
	}
	return faultf(DefectField, "the entry of %s is %s: it has to be an object with username and password, or with auth", name, kindOf(wrong))
}

// kindOf names the JSON type that was found. The error's own text may hold the value.
func kindOf(wrong *json.UnmarshalTypeError) string {
	kind, _, _ := strings.Cut(wrong.Value, " ")
	if text, ok := map[string]string{
		"array": "a list", "object": "an object", "number": "a number", "string": "text", "bool": "true or false",
	}[kind]; ok {
		return text
	}
	return "of another type"
}

// badAuth says how an auth came to be what the kubelet refuses.
func badAuth(host, auth string, err error) fault {
	const want = ": it has to be base64 of username:password"
	trimmed := strings.TrimSpace(auth)
	switch {
	case sopsValue.MatchString(auth):
		return faultf(DefectEncrypted, "auth of %s is still encrypted (SOPS): decrypt it before it is applied", host)
	case placeholder.MatchString(auth) || placeholderWithin.MatchString(auth):
		return faultf(DefectNotRendered, "auth of %s is a template or variable that was not filled in", host)
	case errors.Is(err, errAuthForm) && isAuth(decodedTwice(auth)):
		return faultf(DefectAuth, "auth of %s is encoded twice%s", host, want)
	case errors.Is(err, errAuthForm):
		return faultf(DefectAuth, "auth of %s is base64 of a text without a colon, such as a token alone%s", host, want)
	case isAuth(trimmed):
		return faultf(DefectAuth, "auth of %s has white space around it: remove it", host)
	case strings.HasPrefix(trimmed, "Basic ") || strings.HasPrefix(trimmed, "Bearer "):
		return faultf(DefectAuth, "auth of %s is the value of an HTTP header%s", host, want)
	case strings.Contains(auth, ":"):
		return faultf(DefectAuth, "auth of %s is not base64, but plain text with a colon%s", host, want)
	case isAuth(strings.NewReplacer("-", "+", "_", "/").Replace(trimmed)):
		return faultf(DefectAuth, "auth of %s is base64 of the alphabet for URLs, with - and _ in it: encode it with + and /", host)
	case isAuth(strings.TrimRight(trimmed, "=")):
		return faultf(DefectAuth, "auth of %s is base64 with the wrong number of = at its end: encode it anew", host)
	}
	return faultf(DefectAuth, "auth of %s is not base64%s", host, want)
}

func isAuth(text string) bool {
	_, _, err := decodeAuth(text)
	return err == nil
}

func decodedTwice(auth string) string {
	text, _ := base64.RawStdEncoding.DecodeString(strings.TrimRight(auth, "="))
	return strings.TrimSpace(string(text))
}

var (
	// armour is how encrypted files start: age, PGP, Ansible Vault, git-crypt.
	armour = regexp.MustCompile(`^\s*(?:age-encryption\.org/|-----BEGIN (?:AGE|PGP) |\$ANSIBLE_VAULT;|\x00GITCRYPT\x00)`)
	// yamlKey is a line as only YAML has it.
	yamlKey = regexp.MustCompile(`(?mi)^\s*(?:auths|auth|username|password|credsStore|apiVersion)\s*:(?:\s|$)`)
)

// notJSON says how a value came to be no JSON. The error's own text has a character of the value in it.
func notJSON(value []byte, err *json.SyntaxError) fault {
	text := strings.TrimSpace(string(value))
	switch {
	case text == "":
		return faultf(DefectNotJSON, "it is empty but for white space")
	case armour.Match(value) || sopsValue.Match(value) || bytes.Contains(value, []byte("ENC[AES256_GCM,")):
		return faultf(DefectEncrypted, "it is still encrypted: decrypt it before it is applied")
	case placeholder.MatchString(text) || placeholderWithin.MatchString(text):
		return faultf(DefectNotRendered, "it has a template or variable in it that was not filled in")
	case isJSON(decodedTwice(text)):
		return faultf(DefectNotJSON, "it is base64 of JSON: it was encoded twice; text belongs under stringData, base64 under data")
	case isBase64(text) && strings.HasPrefix(text, "Ag"): // as kubeseal begins: a length of two bytes
		return faultf(DefectEncrypted, "it is still sealed, or encoded twice: a SealedSecret has to be unsealed by its controller")
	case isBase64(text):
		return faultf(DefectNotJSON, "it is base64, and not of JSON")
	case bytes.HasPrefix(value, []byte("\xef\xbb\xbf")):
		return faultf(DefectNotJSON, "it starts with a byte order mark, which the kubelet refuses: save it as UTF-8 without BOM")
	case bytes.HasPrefix(value, []byte("\xff\xfe")) || bytes.HasPrefix(value, []byte("\xfe\xff")) || bytes.IndexByte(value[:min(2, len(value))], 0) >= 0:
		return faultf(DefectNotJSON, "it is UTF-16: save it as UTF-8")
	case yamlKey.MatchString(text) && !strings.HasPrefix(text, "{"):
		return faultf(DefectNotJSON, "it is YAML: it has to be JSON")
	case strings.HasPrefix(text, "'"):
		return faultf(DefectNotJSON, "it stands in quotes: remove them")
	}
	if end := firstValue(value); end >= 0 {
		line, column := lineOf(value, end)
		return faultf(DefectNotJSON, "more follows its JSON, which ends at line %d, column %d", line, column)
	}
	if err.Error() == "unexpected end of JSON input" {
		return faultf(DefectNotJSON, "it breaks off: the end of its JSON is missing")
	}
	line, column := lineOf(value, int(err.Offset))
	return faultf(DefectNotJSON, "it is no JSON from line %d, column %d on", line, column)
}

func isJSON(text string) bool { return strings.HasPrefix(text, "{") && json.Valid([]byte(text)) }

// isBase64 leaves out what is so short that it may be any word.
func isBase64(text string) bool {
	if len(text) < 32 {
		return false
	}
	_, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	return err == nil
}

// firstValue is where the first JSON value ends, or -1 if there is none.
func firstValue(value []byte) int {
	var first json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(value))
	if dec.Decode(&first) != nil {
		return -1
	}
	return int(dec.InputOffset())
}

// lineOf tells a place that is counted in bytes, from 1, as editors do.
func lineOf(value []byte, offset int) (line, column int) {
	before := value[:max(0, min(offset-1, len(value)))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[start:]) + 1
}
