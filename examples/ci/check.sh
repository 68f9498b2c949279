#!/usr/bin/env bash
# What a merge request that changes a policy has to pass; github-actions.yaml and gitlab-ci.yaml beside it run it. It
# needs pullsecrets, kubectl, and for the plan a kubeconfig with the role of plan-role.yaml. In your repository:
#
#   check.sh FOLDER   FOLDER has the kustomization.yaml, policy.yaml and rbac.yaml; the plan is left in plan.md
#
# It fails if the policy is not valid, if the roles do not permit it, or if the plan could not be made. That
# changes are pending is no failure: it is why there is a merge request.
set -euo pipefail
folder=${1:?which folder?}

# In a workflow of GitHub, mistakes are shown beside their lines.
form=text
if [ "${GITHUB_ACTIONS:-}" = true ]; then
	form=github
fi
pullsecrets validate -o "$form" -f "$folder/policy.yaml"
# What is applied is what was built: the ConfigMap has the name and the keys that the controller looks for.
kubectl kustomize "$folder" | pullsecrets validate -f -

# Names that the roles have beyond the policy are welcome: those of copies that are still to be removed.
roles=$(pullsecrets rbac -admission -f "$folder/policy.yaml")
if { diff "$folder/rbac.yaml" - <<<"$roles" || true; } | grep '^>'; then
	echo "rbac.yaml lacks that: pullsecrets rbac -admission -f policy.yaml >rbac.yaml" >&2
	exit 1
fi

status=0
kubectl kustomize "$folder" | pullsecrets plan -f - -o markdown >plan.md || status=$?
if [ "$status" -gt 1 ]; then
	exit "$status"   # 1 is: changes are pending
fi
