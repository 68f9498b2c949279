package registries

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	_ "github.com/distribution/distribution/v3/registry/auth/token"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
	"github.com/go-jose/go-jose/v4"
	"github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/sirupsen/logrus"
	"golang.org/x/crypto/bcrypt"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// realRegistry is a running registry of the distribution project.
type realRegistry struct {
	host  string
	users *users

	mu   sync.Mutex
	sent []string // METHOD PATH SCHEME of each request
}

// users are who may log in, and which repositories they may pull from and push to.
type users struct {
	mu        sync.Mutex
	passwords map[string]string
	grants    map[string][]string
	file      string // htpasswd, where there is one
}

func newUsers() *users {
	return &users{passwords: map[string]string{"robot": password, "pusher": password}, grants: map[string][]string{
		"robot": {"team/app"}, "pusher": {"team/app", "team/closed"},
	}}
}

const password = "c4n4ry-p4ssw0rd-of-robot"

// set changes a password. The registry takes no other from now on.
func (u *users) set(t *testing.T, name, password string) {
	t.Helper()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.passwords[name] = password
	if u.file == "" {
		return
	}
	var lines strings.Builder
	for name, password := range u.passwords {
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		must(t, err)
		fmt.Fprintf(&lines, "%s:%s\n", name, hash)
	}
	must(t, os.WriteFile(u.file+".next", []byte(lines.String()), 0o600))
	must(t, os.Rename(u.file+".next", u.file))
}

// start starts a registry. certificate is nil for one without TLS; with it, the registry's name is the first that the
// certificate is for.
func start(t *testing.T, withTokens bool, certificate *tls.Certificate) *realRegistry {
	t.Helper()
	logrus.SetLevel(logrus.PanicLevel)
	r := &realRegistry{users: newUsers()}
	listener := listen(t, certificate)
	r.host = listener.Addr().String()
	config := &configuration.Configuration{Storage: configuration.Storage{"inmemory": configuration.Parameters{}}}
	config.HTTP.Secret = "made up"
	config.Catalog.MaxEntries = 1000
	mux := http.NewServeMux()
	if withTokens {
		realm := "http://" + r.host + "/token"
		if certificate != nil {
			realm = "https://" + certificate.Leaf.DNSNames[0] + "/token"
		}
		tokens := newTokens(t, r.users)
		mux.Handle("/token", tokens)
		config.Auth = configuration.Auth{"token": configuration.Parameters{
			"realm": realm, "issuer": "test", "service": "test", "jwks": tokens.keys,
		}}
	} else {
		r.users.file = filepath.Join(t.TempDir(), "htpasswd")
		r.users.set(t, "robot", password)
		config.Auth = configuration.Auth{"htpasswd": configuration.Parameters{"realm": "private", "path": r.users.file}}
	}
	mux.Handle("/", handlers.NewApp(context.Background(), config))
	serve(t, listener, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		scheme, _, _ := strings.Cut(q.Header.Get("Authorization"), " ")
		r.mu.Lock()
		r.sent = append(r.sent, strings.TrimSpace(q.Method+" "+q.URL.Path+" "+scheme))
		r.mu.Unlock()
		mux.ServeHTTP(w, q)
	}))
	return r
}

func (r *realRegistry) requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sent
}

func listen(t *testing.T, certificate *tls.Certificate) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	if certificate != nil {
		listener = tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS12})
	}
	return listener
}

func serve(t *testing.T, listener net.Listener, handler http.Handler) {
	server := &http.Server{Handler: handler, ErrorLog: quiet}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
}

// push puts an image into a repository.
func (r *realRegistry) push(t *testing.T, repository, tag string) {
	r.pushBy(t, http.DefaultClient, true, repository, tag)
}

func (r *realRegistry) pushBy(t *testing.T, client *http.Client, plain bool, repository, tag string) {
	t.Helper()
	repo, err := remote.NewRepository(r.host + "/" + repository)
	must(t, err)
	repo.PlainHTTP = plain
	repo.Client = &auth.Client{Client: client, Credential: auth.StaticCredential(r.host, auth.Credential{Username: "pusher", Password: password})}
	manifest, err := oras.PackManifest(t.Context(), repo, oras.PackManifestVersion1_1, "application/vnd.test", oras.PackManifestOptions{
		ManifestAnnotations: map[string]string{v1.AnnotationCreated: "2026-01-01T00:00:00Z"},
	})
	must(t, err)
	must(t, repo.Tag(t.Context(), manifest, tag))
}

// tokens is a token server as https://distribution.github.io/distribution/spec/auth/token/ has it: whoever logs in gets a
// token for what it may do of what it asks for.
type tokens struct {
	users *users
	sign  jose.Signer
	keys  string // the file with the public key
}

func newTokens(t *testing.T, u *users) *tokens {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "1"}}, nil)
	must(t, err)
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "1", Algorithm: "ES256", Use: "sig"}}})
	must(t, err)
	file := filepath.Join(t.TempDir(), "keys.json")
	must(t, os.WriteFile(file, set, 0o600))
	return &tokens{users: u, sign: signer, keys: file}
}

func (s *tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.users.mu.Lock()
	defer s.users.mu.Unlock()
	username, given, _ := r.BasicAuth()
	if known := s.users.passwords[username]; known == "" || known != given {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"details":"incorrect username or password"}`)
		return
	}
	access := []map[string]any{}
	for _, scope := range strings.Fields(strings.Join(r.URL.Query()["scope"], " ")) {
		parts := strings.SplitN(scope, ":", 3)
		for _, granted := range s.users.grants[username] {
			if len(parts) == 3 && parts[1] == granted {
				access = append(access, map[string]any{"type": parts[0], "name": parts[1], "actions": strings.Split(parts[2], ",")})
			}
		}
	}
	now := time.Now()
	claims, _ := json.Marshal(map[string]any{
		"iss": "test", "aud": "test", "sub": username, "access": access, "jti": "1",
		"iat": now.Unix(), "nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(time.Minute).Unix(),
	})
	signed, err := s.sign.Sign(claims)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	token, _ := signed.CompactSerialize()
	_ = json.NewEncoder(w).Encode(map[string]string{"token": token})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
