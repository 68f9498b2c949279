package cluster

import (
	"fmt"
	"io"
)

const redacted = "REDACTED"

// Credential holds the bytes of a registry credential and refuses to print them: every way in which fmt,
// encoding/json or a structured logger turns a value into text yields REDACTED.
//
// The bytes are the variable of a function, because fmt calls no method of what stands in an unexported field,
// nor after a verb that it does not know: there it prints what reflection finds, which is the function's address.
type Credential struct{ reveal func() []byte }

// NewCredential takes ownership of value.
func NewCredential(value []byte) Credential {
	return Credential{reveal: func() []byte { return value }}
}

// Reveal returns the bytes, to be put into an apply and nowhere else. The caller must not change them.
func (c Credential) Reveal() []byte {
	if c.reveal == nil {
		return nil
	}
	return c.reveal()
}

// Format implements fmt.Formatter, which wins over every verb and flag.
func (Credential) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// String implements fmt.Stringer.
func (Credential) String() string { return redacted }

// MarshalText implements encoding.TextMarshaler, which encoding/json and YAML encoders follow.
func (Credential) MarshalText() ([]byte, error) { return []byte(redacted), nil }
