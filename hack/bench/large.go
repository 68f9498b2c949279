package main

// large measures what takes too long to be measured beside a floor: a first convergence, and starts on the cluster as it is then, with
// watch-lists and with lists in their place, as of an API server that has no watch-lists. What a process takes that has nothing to do
// was measured when the cluster was empty.
func (l *lab) large() (results []result, err error) {
	first, restart, plain := l.result(workloadFirst), l.result(workloadRestart), l.result(workloadPlain)
	first.Idle, restart.Idle, plain.Idle = l.idle, l.idle, l.idle
	for range l.rounds {
		if err := l.converge(&first, "large"); err != nil {
			return nil, err
		}
		if err := l.restart(&restart); err != nil {
			return nil, err
		}
		if err := l.restart(&plain, "KUBE_FEATURE_WatchListClient=false"); err != nil {
			return nil, err
		}
	}
	return []result{first, restart, plain}, nil
}

// alone measures the memory of a process that has no policy, and nothing to read.
func (l *lab) alone() (int, error) {
	if err := l.clear(); err != nil {
		return 0, err
	}
	p, _, err := l.settled()
	if err != nil {
		return 0, err
	}
	return p.stop().Peak, nil
}
