package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
)

var programKinds = []kind{
	{3, restartProgram},
	{2, changeComponent},
}

// restartProgram ends a program, as a pod is ended or as a node that breaks, and starts it again.
func restartProgram(s *soak, r *rand.Rand) *operation {
	home, kill := pickHome(r), chance(r, 50)
	text := fmt.Sprintf("the program of %s is started again", home)
	if kill {
		text += ", after it was killed"
	}
	return &operation{text, func(context.Context) (string, error) {
		s.stop(home, kill)
		s.run(home)
		return "", nil
	}}
}

func changeComponent(s *soak, r *rand.Rand) *operation {
	w := s.world
	w.component = !w.component
	if w.component {
		return &operation{"the admission component is applied", func(ctx context.Context) (string, error) {
			w.byPods = true
			return "", s.applyComponent(ctx)
		}}
	}
	return &operation{"the admission component is removed", func(ctx context.Context) (string, error) { return "", s.removeComponent(ctx) }}
}
