package api

import "k8s.io/apimachinery/pkg/runtime/schema"

// Home is the controller's namespace.
const Home = "pullsecrets"

// What the tests write and read.
var (
	Namespaces  = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	Accounts    = schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}
	Secrets     = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	ConfigMaps  = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	Pods        = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	Events      = schema.GroupVersionResource{Version: "v1", Resource: "events"}
	ReplicaSets = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "replicasets"}
	Leases      = schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}

	Webhooks     = schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingwebhookconfigurations"}
	TrustBundles = schema.GroupVersionResource{Group: "certificates.k8s.io", Version: "v1", Resource: "clustertrustbundles"}

	// The admission component: its parameters, their definition, the policy and its binding.
	AdmissionRules    = schema.GroupVersionResource{Group: "pullsecrets.internal", Version: "v1alpha1", Resource: "admissionrules"}
	Definitions       = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	AdmissionPolicies = schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingadmissionpolicies"}
	AdmissionBindings = schema.GroupVersionResource{Group: "admissionregistration.k8s.io", Version: "v1", Resource: "mutatingadmissionpolicybindings"}
)
