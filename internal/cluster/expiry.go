package cluster

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Validity says from when to when a credential is good. A time that is not known is zero.
type Validity struct{ From, Until time.Time }

// WarnAt is when to warn that a credential ends; zero for never. That is this long before it, but never earlier than in the
// last third of its whole life, as far as that is known: who renews a token of a few hours in time is not warned each time.
func (v Validity) WarnAt(before time.Duration) time.Time {
	if v.Until.IsZero() || before <= 0 {
		return time.Time{}
	}
	if !v.From.IsZero() {
		before = min(before, v.Until.Sub(v.From)/3)
	}
	return v.Until.Add(-before)
}

// End is a credential of a source that ends, and when it does.
type End struct {
	Host string // the registry that it is for; empty where the annotation says it of all
	Validity
}

// Ends are the credentials of a source of which it is known when they end, the first first. What its annotation says holds
// for all of them, whatever they say themselves. Where it is not known since when one is good, it is the source's last write.
func (s *Source) Ends() (ends []End) {
	switch {
	case !s.Expires.IsZero():
		ends = []End{{Validity: Validity{Until: s.Expires}}}
	case s.Content != nil:
		for _, r := range s.Content.Registries {
			if !r.Until.IsZero() {
				ends = append(ends, End{r.Host, r.Validity})
			}
		}
	}
	written := s.Written()
	for i, end := range ends {
		if end.From.IsZero() && written.Before(end.Until) {
			ends[i].From = written
		}
	}
	slices.SortStableFunc(ends, func(a, b End) int { return a.Until.Compare(b.Until) })
	return ends
}

// Written is when somebody last wrote the credential; when the secret was made, if managedFields do not tell. It is zero for
// one that is no object of a cluster.
func (s *Source) Written() (last time.Time) {
	last = s.Created
	for _, o := range s.Owners {
		if at, err := time.Parse(time.RFC3339, o.Time); err == nil && at.After(last) {
			last = at
		}
	}
	return last
}

// expires reads the annotation AnnotationExpires; ok is false where it says something else than a time.
func expires(annotations map[string]string) (at time.Time, ok bool) {
	text, given := annotations[AnnotationExpires]
	if !given {
		return at, true
	}
	at, err := time.Parse(time.RFC3339, strings.TrimSpace(text))
	if err != nil || !sensible(float64(at.Unix())) {
		return time.Time{}, false
	}
	return at.UTC().Truncate(time.Second), true
}

// maxToken is how long a password may be, in bytes, to be looked into. Tokens of registries have a few thousand.
const maxToken = 64 << 10

// passwordValidity reads when a password ends, if it is a token that says so. Nothing else of it is looked at.
func passwordValidity(password string) (v Validity) {
	if len(password) > maxToken {
		return v
	}
	if v = jwtValidity(password); v.Until.IsZero() {
		v = ecrValidity(password)
	}
	if !v.From.Before(v.Until) {
		v.From = time.Time{}
	}
	return v
}

// jwtValidity reads a JSON Web Token, RFC 7519, without verifying it: whether it is genuine is for the registry to say.
// Azure's and Quay's registries, among others, take such passwords.
func jwtValidity(token string) (v Validity) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return v
	}
	var decoded [3][]byte
	for i, part := range parts {
		var err error
		if decoded[i], err = base64.RawURLEncoding.DecodeString(part); err != nil {
			return v
		}
	}
	var claims struct {
		Exp unixTime `json:"exp"`
		Nbf unixTime `json:"nbf"`
		Iat unixTime `json:"iat"`
	}
	if !isObject(decoded[0]) || json.Unmarshal(decoded[1], &claims) != nil {
		return v
	}
	v = Validity{claims.Iat.Time, claims.Exp.Time}
	if v.From.IsZero() {
		v.From = claims.Nbf.Time
	}
	return v
}

// ecrLife is how long a token of Amazon ECR is good.
// Source: https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_AuthorizationData.html
const ecrLife = 12 * time.Hour

// ecrValidity reads a password of Amazon ECR: base64 of JSON with payload, datakey, version, type and expiration. AWS does
// not document that, so whatever has another form is taken for a password that says nothing.
func ecrValidity(token string) (v Validity) {
	decoded, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(token, "="))
	if err != nil {
		return v
	}
	var fields struct {
		DataKey    json.RawMessage `json:"datakey"`
		Payload    json.RawMessage `json:"payload"`
		Expiration unixTime        `json:"expiration"`
	}
	if json.Unmarshal(decoded, &fields) != nil || !given(fields.DataKey) || !given(fields.Payload) || fields.Expiration.IsZero() {
		return v
	}
	return Validity{fields.Expiration.Add(-ecrLife), fields.Expiration.Time}
}

func isObject(text []byte) bool { return bytes.HasPrefix(text, []byte("{")) && json.Valid(text) }

// unixTime is a JSON number of seconds since 1970. Anything else, and a time that no credential has, is the zero time.
type unixTime struct{ time.Time }

// UnmarshalJSON is part of json.Unmarshaler. It never fails.
func (t *unixTime) UnmarshalJSON(text []byte) error {
	t.Time = time.Time{}
	if seconds, err := strconv.ParseFloat(string(text), 64); err == nil && sensible(seconds) {
		t.Time = time.Unix(int64(seconds), 0).UTC()
	}
	return nil
}

// sensible reports whether a credential can end then: between the years 2001 and 9999, beyond which RFC 3339 has no form.
func sensible(seconds float64) bool { return seconds >= 1e9 && seconds < 253402300800 }
