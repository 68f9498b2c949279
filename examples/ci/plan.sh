#!/usr/bin/env bash
# What the policy of a merge request would change. It needs pullsecrets and a kubeconfig with the role of plan-role.yaml,
# which reads credentials: so it belongs into a job of a protected branch, which runs nothing of the merge request.
#
#   plan.sh COMMIT FOLDER   in a clone that has fetched COMMIT; the plan of the policy in FOLDER is left in plan.md
#
# It fails if the plan could not be made. That changes are pending is no failure: it is why there is a merge request.
set -euo pipefail
commit=${1:?which commit?}
folder=${2:?which folder?}
if ! [[ $commit =~ ^[0-9a-f]{40,64}$ ]]; then
	echo "$commit is not a commit's full name" >&2
	exit 2
fi

# Of the commit only the content of plain files is taken, and nothing is checked out, built or run: a link could lead to
# the kubeconfig, and a kustomization to whatever this job can reach.
files=$(mktemp -d)
trap 'rm -rf "$files"' EXIT
git ls-tree -z --full-tree "$commit" -- "${folder%/}/" >"$files/.list"
while IFS=$' \t' read -r -d '' mode _ object path; do
	case $mode in
	100644 | 100755) git cat-file blob "$object" >"$files/${path##*/}" ;;
	esac
done <"$files/.list"

status=0
pullsecrets plan -f "$files" -o markdown >plan.md || status=$?
if [ "$status" -gt 1 ]; then
	exit "$status" # 1 is: changes are pending
fi
