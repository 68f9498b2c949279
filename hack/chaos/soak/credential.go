package soak

import (
	"encoding/base64"
	"encoding/json"
	"maps"
)

// login is what a registry is asked with.
type login struct{ Username, Password string }

// logins reads what a secret says of registries, in the forms that the operations write; nil is that it is of no use.
func logins(typ, content string) map[string]login {
	var hosts map[string]login
	switch typ {
	case typeConfigJSON:
		var whole struct{ Auths map[string]login }
		if json.Unmarshal([]byte(content), &whole) != nil {
			return nil
		}
		hosts = whole.Auths
	case typeConfig:
		if json.Unmarshal([]byte(content), &hosts) != nil {
			return nil
		}
	}
	maps.DeleteFunc(hosts, func(_ string, l login) bool { return l == login{} })
	if len(hosts) == 0 {
		return nil
	}
	return hosts
}

// same reports whether two secrets mean the same to a kubelet.
func same(a, b *object) bool {
	x, y := logins(a.typ, a.content()), logins(b.typ, b.content())
	return a.typ == b.typ && x != nil && maps.Equal(x, y)
}

func usable(o *object) bool { return o != nil && logins(o.typ, o.content()) != nil }

// credential writes the content of a secret of a type; spaced writes the same in other bytes.
func credential(typ, host, password string, spaced bool) string {
	hosts := map[string]any{host: map[string]any{
		"username": "robot", "password": password, "auth": base64.StdEncoding.EncodeToString([]byte("robot:" + password)),
	}}
	var whole any = hosts
	if typ == typeConfigJSON {
		whole = map[string]any{"auths": hosts}
	}
	if spaced {
		text, _ := json.MarshalIndent(whole, "", "  ")
		return string(text)
	}
	text, _ := json.Marshal(whole)
	return string(text)
}

func dataKey(typ string) string {
	if typ == typeConfig {
		return ".dockercfg"
	}
	return ".dockerconfigjson"
}
