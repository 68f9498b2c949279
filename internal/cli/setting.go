package cli

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

type settingKind int

const (
	textSetting settingKind = iota
	boolSetting
	durationSetting
	numberSetting
	shareSetting
)

// setting is a setting of imagepullsecret-patcher: a flag that may have a CONFIG_ variable besides our own. Its text is
// judged only when all are known, so that one line can name what is wrong as it was given.
type setting struct {
	name, env    string // env is empty where there is only a flag
	kind         settingKind
	text         string // the default until something is given
	choosesMode  bool   // giving it makes us work as imagepullsecret-patcher does
	mayBeEmpty   bool   // an empty variable is not the same as none
	tamcore      bool   // only tamcore's fork has it
	tamcoreText  string // the default there, if it is another one; "-" for the pod's namespace
	noEffect     bool   // it is known, and does nothing here
	usage, given string // given is the flag or variable that it came from
}

func (s *setting) String() string   { return s.text }
func (s *setting) IsBoolFlag() bool { return s.kind == boolSetting }

// Set is called for the flag and, by the flag library, for our own variable.
func (s *setting) Set(text string) error {
	s.text, s.given = text, "-"+s.name
	return nil
}

func (s *setting) boolean() bool {
	b, _ := strconv.ParseBool(s.text) // judged before
	return b
}

func (s *setting) duration() time.Duration {
	d, _ := time.ParseDuration(s.text) // judged before
	return d
}

func (s *setting) number() int {
	n, _ := strconv.Atoi(s.text) // judged before
	return n
}

func (s *setting) share() float64 {
	f, _ := strconv.ParseFloat(s.text, 64) // judged before
	return f
}

// list splits at commas.
func (s *setting) list() []string {
	list := []string{}
	for item := range strings.SplitSeq(s.text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}

// origin names the setting as its user knows it.
func (s *setting) origin() string {
	if s.given == "" {
		return "-" + s.name
	}
	return s.given
}

// value is the text as it may be printed: somebody may have given the credential itself in its place.
func (s *setting) value() string {
	if mayBeCredential(s.text) {
		return "its value"
	}
	return strconv.Quote(s.text)
}

// mayBeCredential reports whether a text looks like a .dockerconfigjson, in clear or in base64, or a user with a password.
func mayBeCredential(text string) bool {
	if strings.ContainsAny(text, "{\"=:") {
		return true
	}
	decoded, err := base64.RawStdEncoding.DecodeString(text)
	return err == nil && strings.HasPrefix(strings.TrimSpace(string(decoded)), "{")
}

func (s *setting) problem(format string, args ...any) error {
	return fmt.Errorf("%s: %s", s.origin(), fmt.Sprintf(format, args...))
}

// takeIn takes the CONFIG_ variable where neither a flag nor a variable of ours gave the setting. An empty variable is
// none, except where an empty list says something.
func (s *setting) takeIn(env environment) {
	ours := variable(s.name)
	if s.given != "" && s.text != "" && env[ours] == s.text {
		s.given = ours
	}
	if value, ok := env[s.env]; s.env != "" && s.given == "" && ok && (value != "" || s.mayBeEmpty) {
		s.text, s.given = value, s.env
	}
}

// check judges what a setting says by itself.
func (s *setting) check() error {
	switch s.kind {
	case boolSetting:
		if _, err := strconv.ParseBool(s.text); err != nil {
			return s.problem("%s is neither true nor false", s.value())
		}
	case numberSetting:
		if _, err := strconv.Atoi(s.text); err != nil {
			return s.problem("%s is no whole number", s.value())
		}
	case shareSetting:
		if f, err := strconv.ParseFloat(s.text, 64); err != nil || !(f > 0 && f <= 1) { // so that NaN is none
			return s.problem("%s is no share: give a number above 0 and at most 1, such as 0.9", s.value())
		}
	case durationSetting:
		d, err := time.ParseDuration(s.text)
		if err != nil {
			return s.problem("%s is no duration: give a number with its unit, such as 10s, 5m or 1h", s.value())
		}
		if d <= 0 {
			return s.problem("%s is no time to wait: give a duration above zero, such as 10s", s.value())
		}
	}
	return nil
}

// checkAll judges each setting, and says all that is wrong.
func checkAll(settings []*setting) error {
	var errs []error
	for _, s := range settings {
		errs = append(errs, s.check())
	}
	return errors.Join(errs...)
}
