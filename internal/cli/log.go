package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/rs/zerolog"
	"golang.org/x/term"
	"k8s.io/klog/v2"
)

func isTerminal(w io.Writer) bool {
	if p, ok := w.(*progress); ok {
		w = p.log
	}
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// coloured reports whether colours are welcome. See no-color.org.
func coloured(out io.Writer) bool { return isTerminal(out) && os.Getenv("NO_COLOR") == "" }

// consoleWriter writes for people; without colours where they would only be noise.
func consoleWriter(out io.Writer) io.Writer {
	return zerolog.ConsoleWriter{
		Out: out, TimeFormat: time.TimeOnly,
		NoColor:       !coloured(out),
		FieldsOrder:   []string{"namespace", "kind", "name", "reason", "rule", "source"},
		FieldsExclude: listFields,
		FormatExtra:   writeLists,
	}
}

// listFields are what stands in lines of their own below the message, for people: a diff in one line is no diff.
var listFields = []string{"diff", "problems", "warnings", "lists"}

func writeLists(event map[string]any, out *bytes.Buffer) error {
	for _, field := range listFields {
		list, _ := event[field].([]any)
		for _, item := range list {
			fmt.Fprintf(out, "\n           %v", item)
		}
	}
	return nil
}

// maxLine is how long a line of the log may be, in bytes: container runtimes and log stores split or drop longer ones.
const maxLine = 16 << 10

// What is left of a line that is longer.
const (
	cutMessage = 1000 // bytes, of which each may be written as six
	cutField   = 500  // bytes of any other field, as it is written; it is left out if it is longer
	cutFields  = 12   // besides level and time
)

// boundedWriter is the last guard against long lines: whoever logs a list or a text cuts it where it is known what it is.
type boundedWriter struct{ out io.Writer }

func (w boundedWriter) Write(line []byte) (int, error) {
	if len(line) <= maxLine {
		return w.out.Write(line)
	}
	if _, err := w.out.Write(cutLine(line)); err != nil {
		return 0, err
	}
	return len(line), nil
}

// cutLine returns a line of JSON with what is short in the one that is given, the beginning of its message, and how many
// bytes it had.
func cutLine(line []byte) []byte {
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(line, &fields) // what is no JSON has no fields
	var message string
	_ = json.Unmarshal(fields[zerolog.MessageFieldName], &message)
	delete(fields, zerolog.MessageFieldName)
	short := map[string]any{"cut": len(line)}
	for i, name := range slices.Sorted(maps.Keys(fields)) {
		always := name == zerolog.LevelFieldName || name == zerolog.TimestampFieldName
		if (i < cutFields || always) && len(name)+len(fields[name]) <= cutField {
			short[name] = fields[name]
		}
	}
	short[zerolog.MessageFieldName] = strings.ToValidUTF8(message[:min(len(message), cutMessage)], "")
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(short) // what was parsed can be written
	return out.Bytes()
}

// What client-go logs by itself is dropped. What matters of it is reported by us, in one line and not again and again;
// and its log values are objects, which no line of ours may hold. A panic still ends the process with its trace. klog's
// logger may only be set while nobody logs, so it is set before anything runs.
func init() { klog.SetLogger(logr.Discard()) }
