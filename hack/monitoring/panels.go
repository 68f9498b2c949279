package monitoring

import "strings"

// The kinds of panels.
const (
	stat  = "stat"  // the last value, or the name of what is 1
	lines = "lines" // over time
	table = "table" // labels, now
)

// panel is one of the dashboard. Each has a unit of Grafana's and says what it means.
type panel struct {
	title, kind, unit string
	description       string
	width             int // of 24
	queries           []query
	names             bool // a stat that shows names and no values
}

// query is an expression with its legend.
type query struct{ expr, legend string }

// row is a heading with the panels below it.
type row struct {
	title  string
	panels []panel
}

// chosen are the matchers of what is chosen above the panels. Where no label says the cluster, "All" is any.
const chosen = `cluster=~"$cluster", namespace=~"$namespace"`

// of writes SEL in an expression out as what is chosen.
func of(expr, legend string) query { return query{strings.ReplaceAll(expr, "SEL", chosen), legend} }

// ours keeps the series of our processes, of metrics that every process has.
const ours = ` and on (cluster, job, instance) pullsecrets_build_info{SEL}`

var dashboardRows = []row{
	{"At a glance", []panel{
		{title: "Policy", kind: stat, unit: "none", width: 4, names: true,
			description: "The state of the policy: Ready, Degraded, Invalid (the text is refused, the last good one stays in force), Missing or Progressing.",
			queries:     []query{of(`max by (state) (pullsecrets_policy_state{SEL}) == 1`, "{{state}}")}},
		{title: "Controllers that work", kind: stat, unit: "short", width: 4,
			description: "1 for each installation, with any number of replicas. 0: new namespaces get nothing.",
			queries:     []query{of(`sum(pullsecrets_leader{SEL})`, "")}},
		{title: "Copies in place", kind: stat, unit: "short", width: 4,
			description: "Secrets that the controller keeps in namespaces.",
			queries:     []query{of(`sum(max by (cluster, namespace, rule) (pullsecrets_copies{SEL}))`, "")}},
		{title: "Longest wait of a namespace", kind: stat, unit: "s", width: 4,
			description: "How long the namespace that waits longest has work that failed or was not done yet; 0 when there is none.",
			queries:     []query{of(`max(pullsecrets_oldest_unsynced_seconds{SEL})`, "")}},
		{title: "Removals held", kind: stat, unit: "short", width: 4,
			description: "Removals that wait for a confirmation, because they are more at once than -max-prune permits.",
			queries:     []query{of(`sum(max by (cluster, namespace) (pullsecrets_held_prunes{SEL}))`, "")}},
		{title: "Next credential to end", kind: stat, unit: "s", width: 4,
			description: "Time until the first credential of a source ends, where one says when it does. Negative: it has ended.",
			queries:     []query{of(`min(max by (cluster, namespace, source) (pullsecrets_source_expiry_timestamp_seconds{SEL})) - time()`, "")}},
	}},
	{"Namespaces", []panel{
		{title: "Problems", kind: lines, unit: "short", width: 12,
			description: "Objects that somebody should look at, by reason; docs/reasons.md says what each means and what to do.",
			queries:     []query{of(`sum by (kind, reason) (max by (cluster, namespace, kind, reason) (pullsecrets_problems{SEL}))`, "{{kind}} {{reason}}")}},
		{title: "Namespaces with problems of their own", kind: lines, unit: "short", width: 12,
			description: "Of the namespaces that rules select, those with problems of their own. Above the limit (-max-failing) the policy is Degraded by them.",
			queries: []query{
				of(`sum(max by (cluster, namespace) (pullsecrets_namespaces_failing{SEL}))`, "with problems"),
				of(`sum(max by (cluster, namespace) (pullsecrets_namespaces_failing_limit{SEL}))`, "limit"),
			}},
		{title: "Namespaces and service accounts", kind: lines, unit: "short", width: 8,
			description: "Namespaces that were decided, those that rules select, and service accounts that rules give names to.",
			queries: []query{
				of(`sum(max by (cluster, namespace) (pullsecrets_namespaces{SEL}))`, "namespaces"),
				of(`sum(max by (cluster, namespace) (pullsecrets_namespaces_selected{SEL}))`, "selected"),
				of(`sum(max by (cluster, namespace) (pullsecrets_service_accounts{SEL}))`, "service accounts"),
			}},
		{title: "Copies by rule", kind: lines, unit: "short", width: 8,
			description: "Copies in place, by the rule that asks for them. A rule that falls loses namespaces, or its copies do not come.",
			queries:     []query{of(`sum by (rule) (max by (cluster, namespace, rule) (pullsecrets_copies{SEL}))`, "{{rule}}")}},
		{title: "Rules that fell back to service accounts", kind: lines, unit: "short", width: 8,
			description: "Rules with attach: pods whose names service accounts get, because the API server does not add them to pods.",
			queries:     []query{of(`sum(max by (cluster, namespace) (pullsecrets_rules_fallen_back{SEL}))`, "rules")}},
	}},
	{"Sources", []panel{
		{title: "Time until a credential ends", kind: lines, unit: "s", width: 8,
			description: "Of each source that says when it ends. Below 0 it has ended.",
			queries:     []query{of(`min by (source) (max by (cluster, namespace, source) (pullsecrets_source_expiry_timestamp_seconds{SEL})) - time()`, "{{source}}")}},
		{title: "Age of credentials", kind: lines, unit: "s", width: 8,
			description: "Time since each source was written last. It falls to 0 when one is rotated.",
			queries:     []query{of(`time() - min by (source) (max by (cluster, namespace, source) (pullsecrets_source_last_change_timestamp_seconds{SEL}))`, "{{source}}")}},
		{title: "What registries say of them", kind: lines, unit: "none", width: 8,
			description: "Of sources with verify: true, which answer their registries gave: Asking, Accepted, Refused, or Unverified where none answers.",
			queries:     []query{of(`max by (source, verdict) (pullsecrets_source_verified{SEL}) == 1`, "{{source}} {{verdict}}")}},
	}},
	{"Work", []panel{
		{title: "Namespaces decided", kind: lines, unit: "ops", width: 8,
			description: "By what came of it. A cluster in which nothing changes has next to none.",
			queries:     []query{of(`sum by (result) (rate(pullsecrets_reconciles_total{SEL}[$__rate_interval]))`, "{{result}}")}},
		{title: "How long a decision takes, with its writes", kind: lines, unit: "s", width: 8,
			description: "Half of them and 99 of 100 take no longer. What takes long is the API server's answer.",
			queries: []query{
				of(`histogram_quantile(0.5, sum by (le) (rate(pullsecrets_reconcile_duration_seconds_bucket{SEL}[$__rate_interval])))`, "half"),
				of(`histogram_quantile(0.99, sum by (le) (rate(pullsecrets_reconcile_duration_seconds_bucket{SEL}[$__rate_interval])))`, "99 %"),
			}},
		{title: "Namespaces in the queue", kind: lines, unit: "short", width: 8,
			description: "Those that wait to be decided. It is near 0 but for moments after an edit of the policy or a rotation.",
			queries:     []query{of(`sum(max by (cluster, namespace) (pullsecrets_queue_length{SEL}))`, "waiting")}},
		{title: "Writes", kind: lines, unit: "wps", width: 8,
			description: "Writes that succeeded, by their reason; docs/reasons.md has them all.",
			queries:     []query{of(`sum by (kind, reason) (rate(pullsecrets_actions_total{SEL}[$__rate_interval]))`, "{{kind}} {{reason}}")}},
		{title: "Writes that failed", kind: lines, unit: "wps", width: 8,
			description: "By the API server's reason. They are tried again, at intervals that grow.",
			queries:     []query{of(`sum by (kind, reason) (rate(pullsecrets_write_errors_total{SEL}[$__rate_interval]))`, "{{kind}} {{reason}}")}},
		{title: "Repairs of what others undo", kind: lines, unit: "short", width: 8,
			description: "In the last hour, by the field manager that undoes them. It should be none.",
			queries:     []query{of(`sum by (kind, manager) (increase(pullsecrets_fights_total{SEL}[1h]))`, "{{kind}} {{manager}}")}},
	}},
	{"Evictions", []panel{
		{title: "Pods that wait for an image", kind: lines, unit: "short", width: 12,
			description: "Pending pods by why pullsecrets evict leaves them alone, or Evict; docs/evict.md has the verdicts. Nothing where evict is not installed.",
			queries:     []query{of(`sum by (verdict) (max by (cluster, namespace, verdict) (pullsecrets_stuck_pods{SEL}))`, "{{verdict}}")}},
		{title: "Evictions", kind: lines, unit: "short", width: 12,
			description: "In the last hour, by what came of them. Refused: the API server answers 429.",
			queries:     []query{of(`sum by (result) (increase(pullsecrets_evictions_total{SEL}[1h]))`, "{{result}}")}},
	}},
	{"Processes", []panel{
		{title: "Who works", kind: lines, unit: "none", width: 8,
			description: "1 for the pod that works, 0 for one that stands by.",
			queries:     []query{of(`max by (pod) (pullsecrets_leader{SEL})`, "{{pod}}")}},
		{title: "Lists not answered", kind: lines, unit: "short", width: 8,
			description: "Lists that the API server has not answered yet. No policy comes in force before all that it needs are.",
			queries:     []query{of(`max by (pod) (pullsecrets_watches_unsettled{SEL})`, "{{pod}}")}},
		{title: "Longest wait for a list", kind: lines, unit: "s", width: 8,
			description: "How long the list that waits longest has not been answered; 0 when there is none.",
			queries:     []query{of(`max by (pod) (pullsecrets_oldest_unsettled_watch_seconds{SEL})`, "{{pod}}")}},
		{title: "Memory", kind: lines, unit: "bytes", width: 8,
			description: "Resident memory of each process. It grows with the cluster, and not with time.",
			queries:     []query{of(`process_resident_memory_bytes{SEL}`+ours, "{{pod}}")}},
		{title: "Processor", kind: lines, unit: "percentunit", width: 8,
			description: "Processor time of each process; 100 % is one processor.",
			queries:     []query{of(`rate(process_cpu_seconds_total{SEL}[$__rate_interval])`+ours, "{{pod}}")}},
		{title: "Versions", kind: table, unit: "none", width: 4,
			description: "How many processes are of each version. Two at once: a roll-out goes on, or does not.",
			queries:     []query{of(`count by (version, go_version) (pullsecrets_build_info{SEL})`, "")}},
		{title: "Texts of the policy", kind: table, unit: "none", width: 4,
			description: "The hash of the policy in force, and that of the text that was evaluated last. They differ when that was refused.",
			queries:     []query{of(`max by (in_force, observed) (pullsecrets_policy_info{SEL})`, "")}},
	}},
}
