#!/usr/bin/env bash
# What a merge request that changes a policy has to pass. It asks no cluster, so it needs no credential, and none should
# be in its job: a contributor may have changed this very script. It needs pullsecrets and kubectl.
#
#   check.sh FOLDER [CONTROLLER]   FOLDER has the kustomization.yaml and policy.yaml; rbac.yaml is there too, or in the
#                                  folder CONTROLLER, as in examples/flux
#
# It fails if the policy is not valid, or if the roles do not permit it.
set -euo pipefail
folder=${1:?which folder?}
controller=${2:-$folder}

# In a workflow of GitHub, mistakes are shown beside their lines.
form=text
if [ "${GITHUB_ACTIONS:-}" = true ]; then
	form=github
fi
pullsecrets validate -o "$form" -f "$folder/policy.yaml"
# What is applied is what was built: the ConfigMap has the name and the keys that the controller looks for.
kubectl kustomize "$folder" | pullsecrets validate -f -

# With the component admission, the roles have to permit more.
built=$(kubectl kustomize "$controller")
print=(pullsecrets rbac)
if grep -q '^kind: MutatingAdmissionPolicy$' <<<"$built"; then
	print+=(-admission)
fi
roles=$("${print[@]}" -f "$folder/policy.yaml")
there=$(cat "$controller/rbac.yaml")
# Names that the roles have beyond the policy are welcome: those of copies that are still to be removed.
if { diff - <(echo "$roles") <<<"$there" || true; } | grep '^>'; then
	echo "rbac.yaml lacks that: ${print[*]} -f $folder/policy.yaml >$controller/rbac.yaml" >&2
	exit 1
fi
