package inspect

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/pullsecrets/pullsecrets/internal/cluster"
)

// toldOf is which registries a source is for, as the status tells those who may not read it: entries that hold nothing. It is
// nil where the status does not tell; all is false where it does not tell all.
func (e *explainer) toldOf(source types.NamespacedName) (content *cluster.Content, all bool) {
	for _, s := range e.snapshot.record().SourceHosts {
		if s.Source != source.String() {
			continue
		}
		content := &cluster.Content{}
		for _, host := range s.Hosts {
			content.Registries = append(content.Registries, cluster.Registry{Host: host})
		}
		return content, !s.Cut
	}
	return nil, false
}

// toldOfCopy is the same of the copy of a name in the namespace. Somebody else's secret may have the name, so it counts only
// where the controller has no complaint about it.
func (e *explainer) toldOfCopy(name string) *cluster.Content {
	for _, c := range e.desired.Copies {
		if c.Name != name {
			continue
		}
		if there, known := e.snapshot.record().Place(e.namespace, name); known && there {
			content, all := e.toldOf(c.Source)
			if all {
				return content
			}
		}
	}
	return nil
}
