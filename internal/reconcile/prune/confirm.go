package prune

import "github.com/pullsecrets/pullsecrets/internal/cluster"

// Confirmed reports whether the policy ConfigMap confirms what a text removes, and was not used up for it.
func Confirmed(cm *cluster.ConfigMap, hash, used string) bool {
	return cm != nil && hash != "" && hash != used && cm.Annotations[cluster.AnnotationConfirmPrune] == hash
}
