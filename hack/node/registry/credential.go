package registry

import (
	"encoding/base64"
	"fmt"
)

// Credential is the content of a pull secret with which an image can be pulled from host.
func Credential(host, password string) []byte {
	auth := base64.StdEncoding.EncodeToString([]byte(User + ":" + password))
	return fmt.Appendf(nil, `{"auths":{%q:{"username":%q,"password":%q,"auth":%q}}}`, host, User, password, auth)
}

// Password is that of a registry which nobody gave another one.
func Password(name string) string { return "password of " + name }
