{{/* The policy as one document, which says nothing of registries of the nodes where there are none. */}}
{{- define "pullsecrets.document" -}}
{{- $policy := omit .Values.policy "create" -}}
{{- if not $policy.nodeCredentials -}}{{- $policy = omit $policy "nodeCredentials" -}}{{- end -}}
{{- toYaml (merge (dict "apiVersion" "pullsecrets/v1alpha1" "kind" "Policy") $policy) -}}
{{- end -}}

{{/*
Refuses what pullsecrets validate refuses and values.schema.json cannot: what is about two rules or two secrets, about the
release, or about a length. Nothing is applied then.
*/}}
{{- define "pullsecrets.check" -}}
{{- $problems := list -}}
{{- $namespaces := prepend .Values.sourceNamespaces .Release.Namespace -}}
{{- if not (include "pullsecrets.hasAncestor" .) -}}
  {{- range splitList "\n" (include "pullsecrets.unknown" . | trim) -}}
    {{- if . -}}{{- $problems = append $problems (printf "%s: there is no such value" .) -}}{{- end -}}
  {{- end -}}
{{- end -}}
{{- $rules := dict -}}
{{- range $i, $rule := .Values.policy.rules -}}
  {{- $at := printf "policy.rules[%d]" $i -}}
  {{- if hasKey $rules $rule.name -}}
    {{- $problems = append $problems (printf "%s.name: %q is also the name of %s" $at $rule.name (get $rules $rule.name)) -}}
  {{- end -}}
  {{- $_ := set $rules $rule.name $at -}}
  {{- $copies := dict -}}
  {{- range $j, $secret := $rule.secrets -}}
    {{- $name := default $secret.source.name $secret.name -}}
    {{- if hasKey $copies $name -}}
      {{- $problems = append $problems (printf "%s.secrets[%d]: makes copies named %q, and so does %s of this rule: give one of them another name" $at $j $name (get $copies $name)) -}}
    {{- end -}}
    {{- $_ := set $copies $name (printf "secrets[%d]" $j) -}}
    {{- $namespace := default $.Release.Namespace $secret.source.namespace -}}
    {{- if not (has $namespace $namespaces) -}}
      {{- $problems = append $problems (printf "%s.secrets[%d].source.namespace: %q: sources may only be in %s; name others in sourceNamespaces" $at $j $namespace (join ", " $namespaces)) -}}
    {{- end -}}
  {{- end -}}
  {{- range $field := list "namespaces" "serviceAccounts" -}}
    {{- $selector := default dict (default dict (get $rule $field)).selector -}}
    {{- $keys := keys (default dict $selector.matchLabels) -}}
    {{- range $selector.matchExpressions -}}{{- $keys = append $keys .key -}}{{- end -}}
    {{- range $keys -}}
      {{- if gt (len (regexReplaceAll "/?[^/]*$" . "")) 253 -}}
        {{- $problems = append $problems (printf "%s.%s.selector: a label's key has more than 253 characters before its /" $at $field) -}}
      {{- end -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- if gt (len (include "pullsecrets.document" .)) 524288 -}}
  {{- $problems = append $problems "policy.rules: more than 512 KiB of text: select by label or glob instead of listing names" -}}
{{- end -}}
{{- if $problems -}}
  {{- fail (printf "the values are refused, nothing was changed:\n  %s" (join "\n  " $problems)) -}}
{{- end -}}
{{- end -}}
