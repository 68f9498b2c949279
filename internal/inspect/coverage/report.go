package coverage

// State says whether an image has a credential.
type State string

// The states.
const (
	Covered State = "covered" // a pull secret has an entry for it
	Nodes   State = "nodes"   // the nodes log in to its registry themselves
	Public  State = "public"  // no credential for it, and it needs none
	None    State = "none"    // no credential for it; it may be public
	Unknown State = "unknown" // a secret, or the list that names it, may not be read
	Invalid State = "invalid" // it is no reference of an image
)

// States are all of them, the one that needs somebody first.
var States = []State{None, Invalid, Unknown, Covered, Nodes, Public}

// Report is what there is to say of a cluster.
type Report struct {
	// Namespaces are those that were asked for; none: all.
	Namespaces []string   `json:"namespaces,omitempty"`
	Totals     Totals     `json:"totals"`
	Findings   []Finding  `json:"findings"`   // alarms first
	Registries []Registry `json:"registries"` // with the images that have no credential first
	Sources    []Source   `json:"sources"`    // of the policy
	Images     []Image    `json:"images"`     // by namespace
	Unread     []Unread   `json:"unread"`     // what may not be read, and what is not known for that reason
	Notes      []string   `json:"notes"`
}

// Totals count.
type Totals struct {
	Namespaces int           `json:"namespaces"` // that have images
	Workloads  int           `json:"workloads"`
	Pods       int           `json:"pods"`   // that have not ended
	Images     int           `json:"images"` // one for each container or volume of a workload
	States     map[State]int `json:"states"` // of these
	Alarms     int           `json:"alarms"` // findings that need somebody
}

// Image is an image of a container or a volume of a workload, as a new pod would pull it.
type Image struct {
	Namespace string `json:"namespace"`
	Workload  string `json:"workload"` // KIND/NAME
	Container string `json:"container"`
	Image     string `json:"image"`
	Registry  string `json:"registry,omitempty"`
	State     State  `json:"state"`
	// Later is the state when the controller has done what it is about to do; left out where that is the same.
	Later State `json:"later,omitempty"`
	// Secrets are the pull secrets with an entry for it, in the order in which the kubelet tries them.
	Secrets []string `json:"secrets,omitempty"`
	// Broken is a pull secret of the pod that the kubelet cannot read, with the cause in brackets: it pulls no image of the pod.
	Broken string `json:"broken,omitempty"`
	Pods   int    `json:"pods"` // that have it
	// Waiting are pods that wait for it, with ErrImagePull or ImagePullBackOff.
	Waiting []string `json:"waiting,omitempty"`

	repository string // in full
}

// Registry sums up the images of a registry.
type Registry struct {
	Registry   string        `json:"registry"`
	Images     int           `json:"images"`
	Namespaces []string      `json:"namespaces"`
	States     map[State]int `json:"states"`
	Waiting    int           `json:"waiting"` // images that pods wait for
	Sources    []string      `json:"sources"` // of the policy, with an entry for some of its images
}

// Source is a credential of the policy, and who holds it.
type Source struct {
	Source     string   `json:"source"` // NAMESPACE/NAME
	Status     string   `json:"status"` // Usable, Missing, Forbidden, Invalid or IsCopy
	Rules      []string `json:"rules"`
	Expires    string   `json:"expires,omitempty"` // when the first of its entries runs out, RFC 3339; left out where that is not known
	Registries []string `json:"registries"`        // hosts, as they are written in it
	Holders    []Holder `json:"holders"`           // by namespace
	Images     int      `json:"images"`            // that have it to be pulled with
}

// Holder is a secret in a namespace that holds the credential.
type Holder struct {
	Namespace string `json:"namespace"`
	Secret    string `json:"secret"`
	// Kind is source, copy (made from the source), earlier (a copy with another content than the source has now), or equal (somebody
	// else's secret with the same credential).
	Kind   string `json:"kind"`
	Images int    `json:"images"` // of the namespace that have it to be pulled with
}

// Unread is something that may not be read.
type Unread struct {
	What string `json:"what"`
	Text string `json:"text"` // what is not known for that reason
}
