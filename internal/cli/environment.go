package cli

import (
	"os"
	"strings"
)

// environment has variables by name: those of this process, or those that a manifest gives to a container.
type environment map[string]string

func processEnvironment() environment {
	env := environment{}
	for _, pair := range os.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	return env
}

// ofService reports whether Kubernetes set a variable to tell where a Service is: a Service config-db makes
// CONFIG_DB_SERVICE_HOST, CONFIG_DB_PORT and more that start with CONFIG_DB_PORT_.
func (e environment) ofService(name string) bool {
	for other := range e {
		service, ok := strings.CutSuffix(other, "_SERVICE_HOST")
		if ok && (strings.HasPrefix(name, service+"_SERVICE_") || name == service+"_PORT" || strings.HasPrefix(name, service+"_PORT_")) {
			return true
		}
	}
	return false
}
