package cluster

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"weak"
)

// A Defect says why the bytes of a secret cannot serve as a registry credential. The zero value means that they can.
type Defect string

// The defects of a registry credential.
const (
	DefectType       Defect = "WrongType"  // neither kubernetes.io/dockerconfigjson nor kubernetes.io/dockercfg
	DefectMissingKey Defect = "NoKey"      // the data key of its type is missing
	DefectNotJSON    Defect = "NotJSON"    // the value is no JSON object of the expected shape
	DefectNoRegistry Defect = "NoRegistry" // it names no registry host
)

type digest [sha256.Size]byte

// Content is what is remembered of a credential: per registry host a keyed hash of each field. Contents of
// equal meaning have an equal digest, whatever their white space and key order.
type Content struct {
	Registries []Registry // sorted by host
	digest     digest
}

// Registry is one host's entry.
type Registry struct {
	Host   string
	Fields []Field // sorted by name
}

// Field is one field of a registry's entry. Its hash is keyed per process, so it means nothing elsewhere.
type Field struct {
	Name string // one of the well-known names, or "other"
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
	key    []byte
	mu     sync.Mutex
	byText map[digest]weak.Pointer[Content]
}

// NewProjector returns a Projector that hashes with key. Contents of different keys cannot be compared.
func NewProjector(key []byte) *Projector {
	return &Projector{key: key, byText: map[digest]weak.Pointer[Content]{}}
}

// Content projects the value of a registry credential type's data key.
func (p *Projector) Content(secretType string, value []byte) (*Content, Defect) {
	text := p.hash(secretType, value)
	if c := p.known(text); c != nil {
		return c, ""
	}
	top, defect := decodeObject(value)
	if defect != "" {
		return nil, defect
	}
	hosts := top
	if secretType == TypeDockerConfigJSON {
		auths, ok := top["auths"].(map[string]any)
		if !ok && top["auths"] != nil {
			return nil, DefectNotJSON
		}
		hosts = auths
	}
	if len(hosts) == 0 {
		return nil, DefectNoRegistry
	}
	c := &Content{digest: p.hashJSON(secretType, top)}
	for _, host := range slices.Sorted(maps.Keys(hosts)) { // in order, for those that look the same once they are safe
		fields, ok := hosts[host].(map[string]any)
		if !ok && hosts[host] != nil {
			return nil, DefectNotJSON
		}
		c.Registries = append(c.Registries, Registry{Host: safeHost(host), Fields: p.fields(fields)})
	}
	slices.SortStableFunc(c.Registries, func(a, b Registry) int { return strings.Compare(a.Host, b.Host) })
	p.remember(text, c)
	return c, ""
}

// decodeObject decodes exactly one JSON object; numbers keep their text.
func decodeObject(value []byte) (map[string]any, Defect) {
	dec := json.NewDecoder(bytes.NewReader(value))
	dec.UseNumber()
	var top map[string]any
	if err := dec.Decode(&top); err != nil || top == nil {
		return nil, DefectNotJSON
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, DefectNotJSON
	}
	return top, ""
}

func (p *Projector) fields(entry map[string]any) []Field {
	var out []Field
	other := map[string]any{}
	for name, value := range entry {
		switch name {
		case "username", "password", "auth", "email", "identitytoken", "registrytoken":
			out = append(out, Field{Name: name, hash: p.hashJSON(name, value)})
		default:
			other[name] = value
		}
	}
	if len(other) > 0 {
		out = append(out, Field{Name: "other", hash: p.hashJSON("other", other)})
	}
	slices.SortFunc(out, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// hashJSON hashes the meaning of a decoded JSON value: encoding/json writes map keys in order.
func (p *Projector) hashJSON(label string, value any) digest {
	text, err := json.Marshal(value)
	if err != nil {
		// Unreachable for what encoding/json itself decoded; an empty text would make different values equal.
		panic("re-encode decoded JSON: " + label)
	}
	return p.hash(label, text)
}

func (p *Projector) hash(label string, value []byte) (d digest) {
	mac := hmac.New(sha256.New, p.key)
	mac.Write([]byte(label))
	mac.Write([]byte{0})
	mac.Write(value)
	mac.Sum(d[:0])
	return d
}

func (p *Projector) known(text digest) *Content {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.byText[text].Value()
}

func (p *Projector) remember(text digest, c *Content) {
	p.mu.Lock()
	defer p.mu.Unlock()
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

// safeHost returns what may be printed of a key of auths. People have put user:password@host there.
func safeHost(host string) string {
	if at := strings.LastIndexByte(host, '@'); at >= 0 {
		host = host[at+1:]
	}
	for _, r := range host {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:/*[]", r) {
			return "(unprintable)"
		}
	}
	return intern(host)
}
