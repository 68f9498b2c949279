package main

import (
	"io"
	"log"
	"log/slog"
	"os"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	runtimelog "sigs.k8s.io/controller-runtime/pkg/log"
)

// What the libraries log is not the test's.
func TestMain(m *testing.M) {
	klog.SetLogger(logr.Discard())
	runtimelog.SetLogger(logr.Discard())
	log.SetOutput(io.Discard)
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}
