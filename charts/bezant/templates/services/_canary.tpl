{{/*
The strategy of a Rollout. Where the region serves: the model's steps, each judged all the time by the analysis, and at
its end by whether enough has been seen to judge. On standby nothing can be measured, so that the version is replaced
as in a Deployment; the pod template is the same, so that a promotion starts no rollout. Called with root, name, service.
*/}}
{{- define "bezant.canary" -}}
canary:
  canaryService: {{ .name }}-canary
  stableService: {{ .name }}-stable
  maxSurge: {{ .service.rollout.maxSurge }}
  maxUnavailable: {{ .service.rollout.maxUnavailable }}
  {{- if include "bezant.active" .root }}
  # the canary's pods are the weight's share of the replicas of the moment; the stable version stays whole
  dynamicStableScale: false
  # after the last step or an abort the other version stays up until nobody's proxy sends to it any more
  scaleDownDelaySeconds: 300
  abortScaleDownDelaySeconds: 300
  trafficRouting:
    istio:
      virtualServices:
        - name: public
          routes:
            - {{ .name }}
            {{- if include "bezant.patterns" .service.routes.public }}
            - {{ .name }}-patterns
            {{- end }}
        {{- if .service.callers }}
        - {name: internal, routes: [{{ .name }}]}
        {{- end }}
  analysis:
    templates:
      - templateName: {{ .name }}-canary
    startingStep: 1
    args:
      - name: canary-hash
        valueFrom: {podTemplateHashValue: Latest}
      - name: stable-hash
        valueFrom: {podTemplateHashValue: Stable}
  steps:
    {{- range .service.canary.steps }}
    - setWeight: {{ .weight }}
    - pause: {duration: {{ .holdMinutes }}m}
    - analysis:
        templates:
          - templateName: {{ $.name }}-samples
        args:
          - name: canary-hash
            valueFrom: {podTemplateHashValue: Latest}
    {{- end }}
  {{- end }}
{{- end }}
