{{/* What the values say and is not done, or done differently, as a JSON list of sentences. */}}
{{- define "pullsecrets.warnings" -}}
{{- $warnings := list -}}
{{- $policy := eq (include "pullsecrets.mode" .) "policy" -}}
{{- if include "pullsecrets.hasAncestor" . -}}
  {{- if not .Values.image.reference -}}
    {{- $warnings = append $warnings (printf "The image is %s: image.registry, image.repository, image.tag and image.digest are not followed beside values of imagepullsecret-patcher. Another one is given as image.reference" (include "pullsecrets.image" .)) -}}
  {{- end -}}
  {{- with include "pullsecrets.lowLimit" . -}}
    {{- $warnings = append $warnings (printf "resources.limits.memory is raised from %s to 256Mi: pullsecrets needs more than imagepullsecret-patcher" .) -}}
  {{- end -}}
  {{- if and (not (kindIs "invalid" .Values.replicaCount)) (gt (int .Values.replicaCount) 1) -}}
    {{- $warnings = append $warnings (ternary "replicaCount is not followed: there is ha.enabled" "replicaCount is not followed: there is one replica; several need a policy and ha.enabled" $policy) -}}
  {{- end -}}
  {{- if (default dict .Values.autoscaling).enabled -}}
    {{- $warnings = append $warnings "autoscaling is not followed: one replica does all the work" -}}
  {{- end -}}
  {{- if and $policy (include "pullsecrets.hasConfig" .) -}}
    {{- $warnings = append $warnings "The CONFIG_ variables in env are left out: the policy takes their place" -}}
  {{- end -}}
  {{- if and .Values.monitoring.podMonitor.enabled (include "pullsecrets.noMonitors" .) -}}
    {{- $warnings = append $warnings "There is no PodMonitor: the cluster does not know the kind" -}}
  {{- end -}}
  {{- if .Values.monitoring.prometheusRule.enabled -}}
    {{- $warnings = append $warnings "monitoring.prometheusRule is made as it is: see docs/metrics.md whether its expressions name metrics that exist" -}}
  {{- end -}}
{{- end -}}
{{- range splitList "\n" (include "pullsecrets.unknown" . | trim) -}}
  {{- if . -}}{{- $warnings = append $warnings (printf "The value %s is not known, and nothing reads it" .) -}}{{- end -}}
{{- end -}}
{{- toJson $warnings -}}
{{- end -}}
