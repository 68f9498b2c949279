package cli

import (
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/crypto/x509roots/fallback/bundle"

	"github.com/pullsecrets/pullsecrets/internal/reconcile/verify"
	"github.com/pullsecrets/pullsecrets/internal/registry"
)

// registryFlags say how run asks registries, where a policy has verify: true.
type registryFlags struct {
	caFile    string
	plainHTTP string // comma-separated
}

func (f *registryFlags) register(fs *flag.FlagSet) {
	fs.StringVar(&f.caFile, "registry-ca-file", "", "`FILE` with certificates, in PEM, of authorities that are trusted when registries are asked (verify: true), besides the public ones")
	fs.StringVar(&f.plainHTTP, "registry-plain-http", "", "`HOSTS`, with their ports, that are asked without TLS (verify: true), comma-separated")
}

// ask returns what asks registries. Certificates are parsed only when the first one is asked: most clusters ask none.
func (f *registryFlags) ask() (verify.Ask, error) {
	pem, err := authorities("-registry-ca-file", f.caFile)
	errs := []error{err}
	hosts := splitNames(f.plainHTTP)
	for _, host := range hosts {
		switch {
		case strings.Contains(host, "@"): // not told, because it may be a credential
			errs = append(errs, errors.New("-registry-plain-http has an @ in it: give hosts alone, as localhost:5000"))
		case strings.ContainsAny(host, "/ "):
			errs = append(errs, fmt.Errorf("-registry-plain-http %q is no host: give it as localhost:5000, without a scheme or path", host))
		}
	}
	// One registry that takes its time must not have the others wait: what is not answered in time is rolled out unverified.
	const parallel = 32
	checker := sync.OnceValue(func() *registry.Checker {
		return registry.New(registry.Options{RootCAs: roots(pem), PlainHTTP: hosts, Parallel: parallel, UserAgent: userAgent()})
	})
	return verify.Registries(checker), errors.Join(errs...)
}

func userAgent() string { return "pullsecrets/" + strings.ReplaceAll(release(), " ", "-") }

// authorities reads the file of certificates that a flag names; nil where it names none.
func authorities(flag, file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s %s: it holds no certificate in PEM", flag, file)
	}
	return pem, nil
}

// roots are the authorities that are trusted: the machine's, as SSL_CERT_FILE and SSL_CERT_DIR may name them; those of Mozilla
// where there are none, as in our image; and those of a file.
func roots(pem []byte) *x509.CertPool {
	pool, err := x509.SystemCertPool()
	if err != nil || pool.Equal(x509.NewCertPool()) {
		pool = publicRoots()
	}
	pool.AppendCertsFromPEM(pem)
	return pool
}

func publicRoots() *x509.CertPool {
	pool := x509.NewCertPool()
	for root := range bundle.Roots() {
		cert, err := x509.ParseCertificate(root.Certificate)
		switch {
		case err != nil: // one that this Go does not read any more is trusted by nobody
		case root.Constraint != nil:
			pool.AddCertWithConstraint(cert, root.Constraint)
		default:
			pool.AddCert(cert)
		}
	}
	return pool
}
