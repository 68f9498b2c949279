package cli

import (
	"io"
	"os"
	"time"

	"github.com/go-logr/logr"
	"github.com/rs/zerolog"
	"golang.org/x/term"
	"k8s.io/klog/v2"
)

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// consoleWriter writes for people; without colours where they would only be noise.
func consoleWriter(out io.Writer) io.Writer {
	return zerolog.ConsoleWriter{
		Out: out, TimeFormat: time.TimeOnly,
		NoColor: !isTerminal(out) || os.Getenv("NO_COLOR") != "",
	}
}

// silenceKlog drops what client-go logs by itself. What matters of it is reported by us, in one line and not again
// and again; and its log values are objects, which no line of ours may hold. A panic still ends the process with its
// trace.
func silenceKlog() { klog.SetLogger(logr.Discard()) }
