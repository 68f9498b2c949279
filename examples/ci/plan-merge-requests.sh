#!/usr/bin/env bash
# For a scheduled pipeline of GitLab, on the protected default branch: comments each open merge request that changes the
# folder with what it would change, once for each of its commits (of more than 100, the newest). plan.sh is beside it; it needs jq and curl too.
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
me=$(ask "$CI_API_V4_URL/user" | jq .id) # what others say is no plan
open=$(ask "$requests?state=opened&per_page=100" | jq -r '.[] | select(.sha) | "\(.iid) \(.sha)"') # one without a commit has none
while read -r number commit; do
	[ -n "$number" ] || continue
	if ! git fetch --quiet origin "refs/merge-requests/$number/head" </dev/null; then
		failed=1
		continue
	fi
	if [ "$(git rev-parse --verify --quiet "$commit:$folder")" = "$(git rev-parse "HEAD:$folder")" ]; then
		continue # it is about something else
	fi
	mark="<!-- pullsecrets plan of $commit -->"
	notes=$(ask "$requests/$number/notes?per_page=100&order_by=created_at&sort=desc" </dev/null)
	if jq --exit-status --arg mark "$mark" --argjson me "$me" 'any(.[]; .author.id == $me and (.body | contains($mark)))' <<<"$notes" >/dev/null; then
		continue # it is planned already
	fi
	status=0
	"$here/plan.sh" "$commit" "$folder" </dev/null || status=$?
	case $status in
	0) ;;
	3)
		echo "merge request $number: the policy is not valid, as its check says"
		continue
		;;
	*)
		echo "merge request $number: the plan could not be made" >&2
		failed=1
		continue
		;;
	esac
	printf '\n%s\n' "$mark" >>plan.md
	ask --request POST --output /dev/null --data-urlencode body@plan.md "$requests/$number/notes" </dev/null
	echo "merge request $number: commented"
done <<<"$open"
exit "$failed"
