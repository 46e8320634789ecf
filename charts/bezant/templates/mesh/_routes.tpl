{{/* Matches of path prefixes, whole segments only. Called with the prefixes. */}}
{{- define "bezant.pathMatches" -}}
{{- range . }}
- uri: {exact: {{ . }}}
- uri: {prefix: {{ . }}/}
{{- end }}
{{- end }}

{{/* Where a route leads. For a canary Argo Rollouts moves the weights. Called with root, name, service. */}}
{{- define "bezant.route" -}}
{{- $domain := printf "%s.svc.cluster.local" .root.Release.Namespace -}}
route:
  {{- if hasKey .service "canary" }}
  - destination: {host: {{ .name }}-stable.{{ $domain }}, port: {number: {{ .service.port }}}}
    weight: 100
  - destination: {host: {{ .name }}-canary.{{ $domain }}, port: {number: {{ .service.port }}}}
    weight: 0
  {{- else }}
  - destination: {host: {{ .name }}.{{ $domain }}, port: {number: {{ .service.port }}}}
    weight: 100
  {{- end }}
timeout: {{ .root.Values.mesh.routeTimeoutSeconds }}s
retries:
  # only what provably never reached a handler is sent again
  attempts: 3
  retryOn: connect-failure,refused-stream,reset-before-request
{{- end }}
