package cli

import (
	"io"
	"os"
	"time"

	"github.com/go-logr/zerologr"
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

// bridgeKlog sends what client-go says to our log, below debug: what matters of it is reported by us, in one line
// and not again and again. klog's verbosity stays 0: from 8 on it logs the bodies of requests.
func bridgeKlog(log zerolog.Logger) {
	quiet := log.Level(zerolog.Disabled)
	if log.GetLevel() <= zerolog.TraceLevel {
		quiet = log.With().Str("from", "client-go").Logger()
	}
	klog.SetLogger(zerologr.New(&quiet))
}
