#!/usr/bin/env bash
# Shows pullsecrets at work on a real API server, in six steps, and checks each of them. It stops what it started.
# Where this machine permits user namespaces, a real node is there too, and pods pull from registries with passwords.
#
#   DEMO_KUBECONFIG=FILE   use that cluster, such as one of kind, with the kubectl that you have, and clean it
#                          afterwards: seconds. Without it, a control plane is built from source the first time, which
#                          takes about 12 minutes, and started, which takes seconds.
#   DEMO_NODE=0            have no node, where there could be one
#   KEEP=1                 leave cluster and controller up, without a node, and say how to reach and how to stop them
#   NO_COLOR=1             no colours on a terminal either
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# with_node starts this script again beside a node, which this machine may not be able to run. It returns if it cannot.
with_node() {
	local why
	cd "$root/hack/node"
	if [[ ${KEEP:-} == 1 ]]; then
		why='it would end with the demo (KEEP=1)'
	elif ! why=$(go build -o "$root/bin/node" . 2>&1); then
		why="it cannot be built: $why"
	elif why=$("$root/bin/node" check 2>&1); then
		printf 'A real node is there too, built once in about 5 minutes more (DEMO_NODE=0: without one).\n'
		if "$root/bin/node" build >/dev/null; then
			printf '\nA control plane, a node and two registries start.\n'
			PWD=$root exec "$root/bin/node" run -- "$root/hack/demo.sh" # where PWD says it runs the script
		fi
		why='it cannot be built'
	fi
	cd "$root"
	printf 'There is no node, so no pod is shown: %s\n' "$why"
}

if [[ ! -x $root/bin/pullsecrets ]]; then
	printf 'bin/pullsecrets is missing: make build\n' >&2
	exit 1
fi
node=${PULLSECRETS_NODE:-} # the folder of the node that the demo runs beside; empty without one
if [[ -z ${DEMO_KUBECONFIG:-} && -z $node ]]; then
	printf 'Nothing of Kubernetes is needed on this machine: it is built from source once, in about 12 minutes, and kept.\n'
	# shellcheck disable=SC2016 # it is for the user's shell
	printf 'With a cluster of your own it takes seconds: make demo DEMO_KUBECONFIG=$HOME/.kube/config\n'
	[[ ${DEMO_NODE:-} == 0 ]] || with_node
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/pullsecrets-demo.XXXXXX")
controller='' # its process id
plane=''      # the folder of the control plane that we started
seen=0        # lines of the controller's log that were shown
step='before the first step'
failed=''
interrupted=''
cleaning=''   # the cluster is not ours: take back what was made in it
SECONDS=0

bold='' blue='' reset=''
if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
	bold=$'\e[1m' blue=$'\e[34m' reset=$'\e[0m'
fi

# heading announces what is done.
heading() {
	step=$1
	printf '\n%s%s%s\n' "$bold" "$1" "$reset"
}

# run prints a command as it is typed, and runs just that.
run() {
	printf '\n%s$ %s%s\n' "$blue" "$1" "$reset"
	eval "$1"
}

fail() {
	failed=yes
	{
		printf '\nFAILED: %s\n  in: %s\n' "$1" "$step"
		if [[ -s $work/controller.log ]]; then
			printf '  the end of the log of the controller:\n'
			tail -n 15 "$work/controller.log"
		fi
	} >&2
	exit 1
}

# eventually waits until a command succeeds: eventually WHAT COMMAND [ARG ...]
eventually() {
	local what=$1 deadline=$((SECONDS + ${patience:=30}))
	shift
	until "$@"; do
		if [[ -n $controller ]] && ! kill -0 "$controller" 2>/dev/null; then
			fail "the controller ended, so this cannot come: $what"
		fi
		((SECONDS < deadline)) || fail "not within $patience s: $what"
		sleep 0.1
	done
}

# expect checks what has to be so by now: expect WHAT COMMAND [ARG ...]
expect() {
	local what=$1
	shift
	"$@" || fail "not so: $what"
}

# is compares a field of an object: is NAMESPACE OBJECT JSONPATH VALUE
is() {
	[[ $(kubectl -n "$1" get "$2" -o jsonpath="$3" 2>/dev/null) == "$4" ]]
}

# pulls compares the pull secrets of service accounts: pulls 'NAMESPACE/ACCOUNT: NAME ...' ...
pulls() {
	local have want
	have=$(kubectl get serviceaccounts -A \
		-o jsonpath='{range .items[*]}{.metadata.namespace}/{.metadata.name}: {.imagePullSecrets[*].name}{"\n"}{end}') || return
	for want in "$@"; do
		[[ $'\n'$have$'\n' == *$'\n'"$want"$'\n'* ]] || return
	done
}

field() {
	kubectl -n "$1" get "$2" -o jsonpath="$3"
}

# copied succeeds if all the namespaces have a copy with its source's content and mark: copied SOURCE NAME NAMESPACE ...
copied() {
	local source=$1 name=$2 content have namespace
	shift 2
	content=$(field pullsecrets "secret/$source" '{.data.\.dockerconfigjson}') && [[ -n $content ]] || return
	have=$(kubectl get secrets -A --field-selector "metadata.name=$name" \
		-o jsonpath='{range .items[*]}{.metadata.namespace} {.metadata.annotations.pullsecrets/source} {.data.\.dockerconfigjson}{"\n"}{end}') || return
	for namespace in "$@"; do
		[[ $'\n'$have$'\n' == *$'\n'"$namespace pullsecrets/$source $content"$'\n'* ]] || return
	done
}

# uncopied succeeds if none of the namespaces has a secret of a name: uncopied NAME NAMESPACE ...
uncopied() {
	local name=$1 have namespace
	shift
	have=$(kubectl get secrets -A --field-selector "metadata.name=$name" -o jsonpath='{.items[*].metadata.namespace}') || return
	for namespace in "$@"; do
		[[ " $have " != *" $namespace "* ]] || return
	done
}

# waits_for_image succeeds if the kubelet pauses between tries to pull the image of a pod: waits_for_image NAMESPACE
waits_for_image() {
	[[ $(kubectl -n "$1" get pods -o jsonpath='{.items[*].status.containerStatuses[*].state.waiting.reason}') == ImagePullBackOff ]]
}

# pod_runs starts a pod with the image that only users of the first registry may pull, and waits until it runs:
# pod_runs NAMESPACE POD [FLAG]
pod_runs() {
	run "kubectl -n $1 run $2 --image=127.0.0.1:5001/private/one:1${3:+ $3}"
	run "kubectl -n $1 wait --for=condition=Ready --timeout=120s pod/$2"
	run "kubectl -n $1 get pods"
}

# rotate makes a new token, in the file of the first source; with a node, its registry takes no other from now on.
rotate() {
	if [[ -n $node ]]; then
		run 'bin/node rotate registry1'
		cp "$node/registry1.json" examples/first-try/dockerhub.json
	else
		new_credentials examples/first-try/dockerhub.json example https://index.docker.io/v1/
	fi
	remember_credentials examples/first-try/dockerhub.json
}

unshown() {
	tail -n "+$((seen + 1))" "$work/controller.log"
}

# logged succeeds if a line that was not shown yet matches a pattern: logged PATTERN
logged() {
	local line
	while IFS= read -r line; do
		# shellcheck disable=SC2053 # it is a pattern
		[[ $line == $1 ]] && return
	done < <(unshown)
	return 1
}

# show_log shows what the controller logged since the last time.
show_log() {
	local text
	text=$(unshown)
	printf '\n%s$ tail -n +%d controller.log%s\n%s\n' "$blue" "$((seen + 1))" "$reset" "$text"
	[[ -z $text ]] || seen=$((seen + $(wc -l <<<"$text")))
}

# judged succeeds if the controller has reported a state of the policy, for a text other than one that it reported
# before: judged STATE [OBSERVED]
judged() {
	is pullsecrets configmap/pullsecrets-policy '{.metadata.annotations.pullsecrets/status}' "$1" &&
		! is pullsecrets configmap/pullsecrets-policy '{.metadata.annotations.pullsecrets/observed}' "${2:-}"
}

observed() {
	field pullsecrets configmap/pullsecrets-policy '{.metadata.annotations.pullsecrets/observed}'
}

# roll_out shows an edit of the policy, applies it, and waits until it is in force everywhere.
roll_out() {
	local before
	before=$(observed)
	run 'git diff -U1'
	run 'kubectl apply -k kustomize/base'
	eventually 'the controller reports the edited policy as Ready' judged Ready "$before"
	git add kustomize
}

show_status() {
	run "kubectl -n pullsecrets get configmap pullsecrets-policy \\
    -o jsonpath='{.metadata.annotations.pullsecrets/status}: {.metadata.annotations.pullsecrets/message}{\"\\n\"}'"
}

show_accounts() {
	run "kubectl get serviceaccounts -A -o custom-columns='NAMESPACE:.metadata.namespace,ACCOUNT:.metadata.name,PULL SECRETS:.imagePullSecrets[*].name'"
}

show_copies() {
	run "kubectl get secrets -A -l app.kubernetes.io/managed-by=pullsecrets"
}

show_digests() {
	# shellcheck disable=SC2016 # it is expanded when it is run
	run 'for secret in pullsecrets/dockerhub shop/regcred staging/regcred; do
    echo "$(kubectl -n ${secret%/*} get secret ${secret#*/} -o jsonpath="{.data.\.dockerconfigjson}" |
        sha256sum | cut -c1-16)  $secret"
done'
}

# new_credentials writes a credentials file with tokens that are made up anew: new_credentials FILE USER HOST ...
new_credentials() {
	local file=$1 user=$2 host token auth comma=''
	shift 2
	{
		printf '{"auths":{'
		for host in "$@"; do
			token=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
			auth=$(printf %s "$user:$token" | base64 | tr -d '\n')
			printf '%s"%s":{"username":"%s","password":"%s","auth":"%s"}' "$comma" "$host" "$user" "$token" "$auth"
			comma=,
		done
		printf '}}\n'
	} >"$file"
}

# remember_credentials notes every password and auth of a credentials file, to look for them at the end.
credentials=()
remember_credentials() {
	local rest
	rest=$(<"$1")
	while [[ $rest =~ \"(password|auth)\":\ *\"([^\"]+)\"(.*) ]]; do
		credentials+=("${BASH_REMATCH[2]}")
		rest=${BASH_REMATCH[3]}
	done
}

# unleaked succeeds if no credential is in what the controller wrote for people.
unleaked() {
	local text credential
	text=$(kubectl -n pullsecrets get configmaps,events -o yaml) || return
	[[ $text == *'name: pullsecrets-status'* && $text == *'kind: Event'* ]] || return
	text+=$(<"$work/controller.log")
	for credential in "${credentials[@]}"; do
		[[ $text != *"$credential"* ]] || return 1
	done
}

# no_second_controller has the Deployment start none, where there are nodes that it could run on.
no_second_controller() {
	local text
	text=$(<kustomize/base/deployment.yaml)
	printf '%s\n' "${text/replicas: 1/replicas: 0}" >kustomize/base/deployment.yaml
	kubectl kustomize kustomize/base >rendered
	[[ $(<rendered) == *'replicas: 0'* ]] || fail 'the Deployment cannot be made to start no controller'
}

# start_cluster brings up a control plane, or takes the cluster of DEMO_KUBECONFIG.
start_cluster() {
	local taken
	if [[ -n $node ]]; then
		heading 'There are a control plane, a node of it, and two registries with passwords.'
		run 'kubectl version'
		run 'kubectl get nodes -o wide'
		# The registries of this machine stand in for Docker Hub and the one of GitHub.
		cp "$node/registry1.json" examples/first-try/dockerhub.json
		cp "$node/registry2.json" examples/first-try/ghcr.json
		no_second_controller
		return
	fi
	if [[ -z ${DEMO_KUBECONFIG:-} ]]; then
		heading 'A control plane starts: kube-apiserver, etcd and kube-controller-manager.'
		plane=$work/plane
		if ! KUBECONFIG=$(go -C "$root/hack/controlplane" run . up -dir "$plane" 2>"$work/up.log"); then
			cat "$work/up.log" >&2
			exit 1
		fi
		export KUBECONFIG
		run 'kubectl version'
		return
	fi
	heading 'The cluster of DEMO_KUBECONFIG is used.'
	export KUBECONFIG=$DEMO_KUBECONFIG
	# The demo's policy is for all namespaces and forces: nothing of that name may be anybody's.
	taken=$(kubectl get namespaces pullsecrets shop billing builds staging legacy --ignore-not-found -o name)
	taken+=$(kubectl get secrets -A -o jsonpath='{range .items[?(@.metadata.name=="regcred")]} {.metadata.namespace}/regcred{end}')
	taken+=$(kubectl get secrets -A -o jsonpath='{range .items[?(@.metadata.name=="ghcr")]} {.metadata.namespace}/ghcr{end}')
	[[ -z $taken ]] || fail "the cluster has what the demo would make: ${taken//$'\n'/ }"
	cleaning=yes
	no_second_controller
	export PULLSECRETS_MAX_PRUNE=100 # for clean_cluster
	run 'kubectl version'
}

# start_controller runs bin/pullsecrets with the rights of its service account in the base, and no others.
start_controller() {
	local command='bin/pullsecrets run -kubeconfig controller.kubeconfig -health-addr "" -log-format console >controller.log 2>&1 &'
	kubectl -n pullsecrets create token pullsecrets --duration=24h >controller.token
	kubectl config view --minify --flatten --raw >controller.kubeconfig
	{
		kubectl --kubeconfig controller.kubeconfig config unset users
		kubectl --kubeconfig controller.kubeconfig config set users.pullsecrets.tokenFile "$work/controller.token"
		kubectl --kubeconfig controller.kubeconfig config set-context --current --user=pullsecrets
	} >/dev/null
	printf '\n%s$ %s%s\n' "$blue" "$command" "$reset"
	set -m # a process group of its own: an interrupt is for us, and we stop it
	eval "$command" </dev/null
	controller=$!
	set +m
}

# clean_cluster takes back what the demo made in a cluster that it did not start.
clean_cluster() {
	if [[ -n $controller ]] && kill -0 "$controller" 2>/dev/null; then
		printf 'apiVersion: pullsecrets/v1alpha1\nkind: Policy\nrules: []\n' >kustomize/base/policy.yaml
		kubectl apply -k kustomize/base
		for _ in {1..100}; do
			[[ -n $(kubectl get secrets -A -l app.kubernetes.io/managed-by=pullsecrets -o name) ]] || break
			sleep 0.1
		done
	fi
	stop_controller
	kubectl delete --ignore-not-found -k examples/first-try
	kubectl delete --ignore-not-found namespace staging legacy
	kubectl delete --ignore-not-found -k kustomize/base
}

stop_controller() {
	if [[ -n $controller ]]; then
		kill "$controller" 2>/dev/null
		wait "$controller" 2>/dev/null
		controller=''
	fi
}

# shellcheck disable=SC2317 # it is called by the trap
finish() {
	local status=$?
	trap '' INT TERM HUP
	set +e
	if ((status != 0)) && [[ -z $failed$interrupted ]]; then
		printf '\nFAILED: a command ended with status %d\n  in: %s\n' "$status" "$step" >&2
	fi
	if [[ ${KEEP:-} == 1 && -n $controller && -z $interrupted ]]; then
		keep
		exit "$status"
	fi
	if [[ -n $cleaning ]]; then
		clean_cluster >"$work/clean.log" 2>&1 || { printf 'not all is removed from the cluster:\n' && cat "$work/clean.log"; } >&2
	fi
	stop_controller
	if [[ -e $plane/controlplane.json ]]; then
		go -C "$root/hack/controlplane" run . down -dir "$plane" >&2 || exit 1
	fi
	rm -rf "$work"
	exit "$status"
}

# shellcheck disable=SC2016 # what is printed is for the user's shell
# keep says how to go on with what was left up.
keep() {
	printf '\nAll is left up. To reach it:\n\n'
	printf '  cd %q\n  export KUBECONFIG=%q PATH=%q:"$PATH"\n  tail -f controller.log\n' "$work" "$KUBECONFIG" "${bin:-$work/bin}"
	printf '\nTo stop it:\n\n  kill %d\n' "$controller"
	if [[ -n $plane ]]; then
		printf '  go -C %q run . down -dir %q\n' "$root/hack/controlplane" "$plane"
	fi
	printf '  rm -r %q\n' "$work"
}

trap finish EXIT
trap 'interrupted=yes; exit 129' HUP
trap 'interrupted=yes; exit 130' INT
trap 'interrupted=yes; exit 143' TERM

if [[ -n ${DEMO_KUBECONFIG:-} ]]; then
	DEMO_KUBECONFIG=$(cd "$(dirname "$DEMO_KUBECONFIG")" && pwd)/$(basename "$DEMO_KUBECONFIG")
fi
bin=''
if [[ -z $node ]] && { [[ -z ${DEMO_KUBECONFIG:-} ]] || ! command -v kubectl >/dev/null; }; then
	bin=$(go -C "$root/hack/controlplane" run . build)
	PATH=$bin:$PATH
fi
export PATH KUBECACHEDIR="$work/cache"
# Nothing from outside decides what the controller or git does here.
unset POD_NAMESPACE GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
export PULLSECRETS_METRICS_ADDR=127.0.0.1:0 GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat
umask 077

# The user's own folder: a copy of what is shipped, under git to show the edits.
cd "$work"
cp -R "$root/kustomize" "$root/examples" .
ln -s "$root/bin" bin
start_cluster
git init -q .
[[ -n $bold ]] || git config color.ui false
git add kustomize
policy=kustomize/base/policy.yaml

heading 'The base is applied, and namespaces and source secrets to try it with.'
run 'kubectl kustomize kustomize/base | kubectl apply -f -'
run 'kubectl apply -k examples/first-try'
remember_credentials examples/first-try/dockerhub.json
remember_credentials examples/first-try/ghcr.json

heading 'An account has a pull secret of its own.'
eventually 'the new namespaces have their accounts' \
	pulls 'shop/default: ' 'billing/default: ' 'builds/default: ' 'default/default: ' 'pullsecrets/default: '
run "kubectl -n shop patch serviceaccount default -p '{\"imagePullSecrets\": [{\"name\": \"harbor\"}]}'"

if [[ -n $node ]]; then
	heading 'A Deployment wants an image that only users of the first registry may pull. Nobody gave it a password.'
	run 'kubectl -n shop create deployment web --image=127.0.0.1:5001/private/one:1'
	patience=90 eventually 'the kubelet waits before it tries again to pull the image' waits_for_image shop
	run 'kubectl -n shop get pods'
fi

heading '1. The controller starts, as a process with the rights of the base: every namespace of the policy can pull.'
start_controller
eventually 'the controller reports the policy as Ready' judged Ready
show_log
show_accounts
show_copies
show_status
expect 'the controller may read no other secret' \
	test "$(kubectl --kubeconfig controller.kubeconfig -n shop auth can-i get secrets/other)" = no
expect 'the namespaces have copies of dockerhub' copied dockerhub regcred default shop billing builds pullsecrets
expect 'builds has a copy of ghcr' copied ghcr ghcr builds
expect 'the others have no copy of ghcr' uncopied ghcr default shop billing
expect 'the namespaces of the system have no copies' uncopied regcred kube-system kube-public
expect 'the accounts pull with what the rules say, and shop with its own too' pulls 'shop/default: harbor regcred' \
	'billing/default: regcred' 'builds/default: regcred ghcr' 'builds/ci-runner: ghcr' 'kube-system/default: '
if [[ -n $node ]]; then
	heading '   A pod in another namespace names no secret. It pulls and runs.'
	pod_runs billing web
	heading '   The pod that was there before would wait for ever, because a pod has its names from when it was created.'
	# shellcheck disable=SC2016 # it is expanded when it is run
	run 'pod=$(kubectl -n shop get pods -o name); bin/pullsecrets explain -n shop $pod'
	run 'kubectl -n shop rollout restart deployment/web'
	run 'kubectl -n shop rollout status deployment/web --timeout=120s'
	run 'kubectl -n shop get pods'
fi

heading '2. A namespace is created.'
run 'kubectl create namespace staging'
eventually 'the account of staging pulls with regcred' pulls 'staging/default: regcred'
eventually 'staging has a copy of dockerhub' copied dockerhub regcred staging
eventually 'the controller logs the copy' logged '*copy created*namespace=staging *'
eventually 'the controller logs the reference' logged '*references written*namespace=staging *'
show_log
run 'kubectl -n staging get serviceaccount default -o yaml'
run 'kubectl -n staging get secrets'
[[ -z $node ]] || pod_runs staging web

heading '3. A rule is added to the policy: everybody gets the second registry.'
cat >>$policy <<'RULE'

# Everybody gets the second registry too.
- name: everybody
  secrets:
  - source: {name: ghcr}
  namespaces:
    exclude: ["kube-*"]
RULE
roll_out
show_log
show_accounts
show_copies
show_status
expect 'the namespaces have copies of ghcr' copied ghcr ghcr default shop billing builds staging
expect 'the accounts pull with both, and shop with its own too' \
	pulls 'shop/default: harbor regcred ghcr' 'billing/default: regcred ghcr' 'staging/default: regcred ghcr'
expect 'the source ghcr is no copy' is pullsecrets secret/ghcr '{.metadata.labels}' ''

heading '4. The source is rotated: a new token is in its file (not shown); the copies get it and stay the same objects.'
uids=$(kubectl get secrets -A --field-selector metadata.name=regcred -o jsonpath='{.items[*].metadata.uid}')
old=$(field pullsecrets secret/dockerhub '{.data}' | sha256sum)
show_uids="kubectl get secrets -A --field-selector metadata.name=regcred \\
    -o custom-columns=NAMESPACE:.metadata.namespace,NAME:.metadata.name,UID:.metadata.uid,VERSION:.metadata.resourceVersion"
run "$show_uids"
show_digests
rotate
run 'kubectl apply -k examples/first-try'
expect 'the source has another content' test "$(field pullsecrets secret/dockerhub '{.data}' | sha256sum)" != "$old"
eventually 'the copies have the new content' copied dockerhub regcred default shop billing builds staging pullsecrets
for namespace in default shop billing builds staging pullsecrets; do
	eventually "the controller logs it for $namespace" logged "*copy updated*namespace=$namespace *"
done
show_log
run "$show_uids"
show_digests
expect 'the copies are the same objects' test "$uids" = \
	"$(kubectl get secrets -A --field-selector metadata.name=regcred -o jsonpath='{.items[*].metadata.uid}')"
if [[ -n $node ]]; then
	heading '   A new pod pulls with the new token. The others go on running.'
	pod_runs billing after-rotation --image-pull-policy=Always
fi

heading '5. A namespace that had opted out, with a secret regcred of its own, opts in.'
new_credentials team.json legacy-bot https://index.docker.io/v1/ registry.legacy.example
remember_credentials team.json
run "kubectl apply -f - <<'END'
apiVersion: v1
kind: Namespace
metadata:
  name: legacy
  annotations: {pullsecrets/exclude: \"true\"}
END"
run 'kubectl -n legacy create secret generic regcred --type=kubernetes.io/dockerconfigjson \
    --from-file=.dockerconfigjson=team.json --from-literal=owner=team-legacy'
eventually 'legacy has its account, without pull secrets' pulls 'legacy/default: '
version=$(field legacy secret/regcred '{.metadata.resourceVersion}')
uid=$(field legacy secret/regcred '{.metadata.uid}')
run 'kubectl annotate namespace legacy pullsecrets/exclude-'
eventually 'the controller reports the policy as Degraded' judged Degraded
eventually 'the controller logs a foreign secret' logged '*namespace=legacy*reason=ForeignSecret*'
eventually 'the account of legacy pulls with ghcr only' pulls 'legacy/default: ghcr'
expect 'the foreign secret is untouched' is legacy secret/regcred '{.metadata.resourceVersion}' "$version"
show_log
run 'kubectl -n legacy get serviceaccount default -o jsonpath='\''{.imagePullSecrets}{"\n"}'\'
show_status

heading '   The policy is told to take such secrets over: the log says what is lost, without any value of it.'
text=$(<$policy)
printf '%s\n' "${text/force: false/force: true }" >$policy
roll_out
eventually 'the controller logs the take-over' logged '*replacing what somebody else wrote*namespace=legacy*'
eventually 'and what is lost' logged '* registry registry.legacy.example: removed'
eventually 'the controller logs the update' logged '*copy updated*namespace=legacy*reason=TakenOver*'
show_log
run 'kubectl -n legacy get serviceaccount default -o jsonpath='\''{.imagePullSecrets}{"\n"}'\'
run 'kubectl -n legacy describe secret regcred'
show_status
expect 'legacy has a copy of dockerhub' copied dockerhub regcred legacy
expect 'it is the same object' is legacy secret/regcred '{.metadata.uid}' "$uid"
expect 'its other key is untouched' test "$(field legacy secret/regcred '{.data.owner}' | base64 -d)" = team-legacy
expect 'the account of legacy pulls with both' pulls 'legacy/default: ghcr regcred'

heading '6. The rule of step 3 is removed: its references and copies go, and nothing else.'
text=$(<$policy)
printf '%s\n' "${text%$'\n\n# Everybody gets'*}" >$policy
roll_out
show_log
show_accounts
show_copies
show_status
expect 'the copies of ghcr are gone' uncopied ghcr default shop billing staging legacy
expect 'builds has its copy of ghcr, by another rule' copied ghcr ghcr builds
expect 'the copies of dockerhub are there' copied dockerhub regcred default shop billing builds staging legacy
expect 'the accounts pull with what the rules say, and shop with its own too' pulls 'shop/default: harbor regcred' \
	'billing/default: regcred' 'staging/default: regcred' 'legacy/default: regcred' 'builds/default: regcred ghcr'
expect 'the source ghcr is there' is pullsecrets secret/ghcr '{.type}' kubernetes.io/dockerconfigjson

step='the look for credentials'
expect 'no credential is in the log, the Events or the ConfigMaps of the controller' unleaked

with_pods=''
[[ -z $node ]] || with_pods=' Pods pulled and ran.'
printf '\n%sShown in %d s: first convergence, a new namespace, a second registry, a rotation, a forced overwrite, a removal; none of %d credentials is in the log, the Events or the ConfigMaps.%s%s\n' \
	"$bold" "$SECONDS" "${#credentials[@]}" "$with_pods" "$reset"
