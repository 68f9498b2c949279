package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
	"github.com/sirupsen/logrus"
	"golang.org/x/crypto/bcrypt"
)

// testRegistry is a real registry on loopback that keeps all in memory and wants a password.
type testRegistry struct {
	host   string
	prefix string
	refuse atomic.Pointer[string] // a part of a path: what is put there is refused
	dies   atomic.Bool            // it closes each connection by which something is pushed
}

func newRegistry(t *testing.T) *testRegistry {
	t.Helper()
	logrus.SetLevel(logrus.PanicLevel)
	hash, err := bcrypt.GenerateFromPassword([]byte("made up"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	passwords := filepath.Join(t.TempDir(), "htpasswd")
	if err := os.WriteFile(passwords, fmt.Appendf(nil, "robot:%s\n", hash), 0o600); err != nil {
		t.Fatal(err)
	}
	config := &configuration.Configuration{
		Storage: configuration.Storage{"inmemory": configuration.Parameters{}},
		Auth:    configuration.Auth{"htpasswd": configuration.Parameters{"realm": "test", "path": passwords}},
	}
	config.HTTP.Secret = "made up"
	config.Catalog.MaxEntries = 1000
	app := handlers.NewApp(context.WithoutCancel(t.Context()), config)
	r := &testRegistry{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if r.dies.Load() && request.Method == http.MethodPatch {
			panic(http.ErrAbortHandler)
		}
		if part := r.refuse.Load(); part != nil && request.Method == http.MethodPut && strings.Contains(request.URL.Path, *part) {
			http.Error(w, `{"errors":[{"code":"DENIED","message":"quota exceeded"}]}`, http.StatusInsufficientStorage)
			return
		}
		app.ServeHTTP(w, request)
	}))
	t.Cleanup(server.Close)
	r.host = strings.TrimPrefix(server.URL, "http://")
	r.prefix = r.host + "/pullsecrets"
	return r
}

// login is what docker login leaves, for everything in this process and those that it starts.
func (r *testRegistry) login(t *testing.T) {
	t.Helper()
	r.loginWith(t, "made up")
}

func (r *testRegistry) loginWith(t *testing.T, password string) {
	t.Helper()
	dir := t.TempDir()
	auth := base64.StdEncoding.EncodeToString([]byte("robot:" + password))
	text := fmt.Appendf(nil, `{"auths": {%q: {"auth": %q}}}`, r.host, auth)
	if err := os.WriteFile(filepath.Join(dir, "config.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_CONFIG", dir)
}
