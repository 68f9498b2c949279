package monitoring

import "strings"

// runbooks is where the runbook of each alert is.
const runbooks = "https://github.com/pullsecrets/pullsecrets/blob/main/docs/runbooks.md"

// The severities. Critical: pods cannot pull, or those of new namespaces will not, and nobody but a person ends it.
// Warning: it should be mended in working hours. Info: worth a look.
const (
	critical = "critical"
	warning  = "warning"
	info     = "info"
)

// alert is an alerting rule.
type alert struct {
	name, severity string
	lasts          string // for how long it has to be so; empty: not at all
	expr           string
	summary        string // one line, with the labels and the value of the alert
	description    string // what it means for pods, and what to do first
}

// Every expression sums up an installation, by the namespace that it lives in and, where several clusters share a Prometheus,
// the cluster: of two pods one works and the other says 0, pods come and go with labels of their own, and several
// installations are none of each other's business.
const installation = "cluster, namespace"

// by writes OF in an expression out as the labels of an installation.
func by(expr string) string { return strings.ReplaceAll(strings.TrimSpace(expr), "OF", installation) }

// ownReasons are the reasons of problems that an alert of its own tells of.
const (
	sourceReasons = "SourceMissing|SourceForbidden|SourceInvalid|SourceIsCopy"
	rolesReasons  = "CopyForbidden|LeftForbidden|AccountsUnknown|AccountsForbidden"
	ownReasons    = sourceReasons + "|" + rolesReasons + "|SourceExpired|SourceRefused|PruneHeld|Contested|Admission.+"
)

// alerts are in the order in which a person reads them: first what stops everything.
var alerts = []alert{
	{
		name: "PullsecretsNobodyWorks", severity: critical, lasts: "5m",
		// The second part looks less far back, so that it fires before the first one ends: it knows no namespace any more.
		expr: by(`
group by (OF) (last_over_time(pullsecrets_leader[6h]))
  unless group by (OF) (pullsecrets_leader == 1)
or absent(last_over_time(pullsecrets_leader[5h]))`),
		summary: "no pullsecrets controller works{{ with $labels.namespace }} in namespace {{ . }}{{ end }}",
		description: "What was distributed stays, and running pods go on pulling. New namespaces get no credential, and a rotated one reaches nobody. " +
			"Either no pod runs, none holds the Lease, or Prometheus does not collect from them.",
	},
	{
		name: "PullsecretsDown", severity: warning, lasts: "15m",
		// A week back, or it would end by itself where no pod of the job is left that answers, as of evict.
		expr: by(`
count by (OF, job) (
  up == 0 and on (OF, job) group by (OF, job) (last_over_time(pullsecrets_build_info[7d]))
)`),
		summary:     "{{ $value }} pod of {{ $labels.job }} does not answer",
		description: "With two replicas the other one works on. With one, or where it is that of evict, its work waits: see PullsecretsNobodyWorks.",
	},
	{
		name: "PullsecretsRestarts", severity: warning,
		expr: by(`
sum by (OF, job) (
  changes(process_start_time_seconds[1h]) and on (OF, job, instance) last_over_time(pullsecrets_build_info[1h])
) > 3`),
		summary: "{{ $labels.job }} was started anew {{ $value }} times in an hour",
		description: "A container that ends again and again: out of memory, a probe that fails, or a panic. Each start reads the whole cluster. " +
			"Nothing that was distributed is lost.",
	},
	{
		name: "PullsecretsPolicyRefused", severity: warning, lasts: "5m",
		expr:        by(`max by (OF) (pullsecrets_policy_state{state="Invalid"}) == 1`),
		summary:     "the policy in namespace {{ $labels.namespace }} is refused; the last good one stays in force",
		description: "Nothing is removed and new namespaces are served by the last good text. No edit has an effect until the text is mended.",
	},
	{
		name: "PullsecretsPolicyMissing", severity: warning, lasts: "5m",
		expr:        by(`max by (OF) (pullsecrets_policy_state{state="Missing"}) == 1`),
		summary:     "there is no policy in namespace {{ $labels.namespace }}",
		description: "The ConfigMap pullsecrets-policy is not there. Where one was in force it stays so and nothing is removed; on a new installation nothing is distributed.",
	},
	{
		name: "PullsecretsPolicyDegraded", severity: warning, lasts: "15m",
		expr:    by(`max by (OF) (pullsecrets_policy_state{state="Degraded"}) == 1`),
		summary: "the policy in namespace {{ $labels.namespace }} is in force and cannot be carried out as a whole",
		description: "The annotation pullsecrets/message of the ConfigMap pullsecrets-policy says why. Where another alert of this installation fires, begin there. " +
			"Namespaces that it does not name have what they should.",
	},
	{
		name: "PullsecretsNamespacesFailing", severity: warning, lasts: "15m",
		expr: by(`
max by (OF) (pullsecrets_namespaces_failing)
  > max by (OF) (pullsecrets_namespaces_failing_limit)`),
		summary: "{{ $value }} namespaces have problems of their own, more than -max-failing permits",
		description: "So many at once have rarely each a cause of their own: look for what they share, such as a webhook, a quota, or another tool " +
			"that makes secrets of the same name. Pods there may not pull.",
	},
	{
		name: "PullsecretsSourceUnusable", severity: warning, lasts: "10m",
		expr:        by(`max by (OF, reason) (pullsecrets_problems{reason=~"` + sourceReasons + `"}) > 0`),
		summary:     "a source of the policy in namespace {{ $labels.namespace }} cannot be copied: {{ $labels.reason }}",
		description: "Copies that exist are kept, so running namespaces go on pulling with the last credential. New namespaces get none of this source, and a rotation does not arrive.",
	},
	{
		name: "PullsecretsRolesMissing", severity: warning, lasts: "10m",
		expr:        by(`max by (OF, reason) (pullsecrets_problems{reason=~"` + rolesReasons + `"}) > 0`),
		summary:     "the controller in namespace {{ $labels.namespace }} lacks a permission: {{ $labels.reason }}",
		description: "The policy names a copy that the roles do not. Nothing is added or removed for that name, and the rest goes on.",
	},
	{
		name: "PullsecretsCredentialExpired", severity: critical, lasts: "1m",
		expr:        by(`max by (OF, source) (pullsecrets_source_expiry_timestamp_seconds) - time() <= 0`),
		summary:     "the credential {{ $labels.source }} has expired",
		description: "Registries refuse it by now or will, so pods with a new image, or on a node that has not pulled it, do not start.",
	},
	{
		name: "PullsecretsCredentialExpires", severity: warning, lasts: "15m",
		// As SourceExpiring: within a week, and in the last third since it was written, where that is known.
		expr: by(`
(max by (OF, source) (pullsecrets_source_expiry_timestamp_seconds) - time() > 0) < 7 * 86400
unless max by (OF, source) (
  2 * pullsecrets_source_expiry_timestamp_seconds + pullsecrets_source_last_change_timestamp_seconds
) >= 3 * time()`),
		summary:     "the credential {{ $labels.source }} expires in {{ $value | humanizeDuration }}",
		description: "Pods pull until then. Put a new one into the source: the copies follow in place within seconds.",
	},
	{
		name: "PullsecretsCredentialRefused", severity: critical, lasts: "5m",
		expr:    by(`max by (OF, source) (pullsecrets_source_verified{verdict="Refused"}) == 1`),
		summary: "a registry refuses the credential {{ $labels.source }}",
		description: "The source has verify: true, and its registry said no. Copies are kept as they are and no new ones are made: if a new credential was refused, " +
			"pods go on pulling with the one before; if the one in use was revoked, they cannot.",
	},
	{
		name: "PullsecretsUnverified", severity: info, lasts: "2h",
		expr:        by(`max by (OF, source) (pullsecrets_source_verified{verdict="Unverified"}) == 1`),
		summary:     "nobody could say whether registries take the credential {{ $labels.source }}",
		description: "The source has verify: true and a registry does not answer the controller. The credential is copied all the same; only the check is missing.",
	},
	{
		name: "PullsecretsBehind", severity: warning, lasts: "5m",
		// Not by what is wrong with as few namespaces as may have problems of their own, unless the queue does not become empty:
		// that is for their teams, and PullsecretsProblems has it.
		expr: by(`
max by (OF) (pullsecrets_oldest_unsynced_seconds) > 300
unless (
  (max by (OF) (pullsecrets_namespaces_failing) > 0)
    <= max by (OF) (pullsecrets_namespaces_failing_limit)
  unless max by (OF) (min_over_time(pullsecrets_queue_length[5m])) > 0
)`),
		summary: "a namespace has waited {{ $value | humanizeDuration }} for what the policy gives it",
		description: "The queue is not worked off, or writes fail or are put off in more namespaces than -max-failing permits. " +
			"Pods there may lack a credential, or have the one before a rotation.",
	},
	{
		name: "PullsecretsWaits", severity: warning, lasts: "5m",
		expr:        by(`max by (OF) (pullsecrets_oldest_unsettled_watch_seconds) > 60`),
		summary:     "the API server has not answered a list of the controller in namespace {{ $labels.namespace }} for {{ $value | humanizeDuration }}",
		description: "No policy comes in force before all lists that it needs are answered; the one before stays. The pod is not ready meanwhile, and /readyz and the log name the list.",
	},
	{
		name: "PullsecretsPruneHeld", severity: warning, lasts: "15m",
		expr:        by(`max by (OF) (pullsecrets_held_prunes) > 0`),
		summary:     "{{ $value }} removals of the policy in namespace {{ $labels.namespace }} wait for a confirmation",
		description: "More would be removed at once than -max-prune permits, so nothing of it is. Pods go on pulling. If it is meant, confirm it; if not, mend the policy.",
	},
	{
		name: "PullsecretsFight", severity: info,
		expr:    by(`sum by (OF, kind, manager) (increase(pullsecrets_fights_total[1h])) > 0`),
		summary: "{{ $labels.manager }} undoes again and again what pullsecrets writes to {{ $labels.kind }} objects",
		description: "Repairs wait longer each time, up to five minutes, and pods that are created in between lack the credential. " +
			"Have the other field manager leave the field alone. Where it is in many namespaces, PullsecretsNamespacesFailing fires too.",
	},
	{
		name: "PullsecretsAdmissionInactive", severity: warning, lasts: "15m",
		expr: by(`
max by (OF) (
  pullsecrets_rules_fallen_back or pullsecrets_problems{reason=~"Admission.+"}
) > 0`),
		summary:     "the API server does not add the names of the policy in namespace {{ $labels.namespace }} by itself",
		description: "The controller was told that it does (-admission, attach: pods), and adds the names itself meanwhile. Pods that are created in the first moments of a namespace may come too early.",
	},
	{
		name: "PullsecretsProblems", severity: info, lasts: "30m",
		expr:        by(`max by (OF, kind, reason) (pullsecrets_problems{reason!~"` + ownReasons + `"}) > 0`),
		summary:     "{{ $value }} {{ $labels.kind }} objects have the problem {{ $labels.reason }}",
		description: "Single namespaces or rules do not get what the policy says. The command pullsecrets status names them, and the ConfigMap pullsecrets-status one of each.",
	},
	{
		name: "PullsecretsCredentialOld", severity: info,
		expr:        by(`time() - max by (OF, source) (pullsecrets_source_last_change_timestamp_seconds) > 90 * 86400`),
		summary:     "the credential {{ $labels.source }} has not been rotated for {{ $value | humanizeDuration }}",
		description: "Nothing is broken. A credential that many namespaces hold should be a new one from time to time.",
	},
	{
		name: "PullsecretsEvictionsFail", severity: warning,
		expr:        by(`sum by (OF, result) (increase(pullsecrets_evictions_total{result=~"refused|failed"}[1h])) > 10`),
		summary:     "pods that wait for an image in vain cannot be evicted: {{ $labels.result }}",
		description: "They were created before their credential was there and will not run until they are made anew. Failed: an admission policy or a webhook denies it, or a permission is missing. Refused: the API server answers 429.",
	},
}
