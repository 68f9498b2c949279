package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/rs/zerolog"
)

func TestNoLineOfTheLogIsTooLong(t *testing.T) {
	long := strings.Repeat("é\x01\"<", 100_000)
	many := strings.Split(strings.Repeat("registry.example ", 10_000), " ")
	for name, log := range map[string]func(*zerolog.Logger){
		"message":     func(l *zerolog.Logger) { l.Warn().Str("reason", "X").Msg(long) },
		"text":        func(l *zerolog.Logger) { l.Warn().Str("reason", "X").Str("text", long).Msg("short") },
		"list":        func(l *zerolog.Logger) { l.Warn().Str("reason", "X").Strs("list", many).Msg("short") },
		"field names": func(l *zerolog.Logger) { l.Warn().Str("reason", "X").Str(long, "text").Msg("short") },
		"many fields": func(l *zerolog.Logger) {
			e := l.Warn().Str("reason", "X")
			for _, c := range "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz" {
				e = e.Str("z"+string(c), strings.Repeat("x", cutField-50))
			}
			e.Msg("short")
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			logger, err := newLogger(&out, "info", "json")
			if err != nil {
				t.Fatal(err)
			}
			log(&logger)
			var line struct {
				Level, Time, Reason, Message string
				Cut                          int
			}
			if err := json.Unmarshal(out.Bytes(), &line); err != nil {
				t.Fatalf("it is no JSON: %v", err)
			}
			if n := out.Len(); n > maxLine || bytes.Count(out.Bytes(), []byte("\n")) != 1 {
				t.Errorf("%d bytes", n)
			}
			if line.Level != "warn" || line.Time == "" || line.Reason != "X" || line.Message == "" || line.Cut < maxLine {
				t.Errorf("what is left: %+v", line)
			}
		})
	}
}

func TestALineThatIsNotTooLongIsWrittenAsItIs(t *testing.T) {
	var out bytes.Buffer
	logger, err := newLogger(&out, "info", "json")
	if err != nil {
		t.Fatal(err)
	}
	logger.Info().Msg(strings.Repeat("x", maxLine-200))
	if strings.Contains(out.String(), `"cut"`) || out.Len() < maxLine-200 {
		t.Errorf("%d bytes are left", out.Len())
	}
}
