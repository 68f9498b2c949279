package cluster

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Object is what identifies an object and its version.
type Object interface {
	GetNamespace() string
	GetName() string
	GetUID() types.UID
	GetResourceVersion() string
}

// Meta is what every decision needs of an object's metadata: identity, version and whether it is going. A
// metav1.ObjectMeta has these too, in three times the memory.
type Meta struct {
	Namespace       string
	Name            string
	UID             types.UID
	ResourceVersion string
	Deleting        bool // it has a deletionTimestamp
}

func newMeta(u metav1.Object) Meta {
	return Meta{
		Namespace:       u.GetNamespace(),
		Name:            u.GetName(),
		UID:             u.GetUID(),
		ResourceVersion: u.GetResourceVersion(),
		Deleting:        u.GetDeletionTimestamp() != nil,
	}
}

// shared says that many namespaces have an object of this one's name.
func (m Meta) shared() Meta {
	m.Name = intern(m.Name)
	return m
}

// GetNamespace is part of Object; it is empty for what is in no namespace.
func (m *Meta) GetNamespace() string { return m.Namespace }

// GetName is part of Object.
func (m *Meta) GetName() string { return m.Name }

// GetUID is part of Object.
func (m *Meta) GetUID() types.UID { return m.UID }

// GetResourceVersion is part of Object.
func (m *Meta) GetResourceVersion() string { return m.ResourceVersion }

// GetObjectMeta is part of metav1.ObjectMetaAccessor, through which client-go's caches learn an object's key. What it
// returns lives for a moment only.
func (m *Meta) GetObjectMeta() metav1.Object {
	return &metav1.ObjectMeta{Namespace: m.Namespace, Name: m.Name, UID: m.UID, ResourceVersion: m.ResourceVersion}
}
