#!/usr/bin/env bash
# What the policy of a merge request would change. It needs pullsecrets and a kubeconfig with the role of plan-role.yaml,
# which reads credentials: so it belongs into a job of a protected branch, which runs nothing of the merge request.
#
#   plan.sh COMMIT FOLDER   in a clone that has fetched COMMIT; the plan of the policy in FOLDER is left in plan.md
#
# The exit status is 3 if the policy is not valid, as the check of the merge request says too, and another if the plan could
# not be made. That changes are pending is no failure: it is why there is a merge request.
set -euo pipefail
commit=${1:?which commit?}
folder=${2:?which folder?}
if ! [[ $commit =~ ^[0-9a-f]{40,64}$ ]]; then
	echo "$commit is not a commit's full name" >&2
	exit 2
fi

# Of the commit only the content of plain files is taken, and nothing is checked out, built or run: a link could lead to
# the kubeconfig, and a kustomization to whatever this job can reach.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/files"
git ls-tree -z --full-tree "$commit" -- "${folder%/}/" >"$work/list"
LC_ALL=C # a-z is these letters and no others
while IFS=$' \t' read -r -d '' mode _ object path; do
	name=${path##*/}
	case $mode in
	100644 | 100755) ;;
	*) continue ;;
	esac
	if [[ $name == *[!-._a-zA-Z0-9]* ]] || [ "$(git cat-file -s "$object")" -gt 524288 ]; then
		printf 'left out, because no policy has such a name or size: %q\n' "$name" >&2
		continue
	fi
	git cat-file blob "$object" >"$work/files/$name"
done <"$work/list"

pullsecrets validate -f "$work/files" >&2 || exit 3
status=0
pullsecrets plan -f "$work/files" -o markdown >plan.md || status=$?
if [ "$status" -gt 1 ]; then
	exit "$status" # 1 is: changes are pending
fi
