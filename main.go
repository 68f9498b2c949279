// Command pullsecrets keeps every namespace of a Kubernetes cluster able to pull from private registries.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/pullsecrets/pullsecrets/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := cli.Main(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}
