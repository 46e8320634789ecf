{{/*
What the schema cannot say: values that contradict each other, and what is missing. Each message names the value. Called
with the root.
*/}}
{{- define "bezant.validate" -}}
{{- $values := .Values }}
{{- if not $values.region }}
{{- fail "region: not given; add the values of a region, -f charts/bezant/values/us-east-1/region.yaml" }}
{{- end }}
{{- $expected := list "account" "audit" "fraud" "notification" "payment" "tenant" "transaction" }}
{{- range $expected }}
{{- if not (hasKey ($values.services | default dict) .) }}
{{- fail (printf "services.%s: not given; add -f charts/bezant/values/%s/%s.yaml" . $values.region.name .) }}
{{- end }}
{{- end }}
{{- $stated := dict "installation.registry" $values.installation.registry "installation.targetGroupArn" $values.installation.targetGroupArn "installation.endpoints.controlDatabase" $values.installation.endpoints.controlDatabase "installation.endpoints.kafkaBootstrap" $values.installation.endpoints.kafkaBootstrap "installation.endpoints.valkey" $values.installation.endpoints.valkey "installation.secrets.administrator" $values.installation.secrets.administrator }}
{{- range $name, $value := $stated }}
{{- if not $value }}
{{- fail (printf "%s: not given; it belongs to this AWS account, docs/operations/install.md says where it comes from" $name) }}
{{- end }}
{{- end }}
{{- range list "provisioner" "tiers" }}
{{- if not (index $values.tenantDatabases .) }}
{{- fail (printf "tenantDatabases.%s: not given; it comes with the values of a region, from the model's Aurora tiers" .) }}
{{- end }}
{{- end }}
{{- with $values.tenantDatabases }}
{{- if and (eq .provisioner "aurora") (contains "dedicated" .tiers) }}
{{- $places := dict "tenantDatabases" . }}
{{- if .secondary.region }}
{{- $_ := set $places "tenantDatabases.secondary" .secondary }}
{{- end }}
{{- range $place, $given := $places }}
{{- range list "subnetGroup" "securityGroupIds" "kmsKeyId" }}
{{- if not (index $given .) }}
{{- fail (printf "%s.%s: not given; a cluster of a tenant's own is made with it, docs/operations/install.md says where it comes from" $place .) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- with $values.tenantDatabases.secondary }}
{{- if and .region (not (and .zone .kmsKeyId)) }}
{{- fail "tenantDatabases.secondary: a follower needs a zone and a key of its region (zone, kmsKeyId)" }}
{{- end }}
{{- end }}
{{- if and (contains "dedicated" $values.tenantDatabases.tiers) (ne $values.tenantDatabases.provisioner "aurora") }}
{{- fail "tenantDatabases.tiers: the tier dedicated needs the provisioner aurora" }}
{{- end }}
{{- range $name, $service := $values.services }}
{{- $place := printf "services.%s" $name }}
{{- include "bezant.validatePods" (dict "place" $place "pods" $service) }}
{{- range $service.calls }}
{{- if not (hasKey $values.services .) }}
{{- fail (printf "%s.calls: there is no service %q" $place .) }}
{{- end }}
{{- if not (has $name (index $values.services .).callers) }}
{{- fail (printf "%s.calls: services.%s.callers does not name %s" $place . $name) }}
{{- end }}
{{- end }}
{{- range $service.callers }}
{{- if not (hasKey $values.services .) }}
{{- fail (printf "%s.callers: there is no service %q" $place .) }}
{{- end }}
{{- if not (has $name (index $values.services .).calls) }}
{{- fail (printf "%s.callers: services.%s.calls does not name %s" $place . $name) }}
{{- end }}
{{- end }}
{{- with $service.autoscaling }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}
{{- fail (printf "%s.autoscaling.minReplicas: %d is above maxReplicas, %d" $place (int .minReplicas) (int .maxReplicas)) }}
{{- end }}
{{- if or (lt (int $service.replicas) (int .minReplicas)) (gt (int $service.replicas) (int .maxReplicas)) }}
{{- fail (printf "%s.replicas: %d is outside of autoscaling, %d to %d" $place (int $service.replicas) (int .minReplicas) (int .maxReplicas)) }}
{{- end }}
{{- end }}
{{- with $service.canary }}
{{- $before := 0 }}
{{- range $number, $step := .steps }}
{{- if le (int $step.weight) $before }}
{{- fail (printf "%s.canary.steps[%d].weight: %d %% is not above the %d %% of the step before" $place $number (int $step.weight) $before) }}
{{- end }}
{{- $before = int $step.weight }}
{{- $pods := divf (mulf $service.replicas $step.weight) 100 | ceil | int }}
{{- if ne (int $step.pods) $pods }}
{{- fail (printf "%s.canary.steps[%d].pods: %d, but %d %% of %d replicas are %d pods" $place $number (int $step.pods) (int $step.weight) (int $service.replicas) $pods) }}
{{- end }}
{{- if lt (int $step.holdMinutes) (int $service.canary.analysis.windowMinutes) }}
{{- fail (printf "%s.canary.steps[%d].holdMinutes: %d is shorter than the analysis looks at, windowMinutes %d" $place $number (int $step.holdMinutes) (int $service.canary.analysis.windowMinutes)) }}
{{- end }}
{{- end }}
{{- if ne $before 100 }}
{{- fail (printf "%s.canary.steps: the last weight is %d %%, so that the new version would never have all requests" $place $before) }}
{{- end }}
{{- end }}
{{- end }}
{{- include "bezant.validatePods" (dict "place" "gateway" "pods" $values.gateway) }}
{{- include "bezant.validatePods" (dict "place" "observability.collector" "pods" $values.observability.collector) }}
{{- if le (int $values.gateway.termination.preStopSeconds) (int $values.gateway.deregistrationDelaySeconds) }}
{{- fail (printf "gateway.termination.preStopSeconds: %d is not above deregistrationDelaySeconds, %d: the load balancer would still send to a gateway that has ended" (int $values.gateway.termination.preStopSeconds) (int $values.gateway.deregistrationDelaySeconds)) }}
{{- end }}
{{- if not $values.mode }}
{{- fail "mode: not given; active or standby" }}
{{- end }}
{{- if and $values.mail.host (not $values.mail.from) }}
{{- fail "mail.from: not given, but there is a mail server" }}
{{- end }}
{{- if and $values.observability.logs.splunk.enabled (not $values.observability.logs.splunk.host) }}
{{- fail "observability.logs.splunk.host: not given, but Splunk is enabled" }}
{{- end }}
{{- if not (hasKey $values.services $values.mesh.healthService) }}
{{- fail (printf "mesh.healthService: there is no service %q" $values.mesh.healthService) }}
{{- end }}
{{- end }}

{{/* What holds for the pods of every workload. Called with place, pods. */}}
{{- define "bezant.validatePods" -}}
{{- $pods := .pods }}
{{- with $pods.termination }}
{{- if gt (add .preStopSeconds .shutdownSeconds) (int64 .graceSeconds) }}
{{- fail (printf "%s.termination.graceSeconds: %d is shorter than preStopSeconds %d and shutdownSeconds %d together" $.place (int .graceSeconds) (int .preStopSeconds) (int .shutdownSeconds)) }}
{{- end }}
{{- end }}
{{- if and (eq (int $pods.rollout.maxSurge) 0) (eq (int $pods.rollout.maxUnavailable) 0) }}
{{- fail (printf "%s.rollout.maxSurge: 0 beside maxUnavailable 0, so that no update could begin" .place) }}
{{- end }}
{{- if ge (int $pods.disruptionBudget.maxUnavailable) (int $pods.replicas) }}
{{- fail (printf "%s.disruptionBudget.maxUnavailable: %d of %d replicas, so that nothing is kept" .place (int $pods.disruptionBudget.maxUnavailable) (int $pods.replicas)) }}
{{- end }}
{{- with $pods.placement.antiAffinity }}
{{- if and .required (eq .topologyKey "topology.kubernetes.io/zone") }}
{{- fail (printf "%s.placement.antiAffinity.required: one pod a zone leaves the surge pod of every update without a node" $.place) }}
{{- end }}
{{- end }}
{{- end }}
