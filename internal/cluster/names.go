package cluster

// The names of the contract with users, manifests and earlier versions. Changing one strands
// objects that carry the old one.
const (
	// FieldManager is the server-side apply field manager, and the value of LabelManagedBy.
	FieldManager = "pullsecrets"

	// LabelManagedBy marks a copy, together with AnnotationFor.
	LabelManagedBy = "app.kubernetes.io/managed-by"
	// AnnotationRule names the policy rule that decides a copy.
	AnnotationRule = "pullsecrets/rule"
	// AnnotationSource is the namespace/name of the Secret that a copy was made from.
	AnnotationSource = "pullsecrets/source"
	// AnnotationFor is HOME/NAMESPACE of a copy: the installation that made it, by the namespace that it lives in, and
	// the namespace that the copy was made for.
	AnnotationFor = "pullsecrets/for"
	// AnnotationPrune is "false" on a copy whose rule says that it outlives the rule.
	AnnotationPrune = "pullsecrets/prune"
	// AnnotationAdded is the ledger of a service account, see Ledger.
	AnnotationAdded = "pullsecrets/added"

	// AnnotationNames has the names of an admission parameter as kubectl get shows them.
	AnnotationNames = "pullsecrets/names"

	// AncestorManager is the value of the label or annotation LabelManagedBy by which imagepullsecret-patcher and its
	// forks mark their copies. Source: titansoft-pte-ltd/imagepullsecret-patcher, secret.go (annotation);
	// tamcore/imagepullsecret-patcher, internal/utils/utils.go (both).
	AncestorManager = "imagepullsecret-patcher"

	// AnnotationEvict is "false" on a Pod that is not to be evicted, or on a Namespace that is so for all its pods.
	AnnotationEvict = "pullsecrets/evict"

	// AnnotationExpires is when the credential of a source ends, RFC 3339.
	AnnotationExpires = "pullsecrets/expires"

	// AnnotationExclude opts a Namespace or a ServiceAccount out, and a Pod of rules that attach to pods. Only "true" counts.
	AnnotationExclude = "pullsecrets/exclude"
	// AnnotationExcludeAncestor opts a Namespace out as imagepullsecret-patcher knows it. Only "true" counts.
	AnnotationExcludeAncestor = "k8s.titansoft.com/imagepullsecret-patcher-exclude"

	// AnnotationStatus is what we say of a policy ConfigMap: Ready, Degraded or Invalid.
	AnnotationStatus = "pullsecrets/status"
	// AnnotationObserved is the hash of the policy text that was evaluated last.
	AnnotationObserved = "pullsecrets/observed"
	// AnnotationRevision is the user's own name for a revision of the policy.
	AnnotationRevision = "pullsecrets/revision"
	// AnnotationObservedRevision echoes AnnotationRevision once that text was accepted or refused.
	AnnotationObservedRevision = "pullsecrets/observed-revision"
	// AnnotationHeldPrune is the value of AnnotationObserved while removals are held, for those who only compare texts, as an
	// action of Argo CD: it says that there is something to confirm, and how.
	AnnotationHeldPrune = "pullsecrets/held-prune"
	// AnnotationConfirmPrune releases a held prune, when it is the value of AnnotationObserved.
	AnnotationConfirmPrune = "pullsecrets/confirm-prune"
	// AnnotationMessage says in words why the status is what it is.
	AnnotationMessage = "pullsecrets/message"
)

// The Secret types that hold registry credentials, and the one data key that each of them keeps them in.
// Source: k8s.io/api/core/v1, SecretTypeDockerConfigJson and SecretTypeDockercfg.
const (
	TypeDockerConfigJSON = "kubernetes.io/dockerconfigjson"
	TypeDockercfg        = "kubernetes.io/dockercfg"
	KeyDockerConfigJSON  = ".dockerconfigjson"
	KeyDockercfg         = ".dockercfg"
)

// DataKey returns the data key of a registry credential type, or "" for any other type.
func DataKey(secretType string) string {
	switch secretType {
	case TypeDockerConfigJSON:
		return KeyDockerConfigJSON
	case TypeDockercfg:
		return KeyDockercfg
	}
	return ""
}
