{{/*
Where pods may run. `templateHashLabel` is the label that tells old pods from new ones: pod-template-hash in a
Deployment, rollouts-pod-template-hash in a Rollout. Called with root, name, pods, templateHashLabel.
*/}}
{{- define "bezant.placement" -}}
{{- $pods := .pods }}
{{- $selector := include "bezant.selector" .name }}
{{- $hash := .templateHashLabel }}
topologySpreadConstraints:
{{- range $pods.placement.spread }}
  - topologyKey: {{ .topologyKey }}
    maxSkew: {{ .maxSkew }}
    whenUnsatisfiable: {{ ternary "DoNotSchedule" "ScheduleAnyway" .required }}
    nodeTaintsPolicy: {{ ternary "Honor" "Ignore" .honorsTaints }}
    {{- if .perTemplate }}
    matchLabelKeys: [{{ $hash }}]
    {{- end }}
    labelSelector:
      matchLabels:
        {{- $selector | nindent 8 }}
{{- end }}
affinity:
  {{- with $pods.placement.nodeGroup }}
  nodeAffinity:
    {{- if .required }}
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
        - matchExpressions:
            - {key: bezant.dev/node-group, operator: In, values: [{{ .name }}]}
    {{- else }}
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        preference:
          matchExpressions:
            - {key: bezant.dev/node-group, operator: In, values: [{{ .name }}]}
    {{- end }}
  {{- end }}
  podAntiAffinity:
    {{- if and $pods.placement.antiAffinity $pods.placement.antiAffinity.required }}
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: {{ $pods.placement.antiAffinity.topologyKey }}
        labelSelector:
          matchLabels:
            {{- $selector | nindent 12 }}
    {{- else }}
    # apart if there is room: a required rule would leave the surge pod of an update without a node
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 50
        podAffinityTerm:
          topologyKey: {{ dig "placement" "antiAffinity" "topologyKey" "kubernetes.io/hostname" $pods }}
          labelSelector:
            matchLabels:
              {{- $selector | nindent 14 }}
    {{- end }}
tolerations:
  {{- range list "not-ready" "unreachable" }}
  - key: node.kubernetes.io/{{ . }}
    operator: Exists
    effect: NoExecute
    tolerationSeconds: {{ $.root.Values.region.unreachableTolerationSeconds }}
  {{- end }}
{{- end }}

{{/* What every container may do: nothing but run. */}}
{{- define "bezant.restrictedContainer" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* A share of an amount of memory, in MiB. Called with memory (such as 256Mi) and percent. */}}
{{- define "bezant.share" -}}
{{- div (mul (trimSuffix "Mi" .memory | int) .percent) 100 -}}
{{- end }}
