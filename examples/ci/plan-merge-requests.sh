#!/usr/bin/env bash
# For a scheduled pipeline of GitLab, on the protected default branch: comments each open merge request that changes the
# folder with what it would change, once for each of its commits. plan.sh is beside it; it needs jq and curl too.
#
#   plan-merge-requests.sh FOLDER
#
# COMMENT_TOKEN is a project access token that may comment (scope api), a protected and masked variable.
set -euo pipefail
folder=${1:?which folder?}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
requests=$CI_API_V4_URL/projects/$CI_PROJECT_ID/merge_requests

# ask keeps the token out of the list of processes.
ask() {
	curl --fail --silent --show-error --header @<(printf 'PRIVATE-TOKEN: %s\n' "$COMMENT_TOKEN") "$@"
}

failed=0
open=$(ask "$requests?state=opened&per_page=100" | jq -r '.[] | "\(.iid) \(.sha)"')
while read -r number commit; do
	[ -n "$number" ] || continue
	git fetch --quiet origin "refs/merge-requests/$number/head" </dev/null
	if [ "$(git rev-parse --verify --quiet "$commit:$folder")" = "$(git rev-parse "HEAD:$folder")" ]; then
		continue # it is about something else
	fi
	mark="<!-- pullsecrets plan of $commit -->"
	notes=$(ask "$requests/$number/notes?per_page=100&order_by=created_at&sort=desc" </dev/null)
	if jq --exit-status --arg mark "$mark" 'any(.[]; .body | contains($mark))' <<<"$notes" >/dev/null; then
		continue # it is planned already
	fi
	if ! "$here/plan.sh" "$commit" "$folder" </dev/null; then
		echo "the plan of merge request $number could not be made" >&2
		failed=1
		continue
	fi
	printf '\n%s\n' "$mark" >>plan.md
	ask --request POST --output /dev/null --data-urlencode body@plan.md "$requests/$number/notes" </dev/null
	echo "merge request $number: commented"
done <<<"$open"
exit "$failed"
