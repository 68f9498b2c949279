package cluster

import (
	"fmt"
	"io"
)

const redacted = "REDACTED"

// Credential holds the bytes of a registry credential and refuses to print them: every way in which fmt,
// encoding/json or a structured logger turns a value into text yields REDACTED.
type Credential struct{ value []byte }

// NewCredential takes ownership of value.
func NewCredential(value []byte) Credential { return Credential{value: value} }

// Reveal returns the bytes, to be put into an apply and nowhere else. The caller must not change them.
func (c Credential) Reveal() []byte { return c.value }

// Format implements fmt.Formatter, which wins over every verb and flag.
func (Credential) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// String implements fmt.Stringer.
func (Credential) String() string { return redacted }

// MarshalText implements encoding.TextMarshaler, which encoding/json and YAML encoders follow.
func (Credential) MarshalText() ([]byte, error) { return []byte(redacted), nil }
