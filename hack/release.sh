#!/usr/bin/env bash
# Makes a release: sets the version, writes CHANGELOG.md, commits, tags, builds everything and pushes it to a registry.
#
#   hack/release.sh [-out DIR] -registry REGISTRY vX.Y.Z
#   hack/release.sh prepare vX.Y.Z                                 only up to the tag; no network
#   hack/release.sh publish [-out DIR] -registry REGISTRY vX.Y.Z   only what comes after it
#
# What comes of it is told in hack/release/main.go.
set -euo pipefail
for tool in go git; do
	command -v "$tool" >/dev/null || { echo "release: $tool is not on this machine, or not in PATH" >&2; exit 1; }
done
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=$(mktemp "${TMPDIR:-/tmp}/pullsecrets-release.XXXXXX")
trap 'rm -f "$program"' EXIT
go -C "$root/hack/release" build -o "$program" .
"$program" -root "$root" "$@"
