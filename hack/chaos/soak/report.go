package soak

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// failure tells what is wrong after a round, and what was done in it.
func (s *soak) failure(number int, differences []string, err error) string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d, round %d: ", s.seed, number)
	if err != nil {
		fmt.Fprintf(&b, "it could not go on: %v\n", err)
	} else {
		fmt.Fprintf(&b, "%d differences\n  %s\n", len(differences), summary(differences, 40))
	}
	fmt.Fprintf(&b, "operations of the round (soak them again with make soak SEED=%d):\n", s.seed)
	for i, line := range s.world.log {
		fmt.Fprintf(&b, "  %2d  %s\n", i+1, line)
	}
	for _, home := range homes {
		fmt.Fprintf(&b, "policy of %s that was accepted last:\n  %s\n", home, strings.ReplaceAll(strings.TrimSpace(s.world.rules[home].text()), "\n", "\n  "))
	}
	return b.String()
}

// progress is a line about a round that went well.
func (s *soak) progress(number int) string {
	last := s.right[len(s.right)-1]
	return fmt.Sprintf("round %d: %d operations until now, right after %s; %d namespaces, %d copies", number, s.done, last.Round(10*time.Millisecond),
		len(s.world.namespaces), s.copies())
}

func (s *soak) copies() (n int) {
	for _, o := range s.world.start.secrets {
		if o.installation() != "" {
			n++
		}
	}
	return n
}

// figures are those of all rounds.
func (s *soak) figures() string {
	if len(s.right) == 0 {
		return "no round"
	}
	sorted := slices.Sorted(slices.Values(s.right))
	text := fmt.Sprintf("seed %d: %d rounds, %d operations; right after %s in the middle and %s at most", s.seed, len(sorted), s.done,
		sorted[len(sorted)/2].Round(10*time.Millisecond), sorted[len(sorted)-1].Round(10*time.Millisecond))
	if gaps := s.witness.missed(); gaps > 0 {
		text += fmt.Sprintf("\n%4d times a watch of the soak's own began anew, and what was put right again meanwhile was not seen", gaps)
	}
	for _, name := range slices.Sorted(maps.Keys(s.faults)) {
		text += fmt.Sprintf("\n%4d rounds with the fault: %s", s.faults[name], name)
	}
	return text
}
