#!/usr/bin/env bash
# Measures every size that docs/performance-log.md shows, each on a control plane of its own, and writes that page and
# docs/performance.md.
set -euo pipefail
cd "$(dirname "$0")/../.."
parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT

# measure NAME FLAG...: a bound that is missed is reported by the page, and does not end this.
measure() {
  local name=$1
  shift
  echo "== bench $*"
  go -C hack/controlplane run . run -- "$PWD/bin/bench" -binary "$PWD/bin/pullsecrets" -noise 1000 -json "$parts/$name.json" "$@"
}

# Another program that distributes one secret takes part if BASELINE is its command; see the -baseline flags.
other=()
if [ -n "${BASELINE:-}" ]; then
  other=(-baseline "$BASELINE" -baseline-copy "${BASELINE_COPY:-image-pull-secret}" -baseline-name "${BASELINE_NAME:-}")
fi

measure small -sizes 300,1000 -rounds 3 "${other[@]}"
measure large -sizes 3000 -rounds 2
measure secrets -sizes 300,1000 -secrets 5 -rounds 2 -only convergence
measure accounts -sizes 300,1000 -accounts 10 -rounds 2 -only convergence
measure both -sizes 300,1000 -secrets 5 -accounts 10 -rounds 1 -only convergence
measure unrelated -sizes 1000 -unrelated 20000 -rounds 2 -only convergence
bin/bench -docs docs/performance.json "$parts"/*.json
