#!/usr/bin/env bash
# Measures every size that docs/performance-log.md shows, each on a control plane of its own, and writes that page and
# docs/performance.md.
set -euo pipefail
cd "$(dirname "$0")/../.."
parts=${RESULTS:-} # a folder that results are kept in, if they are
if [ -z "$parts" ]; then
  parts=$(mktemp -d)
  trap 'rm -rf "$parts"' EXIT
fi

# measure NAME FLAG...: a bound that is missed is reported by the page, and does not end this; without results there was an error.
measure() {
  local name=$1
  shift
  echo "== bench $*"
  go -C hack/controlplane run . run -- "$PWD/bin/bench" -binary "$PWD/bin/pullsecrets" -noise 1000 -json "$parts/$name.json" "$@" || [ -f "$parts/$name.json" ]
}

# Another program that distributes one secret takes part if BASELINE is its command; see the -baseline flags.
other=()
if [ -n "${BASELINE:-}" ]; then
  other=(-baseline "$BASELINE" -baseline-copy "${BASELINE_COPY:-image-pull-secret}" -baseline-name "${BASELINE_NAME:-}")
fi

# An earlier build takes part if EARLIER is its file: in first convergences in the same rounds, otherwise right after this one.
before=()
if [ -n "${EARLIER:-}" ]; then
  before=(-before "$EARLIER")
fi

# both NAME FLAG...: measure, of an earlier build too.
both() {
  measure "$@"
  if [ -n "${EARLIER:-}" ]; then
    measure "$1-earlier" "${@:2}" -earlier -binary "$EARLIER"
  fi
}

# With the control plane on one processor and all else on another: apart NAME FLAG...
apart() {
  local name=$1
  shift
  echo "== bench, apart, $*"
  taskset -c 0 go -C hack/controlplane run . run -- taskset -c 1 "$PWD/bin/bench" -apart -binary "$PWD/bin/pullsecrets" -noise 1000 -json "$parts/$name.json" "$@" || [ -f "$parts/$name.json" ]
}

# part NAME COMMAND...: if PARTS names some, only these.
part() {
  if [ -z "${PARTS:-}" ] || [[ " $PARTS " == *" $1 "* ]]; then
    "${@:2}"
  fi
}

part peers measure peers -sizes 300,1000 -rounds 5 -only convergence -attach accounts,admission,pods "${other[@]}" "${before[@]}"
part apart apart apart -sizes 1000 -rounds 3 -only convergence -attach accounts,pods "${other[@]}"
part changes both changes -sizes 300,1000 -rounds 1 -only changes -attach accounts
part changes3000 both changes3000 -sizes 3000 -rounds 3 -only changes -attach accounts
part burst both burst -sizes 300,1000 -rounds 1 -only burst -attach pods
part peers3000 measure peers3000 -sizes 3000 -rounds 3 -only convergence -attach accounts,pods "${other[@]}" "${before[@]}"
part large both large -sizes 16667 -rounds 1 -only large -attach accounts
part secrets both secrets -sizes 300 -secrets 5 -rounds 1 -only convergence -attach accounts
part accounts both accounts -sizes 300 -accounts 10 -rounds 1 -only convergence -attach accounts
part unrelated both unrelated -sizes 1000 -unrelated 20000 -rounds 1 -only convergence -attach accounts
bin/bench -docs docs/performance.json "$parts"/*.json
