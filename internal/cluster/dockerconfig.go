package cluster

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net"
	"net/url"
	"path"
	"strings"
)

// What this file decodes has the shapes and the steps of k8s.io/kubernetes v1.37.2, pkg/credentialprovider (config.go,
// keyring.go) and its secrets package, so that encoding/json treats the case of keys, duplicates, null and wrong types
// here as it does in the kubelet. hack/oracle holds the two against each other.

// dockerConfigJSON is the value of a .dockerconfigjson; of a .dockercfg it has Auths alone.
type dockerConfigJSON struct {
	Auths       dockerConfig      `json:"auths"`
	HTTPHeaders map[string]string `json:"HttpHeaders"` // not used, but a wrong type in it is refused

	// The kubelet has no such fields. A RawMessage takes every value, so they refuse nothing that it takes.
	CredsStore  json.RawMessage `json:"credsStore"`
	CredHelpers json.RawMessage `json:"credHelpers"`
	SOPS        json.RawMessage `json:"sops"`
}

// dockerConfig has the entries by host, as the keys are written.
type dockerConfig map[string]dockerConfigEntry

// dockerConfigEntry is one host's entry as the kubelet goes by it, and as it is written.
type dockerConfigEntry struct {
	username, password string
	written            dockerConfigFields
}

type dockerConfigFields struct {
	Username string `json:"username"`
	Password string `json:"password"`
	Email    string `json:"email"` // not used, but a wrong type in it is refused
	Auth     string `json:"auth"`

	IdentityToken json.RawMessage `json:"identitytoken"` // as with dockerConfigJSON
	RegistryToken json.RawMessage `json:"registrytoken"`
}

// errAuthForm is an auth that is base64, but not of username:password.
var errAuthForm = errors.New("not username:password")

// UnmarshalJSON lets auth win over username and password.
func (e *dockerConfigEntry) UnmarshalJSON(data []byte) (err error) {
	var written dockerConfigFields
	if err := json.Unmarshal(data, &written); err != nil {
		return err
	}
	e.written, e.username, e.password = written, written.Username, written.Password
	if written.Auth != "" {
		e.username, e.password, err = decodeAuth(written.Auth)
	}
	return err
}

func (e dockerConfigEntry) empty() bool { return e.username == "" && e.password == "" }

// decodeAuth is decodeDockerConfigFieldAuth of the kubelet.
func decodeAuth(auth string) (username, password string, err error) {
	encoding := base64.RawStdEncoding
	if strings.HasSuffix(strings.TrimSpace(auth), "=") {
		encoding = base64.StdEncoding
	}
	decoded, err := encoding.DecodeString(auth)
	if err != nil {
		return "", "", err
	}
	username, password, found := strings.Cut(string(decoded), ":")
	if !found {
		return "", "", errAuthForm
	}
	return username, password, nil
}

// decodeDockerConfig decodes the value of a credential type's data key.
func decodeDockerConfig(secretType string, value []byte) (c dockerConfigJSON, err error) {
	if secretType == TypeDockercfg {
		err = json.Unmarshal(value, &c.Auths)
	} else {
		err = json.Unmarshal(value, &c)
	}
	return c, err
}

// broken reports whether the kubelet fails on a value, and so on every image of a pod that names the secret. What is empty it
// leaves out. Source: k8s.io/kubernetes/pkg/credentialprovider/secrets, secretsToTrackedDockerConfigs.
func broken(secretType string, value []byte) bool {
	if len(value) == 0 || DataKey(secretType) == "" {
		return false
	}
	_, err := decodeDockerConfig(secretType, value)
	return err != nil
}

// registryKey is what the kubelet compares images with, BasicDockerKeyring.Add; ok is false for a host that it leaves
// out, or that no image matches in URLsMatch.
func registryKey(host string) (key string, ok bool) {
	bare := strings.TrimPrefix(host, "http://")
	if bare == host {
		bare = strings.TrimPrefix(host, "https://")
	}
	parsed, err := url.Parse("https://" + bare)
	if err != nil || strings.Contains(bare, "://") {
		return "", false
	}
	key, rest := parsed.Host, parsed.Path
	if strings.HasPrefix(rest, "/v2/") || strings.HasPrefix(rest, "/v1/") {
		rest = rest[3:]
	}
	if rest != "/" {
		key += rest
	}
	parsed, err = url.Parse("https://" + key)
	if err != nil || parsed.Host == "" {
		return "", false
	}
	name, _, err := net.SplitHostPort(parsed.Host)
	if err != nil {
		name = parsed.Host
	}
	for part := range strings.SplitSeq(name, ".") {
		if matched, err := path.Match(part, part); err != nil || !matched {
			return "", false
		}
	}
	return key, true
}
