package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
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

// What client-go logs by itself is dropped. What matters of it is reported by us, in one line and not again and again;
// and its log values are objects, which no line of ours may hold. A panic still ends the process with its trace. klog's
// logger may only be set while nobody logs, so it is set before anything runs.
func init() { klog.SetLogger(logr.Discard()) }
