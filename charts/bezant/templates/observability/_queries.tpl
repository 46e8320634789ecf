{{/*
The questions of a canary, in PromQL. Each looks at the analysis' whole window, and answers nothing at all while the
window holds fewer than the minimum of samples: what is not seen cannot be judged, and one failure among few is no rate.
Requests are counted by the canary's own pods (their template's hash), so that an earlier attempt's failures, or the
stable version's, are never counted.
Called with name, namespace, service.
*/}}

{{- define "bezant.hash" -}}
namespace="{{ .namespace }}",rollouts_pod_template_hash="{{ printf "{{args.%s-hash}}" .which }}"
{{- end }}

{{- define "bezant.window" -}}
[{{ .service.canary.analysis.windowMinutes }}m]
{{- end }}

{{/* Requests that the pods of a version answered in the window. Called with name, namespace, service, which. */}}
{{- define "bezant.requests" -}}
sum(increase(istio_requests_total{reporter="destination",{{ include "bezant.hash" . }}}{{ include "bezant.window" . }}))
{{- end }}

{{- define "bezant.query.errorRate" -}}
{{- $canary := merge (dict "which" "canary") . -}}
(
  sum(increase(istio_requests_total{reporter="destination",{{ include "bezant.hash" $canary }},response_code=~"5.."}{{ include "bezant.window" . }}))
  or on() vector(0)
)
/
({{ include "bezant.requests" $canary }} >= {{ .service.canary.analysis.minimumSamples }})
{{- end }}

{{- define "bezant.query.failedParts" -}}
{{- $canary := merge (dict "which" "canary") . -}}
(
  sum(increase(bezant_internal_parts_total{ {{- include "bezant.hash" $canary }},outcome="failed"}{{ include "bezant.window" . }}))
  or on() vector(0)
)
/
(sum(increase(bezant_internal_parts_total{ {{- include "bezant.hash" $canary }}}{{ include "bezant.window" . }})) >= {{ .service.canary.analysis.minimumSamples }})
{{- end }}

{{- define "bezant.query.latency" -}}
{{- $canary := merge (dict "which" "canary") . -}}
histogram_quantile(0.99,
  sum by (le) (increase(istio_request_duration_milliseconds_bucket{reporter="destination",{{ include "bezant.hash" $canary }}}{{ include "bezant.window" . }}))
)
and on() ({{ include "bezant.requests" $canary }} >= {{ .service.canary.analysis.minimumSamples }})
{{- end }}

{{/* What counts as success: a payment whose money moved or is held, an assessment that lets a payment go on. */}}
{{- define "bezant.successes" -}}
{{- if eq .name "payment" -}}
{"all": "bezant_payments_total", "good": "status=~\"captured|authorized|requires_review\""}
{{- else if eq .name "fraud" -}}
{"all": "bezant_fraud_assessments_total", "good": "decision=~\"approve|review\""}
{{- else -}}
{{- fail (printf "services.%s.canary: what counts as its success is not defined; payment and fraud have one" .name) -}}
{{- end -}}
{{- end }}

{{- define "bezant.successRate" -}}
{{- $success := include "bezant.successes" . | fromJson -}}
(
    sum(increase({{ $success.all }}{ {{- include "bezant.hash" . }},{{ $success.good }}}{{ include "bezant.window" . }}))
    or on() vector(0)
  )
  /
  (sum(increase({{ $success.all }}{ {{- include "bezant.hash" . }}}{{ include "bezant.window" . }})) >= {{ .service.canary.analysis.minimumSamples }})
{{- end }}

{{- define "bezant.query.successDrop" -}}
(
  {{ include "bezant.successRate" (merge (dict "which" "stable") .) }}
)
-
(
  {{ include "bezant.successRate" (merge (dict "which" "canary") .) }}
)
{{- end }}

{{/*
A canary that answers nothing counts no requests itself. Whoever calls it does: 50 calls in five minutes of which every
fifth failed are no accident, so that this one needs no long window.
*/}}
{{- define "bezant.query.collapse" -}}
(
  sum(increase(istio_requests_total{reporter="source",destination_service_namespace="{{ .namespace }}",destination_service_name="{{ .name }}-canary",response_code=~"5..|0"}[5m]))
  or on() vector(0)
)
/
(sum(increase(istio_requests_total{reporter="source",destination_service_namespace="{{ .namespace }}",destination_service_name="{{ .name }}-canary"}[5m])) >= 50)
{{- end }}

{{- define "bezant.query.samples" -}}
{{ include "bezant.requests" (merge (dict "which" "canary") .) }} or on() vector(0)
{{- end }}
