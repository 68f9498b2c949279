// Command release makes a release of pullsecrets. hack/release.sh builds and runs it:
//
//	hack/release.sh [-out DIR] -registry REGISTRY vX.Y.Z    prepare and publish
//	hack/release.sh prepare vX.Y.Z                          set the version, write CHANGELOG.md, commit, tag
//	hack/release.sh publish [-out DIR] -registry REGISTRY vX.Y.Z
//	                                                        build everything from the tag, push it to the registry
//
// prepare needs no network and changes nothing but this repository: the version everywhere where the tree names it
// (package places), CHANGELOG.md from the commits since the last tag, one commit, one annotated tag. Neither is pushed
// anywhere. On GitHub the workflow publishes the tag once it is pushed.
//
// publish wants that tag checked out and the tree clean. It builds into the folder -out (dist), and pushes last. The
// registry is a prefix, such as ghcr.io/pullsecrets, under which there will be
//
//	pullsecrets                    the image for linux/amd64 and linux/arm64: vX.Y.Z, vX.Y and latest
//	charts/pullsecrets             the Helm chart: X.Y.Z
//	manifests                      the folder kustomize, as Flux takes it: vX.Y.Z
//
// A pre-release, such as v1.0.0-rc.1, moves neither latest nor vX.Y. Credentials are those of docker login. In the folder
// are then
//
//	pullsecrets_OS_ARCH.tar.gz     the program for linux, darwin and windows (.zip), amd64 and arm64, each built twice
//	pullsecrets_OS_ARCH.cdx.json   what is in it: a CycloneDX bill of materials
//	pullsecrets-X.Y.Z.tgz          the chart
//	pullsecrets-manifests.tar.gz   the folder kustomize
//	install.yaml                   kustomize/base with the image by digest
//	pullsecrets.yaml               the manifest for krew
//	pullsecrets.rb                 the formula for Homebrew
//	checksums.txt                  the SHA-256 sums of all these
//	notes.md                       what CHANGELOG.md says of this version
//	digests.txt                    image, chart and manifests, a line each: REPOSITORY@sha256:…, what is to be signed
//
// With -quick before the version the second build takes from the cache what the first one compiled, and only links anew: for tests.
//
// The same tag and Go version make the same bytes and digests, on every machine and for every registry; install.yaml
// alone, and with it checksums.txt, names the registry. A version that is already in the registry with another
// digest is not replaced.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

const usage = `usage: hack/release.sh [-out DIR] -registry REGISTRY vX.Y.Z      prepare and publish
       hack/release.sh prepare vX.Y.Z                            set the version, write CHANGELOG.md, commit, tag
       hack/release.sh publish [-out DIR] -registry REGISTRY vX.Y.Z
                                                                 build from the tag and push to the registry
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second interrupt ends it at once
	err := command(ctx, os.Args[1:])
	switch {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string) error {
	all := newFlagSet()
	root := all.String("root", ".", "") // of the repository: hack/release.sh says it
	registry, out, quick := all.String("registry", "", ""), all.String("out", "", ""), all.Bool("quick", false, "")
	if err := all.Parse(args); err != nil {
		return err
	}
	what := all.Arg(0)
	args = all.Args()
	if what == "prepare" || what == "publish" {
		if err := all.Parse(args[1:]); err != nil {
			return err
		}
		args = all.Args()
	}
	if len(args) != 1 {
		return flag.ErrHelp
	}
	order := order{repo: repository{*root}, version: args[0], registry: *registry, out: *out, quick: *quick}
	if order.out == "" {
		order.out = filepath.Join(*root, "dist")
	}
	switch what {
	case "prepare":
		return prepare(ctx, order.repo, order.version)
	case "publish":
		return publish(ctx, order)
	}
	return prepareAndPublish(ctx, order)
}

func newFlagSet() *flag.FlagSet {
	fs := flag.NewFlagSet("release", flag.ContinueOnError)
	fs.Usage = func() {}
	fs.SetOutput(io.Discard) // the error is told once, by main
	return fs
}

// order is what is asked for.
type order struct {
	repo          repository
	version       string
	registry, out string
	quick         bool
}

// prepareAndPublish asks for everything that publish needs before it changes anything.
func prepareAndPublish(ctx context.Context, o order) error {
	if err := o.repo.mayRelease(ctx, o.version); err != nil {
		return err
	}
	target, err := newTarget(ctx, o.registry)
	if err != nil {
		return err
	}
	if err := free(o.out); err != nil {
		return err
	}
	if err := target.mayPush(); err != nil {
		return err
	}
	if err := prepare(ctx, o.repo, o.version); err != nil {
		return err
	}
	if err := publish(ctx, o); err != nil {
		return fmt.Errorf("%w\n%s is committed and tagged in this repository. Go on with: hack/release.sh publish -registry %s -out %s %s",
			err, o.version, o.registry, o.out, o.version)
	}
	return nil
}
