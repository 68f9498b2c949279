// Package registry is a real registry, of the distribution project, on an address of this machine. It keeps its images
// in memory and wants a password for everything.
package registry

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd" // the only way to log in
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory" // the only storage
	"github.com/sirupsen/logrus"
	"golang.org/x/crypto/bcrypt"
)

// User is who may pull and push; the password is the registry's own.
const User = "robot"

// Registry is a running registry.
type Registry struct {
	Host string // as image names begin

	passwords string // the htpasswd file, which is read again when it changes
	server    *http.Server
}

// Start serves on addr. The password's hash is kept in a file of dir.
func Start(addr, dir, password string) (*Registry, error) {
	logrus.SetLevel(logrus.PanicLevel)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	r := &Registry{passwords: filepath.Join(dir, passwords)}
	if err := r.SetPassword(password); err != nil {
		return nil, err
	}
	config := &configuration.Configuration{
		Storage: configuration.Storage{"inmemory": configuration.Parameters{}},
		Auth:    configuration.Auth{"htpasswd": configuration.Parameters{"realm": "private", "path": r.passwords}},
	}
	config.HTTP.Secret = "made up"
	config.Catalog.MaxEntries = 1000
	app := handlers.NewApp(context.Background(), config)
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	r.Host = listener.Addr().String()
	r.server = &http.Server{Handler: app}
	go func() { _ = r.server.Serve(listener) }()
	return r, nil
}

// Stop makes it refuse connections.
func (r *Registry) Stop() { _ = r.server.Close() }

// SetPassword is the registry's half of a rotation: from now on it takes this password and no other.
func (r *Registry) SetPassword(password string) error { return writePassword(r.passwords, password) }

// SetPassword changes the password of a registry that another process started with this folder.
func SetPassword(dir, password string) error {
	return writePassword(filepath.Join(dir, passwords), password)
}

// passwords is the htpasswd file, in the registry's folder.
const passwords = "htpasswd"

func writePassword(file, password string) error {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		return err
	}
	next := file + ".next"
	if err := os.WriteFile(next, fmt.Appendf(nil, "%s:%s\n", User, hash), 0o600); err != nil {
		return err
	}
	return os.Rename(next, file)
}
