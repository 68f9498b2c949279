// Command vulncheck looks for known vulnerabilities that the program calls. It is govulncheck, with two differences.
//
// The database is vuln.go.dev or, where that cannot be reached, the same database as the Go module golang.org/x/vulndb,
// which comes from wherever modules come from. Where there is neither, it says so and succeeds: nothing was found
// because nothing was looked for. With -strict that is an error.
//
// A vulnerability of the standard library is mended by another Go and not by a change of this repository, so it is told
// and is no failure; with -strict, as before a release, it is one.
//
// The exit status is 0 when there is nothing to do, 1 when there is, 2 when it could not be told.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"

	"golang.org/x/vuln/scan"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir := flag.String("C", ".", "`FOLDER` of the module")
	strict := flag.Bool("strict", false, "fail for the standard library too, and where nothing can be looked for")
	database := flag.String("db", "", "`URL` of the database, in place of those that are tried")
	flag.Parse()
	status, err := check(ctx, os.Stdout, *dir, *database, *strict, publicDatabase)
	if err != nil {
		fmt.Fprintln(os.Stderr, "vulncheck:", err)
	}
	os.Exit(status)
}

// check scans the packages of a module and tells what it found.
func check(ctx context.Context, out io.Writer, dir, database string, strict bool, public string) (status int, err error) {
	if database == "" {
		database, err = reachable(ctx, public)
		switch {
		case err != nil && strict:
			return 2, fmt.Errorf("no database of vulnerabilities can be reached: %w", err)
		case err != nil:
			fmt.Fprintf(out, "vulncheck: skipped, no database of vulnerabilities can be reached: %v\n", err)
			return 0, nil
		}
	}
	found, err := vulnerabilities(ctx, dir, database)
	if err != nil {
		return 2, err
	}
	for _, id := range slices.Sorted(maps.Keys(found)) {
		v := found[id]
		fmt.Fprintf(out, "%s: %s\n  %s %s, %s\n  %s\n", id, v.summary, v.Module, v.Version, v.mended(), v.call())
		if v.Module != standardLibrary || strict {
			status = 1
		}
	}
	switch {
	case len(found) == 0:
		fmt.Fprintln(out, "vulncheck: the program calls nothing that has a known vulnerability")
	case status == 0:
		fmt.Fprintln(out, "vulncheck: these are of the Go that builds it: build a release with a newer one")
	}
	return status, nil
}

// standardLibrary is what govulncheck calls it.
const standardLibrary = "stdlib"

// vulnerability is one that the program calls.
type vulnerability struct {
	frame
	summary, fixed string
	caller         frame // the program's own function on the way there
}

// frame is a step of the way from the program to the vulnerability.
type frame struct{ Module, Version, Package, Function, Receiver string }

func (f frame) String() string {
	if f.Receiver != "" {
		return f.Package + "." + strings.TrimPrefix(f.Receiver, "*") + "." + f.Function
	}
	return f.Package + "." + f.Function
}

func (v vulnerability) mended() string {
	if v.fixed == "" {
		return "not mended yet"
	}
	return "mended in " + v.fixed
}

func (v vulnerability) call() string {
	return fmt.Sprintf("%s, from %s", v.frame, v.caller)
}

// vulnerabilities are those of which a function is called, by their names.
func vulnerabilities(ctx context.Context, dir, database string) (map[string]vulnerability, error) {
	var out, errs bytes.Buffer
	cmd := scan.Command(ctx, "-C", dir, "-format", "json", "-db", database, "./...")
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, &errs)
	}
	found, summaries := map[string]vulnerability{}, map[string]string{}
	for decoder := json.NewDecoder(&out); ; {
		var message struct {
			OSV     *struct{ ID, Summary string }
			Finding *struct {
				OSV   string
				Fixed string `json:"fixed_version"`
				Trace []frame
			}
		}
		switch err := decoder.Decode(&message); {
		case errors.Is(err, io.EOF):
			for id, v := range found {
				v.summary = summaries[id]
				found[id] = v
			}
			return found, nil
		case err != nil:
			return nil, err
		case message.OSV != nil:
			summaries[message.OSV.ID] = message.OSV.Summary
		case message.Finding != nil && len(message.Finding.Trace) > 0 && message.Finding.Trace[0].Function != "":
			f := message.Finding
			found[f.OSV] = vulnerability{frame: f.Trace[0], fixed: f.Fixed, caller: f.Trace[len(f.Trace)-1]}
		}
	}
}
