package cluster

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"weak"
)

type digest [sha256.Size]byte

// Content is what is remembered of a credential: per registry host a keyed hash of the username and the password that
// the kubelet sends there. Contents of equal meaning have an equal digest, whatever their white space, the order and case
// of their keys, whether they have auth or username and password, and what else they hold: the kubelet hands nothing but
// username and password on.
type Content struct {
	Registries []Registry // sorted by host
	Warnings   []string   // what pulls will probably fail on although the kubelet accepts it, in words and without values
	digest     digest
}

// Registry is one host's entry.
type Registry struct {
	Host   string
	Fields []Field // sorted by name; none for an empty entry
	// Validity is what the password says of itself, if it is a token that does.
	Validity
}

// Field is one field of what the kubelet sends to a registry. Its hash is keyed per process, so it means nothing elsewhere.
type Field struct {
	Name string // username or password
	hash digest
}

// Equal reports whether two contents mean the same.
func (c *Content) Equal(o *Content) bool {
	return c == o || (c != nil && o != nil && c.digest == o.digest)
}

// SameValue reports whether two fields hold the same value.
func (f Field) SameValue(o Field) bool { return f.hash == o.hash }

// Projector turns credentials into contents. Its key stays within the process; equal values share one Content.
type Projector struct {
	key     []byte
	mu      sync.Mutex
	byText  map[digest]weak.Pointer[Content]
	refused map[digest]fault // a source that is broken is asked about for every namespace
}

// NewProjector returns a Projector that hashes with key. Contents of different keys cannot be compared.
func NewProjector(key []byte) *Projector {
	return &Projector{key: key, byText: map[digest]weak.Pointer[Content]{}, refused: map[digest]fault{}}
}

// Content projects the value of a registry credential type's data key, as the kubelet reads it. Where that is of no use,
// the defect says so in a word, and cause in a sentence, without the value or any part of it.
func (p *Projector) Content(secretType string, value []byte) (c *Content, defect Defect, cause string) {
	text := p.hash(secretType, value)
	c, f := p.known(text)
	if c == nil && f.defect == "" {
		c, f = p.read(secretType, value)
		p.remember(text, c, f)
	}
	return c, f.defect, f.cause
}

func (p *Projector) read(secretType string, value []byte) (*Content, fault) {
	if DataKey(secretType) == "" {
		return nil, wrongType
	}
	if len(value) == 0 {
		return nil, faultf(DefectMissingKey, "its data key %s is empty", DataKey(secretType))
	}
	config, err := decodeDockerConfig(secretType, value)
	if err != nil {
		return nil, refusal(secretType, value, err)
	}
	if f := judge(secretType, value, config); f.defect != "" {
		return nil, f
	}
	c := &Content{Warnings: warnings(config)}
	meaning := [][]byte{}
	for _, host := range slices.Sorted(maps.Keys(config.Auths)) { // in order, for those that look the same once they are safe
		entry := config.Auths[host]
		meaning = append(meaning, []byte(host), []byte(entry.username), []byte(entry.password))
		c.Registries = append(c.Registries, Registry{Host: safeHost(host), Fields: p.fields(entry), Validity: passwordValidity(entry.password)})
	}
	c.digest = p.hash(secretType, meaning...)
	slices.SortStableFunc(c.Registries, func(a, b Registry) int { return strings.Compare(a.Host, b.Host) })
	return c, fault{}
}

func (p *Projector) fields(entry dockerConfigEntry) (out []Field) {
	if entry.password != "" {
		out = append(out, Field{Name: "password", hash: p.hash("password", []byte(entry.password))})
	}
	if entry.username != "" {
		out = append(out, Field{Name: "username", hash: p.hash("username", []byte(entry.username))})
	}
	return out
}

// hash keeps its parts apart by their lengths: no two lists of parts have the same text.
func (p *Projector) hash(label string, parts ...[]byte) (d digest) {
	mac := hmac.New(sha256.New, p.key)
	mac.Write([]byte(label))
	for _, part := range parts {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		mac.Write(length[:])
		mac.Write(part)
	}
	mac.Sum(d[:0])
	return d
}

func (p *Projector) known(text digest) (*Content, fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.byText[text].Value(), p.refused[text]
}

func (p *Projector) remember(text digest, c *Content, f fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c == nil {
		if len(p.refused) >= 64 { // rarely more than a few live at a time
			clear(p.refused)
		}
		p.refused[text] = f
		return
	}
	p.byText[text] = weak.Make(c)
	// Few contents live at a time, so an occasional sweep keeps the map as small as what is alive.
	if len(p.byText)%64 == 0 {
		for k, v := range p.byText {
			if v.Value() == nil {
				delete(p.byText, k)
			}
		}
	}
}

// hostForm is a registry's host as it may stand in a docker config, with wildcards, and a scheme, port or path.
var hostForm = regexp.MustCompile(`^(?:[A-Za-z]+://)?(?:\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.*_-]+)(?::[0-9]+)?(?:/[A-Za-z0-9._*:/-]*)?$`)

// unprintable stands for a key of auths that may hold a credential.
const unprintable = "(unprintable)"

// safeHost returns what may be printed of a key of auths. People have put user:password@host there, and user:password
// alone, plain or in base64.
func safeHost(host string) string {
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		host = host[at+1:]
	}
	if host == "" {
		return "(empty)"
	}
	if len(host) > 256 || !hostForm.MatchString(host) || isAuth(host) || !plausibleHost(host) {
		return unprintable
	}
	return intern(host)
}

// plausibleHost reports whether a text looks like a host and a path of images more than like a token or a password. Those have no
// dot, or capital letters in long parts; images have none in their path, and ports end at 65535.
func plausibleHost(host string) bool {
	if _, rest, found := strings.Cut(host, "://"); found {
		host = rest
	}
	name, path, _ := strings.Cut(host, "/")
	if name, _, found := strings.Cut(name, "]"); found { // an address of IPv6
		return strings.HasPrefix(name, "[") && path == strings.ToLower(path)
	}
	name, port, found := strings.Cut(name, ":")
	if n, err := strconv.Atoi(port); found && (err != nil || n > 65535) {
		return false
	}
	const longest = 20 // of a part that may be anything
	parts := strings.Split(name, ".")
	for _, part := range parts {
		if len(part) > 63 || len(part) > longest && (len(parts) == 1 || part != strings.ToLower(part)) {
			return false
		}
	}
	return (len(parts) > 1 || !strings.Contains(name, "_") && name == strings.ToLower(name)) && path == strings.ToLower(path) && !strings.Contains(path, ":")
}

// shownHost is safeHost for texts: white space around a host is told in words.
func shownHost(host string) string { return safeHost(strings.TrimSpace(host)) }
