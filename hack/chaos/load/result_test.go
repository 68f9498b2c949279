package load

// result is what came of one row.
type result struct {
	Row        string
	What       string
	Namespaces int
	Rules      int

	Lasted float64 // seconds of load
	Right  float64 // seconds from its end until everything is right

	New                      int     // things that came under load
	NewP50, NewP99, NewWorst float64 // seconds until they had all that they should
	ClusterP50, ClusterP99   float64 // seconds of the cluster before that, to make the service account
	OthersP50, OthersWorst   float64 // the same of what came in namespaces that were there before
	Queue                    int     // namespaces that waited at most
	Oldest                   float64 // seconds that one waited at most
	Writes, Needed           int     // of copies and accounts
	ConfigMaps               int     // writes of status and annotations
	Parameters               int     // writes of admission parameters
	ParametersTaken          int     // of them, those while secrets of others came
	CPU                      float64 // seconds
	Peak, Bound              int     // MiB
	Lines, Warnings          int     // of the log
	Status                   string  // of the policy at the end
	StatusKiB                int     // of the status ConfigMap
	Leader                   string
	Twice                    int // copies made anew without need
}
