"""Alerts and the canary's questions: promtool runs them on series, and every metric they name is really exported."""

import functools
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
import yaml

from bezant.foundation.telemetry.metrics import PoolCollector
from bezant.rehearsal.canary.promql import ask
from bezant.rehearsal.canary.samples import Samples
from bezant.services.audit import metrics as audit_metrics
from bezant.services.fraud import metrics as fraud_metrics
from bezant.services.notification import metrics as notification_metrics
from bezant.services.payment import metrics as payment_metrics

from . import canary_analysis
from .counts import record
from .rendering import CHART, ROOT, Manifests, tool

HERE = Path(__file__).parent
RULES = CHART / "files" / "rules.yaml"
DASHBOARDS = sorted((CHART / "files" / "dashboards").glob("*.json"))
EXPORTED_ELSEWHERE = {
    # https://istio.io/latest/docs/reference/config/metrics/
    "istio_requests_total",
    "istio_request_duration_milliseconds_bucket",
    "istio_request_duration_milliseconds_count",
    # Prometheus itself
    "up",
    # https://github.com/kubernetes/kube-state-metrics/tree/main/docs
    "kube_pod_container_status_restarts_total",
    "kube_pod_container_resource_requests",
    "kube_horizontalpodautoscaler_status_current_replicas",
    "kube_horizontalpodautoscaler_spec_max_replicas",
    # the kubelet: https://github.com/google/cadvisor/blob/master/docs/storage/prometheus.md
    "container_cpu_usage_seconds_total",
    "container_memory_working_set_bytes",
    # https://argo-rollouts.readthedocs.io/en/stable/features/controller-metrics/
    "rollout_info",
    # https://external-secrets.io/latest/api/metrics/
    "externalsecret_status_condition",
}
"""What others export, with the page that lists it."""
WORDS = {"and", "or", "unless", "by", "without", "on", "ignoring", "offset", "bool", "inf", "group_left", "group_right"}


class _NoPools:
    granted_connections = 0

    def resident_pools(self) -> list[Any]:
        return []


@functools.cache
def exported_by_the_code() -> frozenset[str]:
    """Return the name of every series that the services export."""
    modules = (audit_metrics, fraud_metrics, notification_metrics, payment_metrics)
    assert all(modules), "imported for what they register"
    families = [*prometheus_client.REGISTRY.collect(), *PoolCollector(_NoPools()).collect()]  # type: ignore[arg-type]
    names = set()
    for family in families:
        if family.type == "counter":
            names.add(f"{family.name}_total")
        elif family.type == "histogram":
            names |= {f"{family.name}_{suffix}" for suffix in ("bucket", "sum", "count")}
        else:
            names.add(family.name)
    return frozenset(names)


@functools.cache
def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load(RULES.read_text("utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def metrics_in(query: str) -> set[str]:
    """Return the metric names of a PromQL expression."""
    query = re.sub(r'"(?:[^"\\]|\\.)*"', '""', query)
    query = re.sub(r"\{[^}]*\}", "{}", query)
    query = re.sub(r"\[[^\]]*\]", "", query)
    query = re.sub(r"\b(by|without|on|ignoring)\s*\([^)]*\)", " ", query)
    query = re.sub(r"\boffset\s+\w+", " ", query)
    found = re.findall(r"(?<![\w:.])([a-zA-Z_:][\w:]*)\b(?!\s*\()", query)
    return {name for name in found if name not in WORDS}


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([tool("promtool"), *arguments], capture_output=True, text=True, check=False, timeout=120)


def canary_queries(service: str) -> dict[str, str]:
    """Return the queries of a service's analysis by the metric's name, with hashes in their places."""
    manifests = Manifests.of("us-east-1 active")
    found = {}
    for template in (f"{service}-canary", f"{service}-samples"):
        for metric in manifests.get("AnalysisTemplate", template)["spec"]["metrics"]:
            query = metric["provider"]["prometheus"]["query"]
            for name in ("canary", "stable"):
                query = query.replace("{{args." + name + "-hash}}", name)
            assert "{{" not in query
            found[metric["name"]] = query
    return found


def dashboard_queries() -> list[str]:
    return [
        target["expr"]
        for path in DASHBOARDS
        for panel in json.loads(path.read_text("utf-8"))["panels"]
        for target in panel["targets"]
    ]


def test_the_names_of_metrics_are_found_in_queries() -> None:
    query = 'sum by (le, pod) (rate(a_total{b="c_total",d=~"e"}[5m] offset 1h)) / on(x) max(y:z) and bool_x > 1e3'
    assert metrics_in(query) == {"a_total", "y:z", "bool_x"}


def test_every_metric_that_is_asked_for_is_exported_by_the_code_or_a_named_source() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    queries = [rule["expr"] for rule in rules()] + dashboard_queries()
    queries += [query for service in ("payment", "fraud") for query in canary_queries(service).values()]
    asked = {name for query in queries for name in metrics_in(query)}
    assert asked - exported_by_the_code() - recorded - EXPORTED_ELSEWHERE == set()
    # and each of the names that others export is still asked for
    assert EXPORTED_ELSEWHERE - asked == set()
    record("metric names", "asked for in rules, canaries and dashboards", f"{len(asked)} in {len(queries)} queries")


def test_the_values_of_labels_are_those_of_the_code() -> None:
    from bezant.contracts.internal.fraud import Decision
    from bezant.services.payment.domain.payments import Status

    queries = [rule["expr"] for rule in rules()] + dashboard_queries()
    queries += [query for service in ("payment", "fraud") for query in canary_queries(service).values()]
    known = {"status": set(Status), "decision": set(Decision)}
    for query in queries:
        for label, values in known.items():
            for listed in re.findall(rf'\b{label}=~?"([^"]+)"', query):
                if "bezant_" in query:
                    assert set(listed.split("|")) <= {str(one) for one in values}, query


def test_the_rules_are_what_promtool_accepts() -> None:
    result = promtool("check", "rules", str(RULES))
    assert result.returncode == 0, result.stderr
    alerts = sum("alert" in rule for rule in rules())
    record("promtool check rules", RULES.name, f"{len(rules())} rules, {alerts} of them alerts")


def _run(directory: Path, tests: str) -> subprocess.CompletedProcess[str]:
    path = directory / "test.yaml"
    path.write_text(tests)
    return promtool("test", "rules", str(path))


def test_every_alert_fires_when_it_should_and_not_otherwise(tmp_path: Path) -> None:
    text = (HERE / "alerts_test.yaml").read_text("utf-8")
    result = _run(tmp_path, text.replace("RULES", str(RULES)))
    assert result.returncode == 0, result.stdout + result.stderr
    cases = [case for test in yaml.safe_load(text)["tests"] for case in test.get("alert_rule_test", [])]
    fired = {case["alertname"] for case in cases if case.get("exp_alerts")}
    silent = {case["alertname"] for case in cases if not case.get("exp_alerts")}
    alerts = {rule["alert"] for rule in rules() if "alert" in rule}
    assert fired == alerts
    # that somebody is there is the case in which this one is silent: it names the one who is not
    assert silent | {"ServiceGone"} == alerts
    record("promtool test rules", "alerts", f"{len(alerts)} alerts, {len(cases)} cases")


@pytest.mark.parametrize("alert", [rule["alert"] for rule in rules() if "alert" in rule])
def test_an_alert_that_never_fires_is_noticed(alert: str, tmp_path: Path) -> None:
    (broken,) = (dict(rule) for rule in rules() if rule.get("alert") == alert)
    asked = metrics_in(broken["expr"])
    broken["expr"] = f"({broken['expr']}) and on() (vector(1) == 2)"
    needed = [rule for rule in rules() if rule.get("record") in asked]
    changed = tmp_path / "rules.yaml"
    changed.write_text(yaml.safe_dump({"groups": [{"name": "one", "rules": [*needed, broken]}]}))
    text = (HERE / "alerts_test.yaml").read_text("utf-8")
    tests = yaml.safe_load(text.replace("RULES", str(changed)))
    # long windows take promtool seconds: only this alert's cases are run, on the rules that it needs
    tests["tests"] = [
        {**test, "alert_rule_test": own, "promql_expr_test": []}
        for test in tests["tests"]
        if (own := [case for case in test.get("alert_rule_test", []) if case["alertname"] == alert])
    ]
    result = _run(tmp_path, yaml.safe_dump(tests))
    assert "exp:" in result.stdout + result.stderr


def test_every_alert_says_what_to_do() -> None:
    runbook = (ROOT / "docs" / "operations" / "alerts.md").read_text("utf-8")
    anchors = {line.removeprefix("## ").strip().lower() for line in runbook.splitlines() if line.startswith("## ")}
    for rule in rules():
        if "alert" in rule:
            assert rule["annotations"]["runbook"] == f"docs/operations/alerts.md#{rule['alert'].lower()}"
            assert rule["alert"].lower() in anchors
            assert rule["labels"]["severity"] in ("page", "ticket")


def _pods(which: str) -> str:
    return f'namespace="bezant",rollouts_pod_template_hash="{which}"'


_OK, _5XX = 'response_code="200"', 'response_code="503"'
_DESTINATION = 'reporter="destination"'
CANARY_CASES: dict[str, tuple[str, str, dict[str, str], float | None]] = {
    # what is shown: service, query, series by the minute for 45 minutes, the answer (None: no judgement)
    "no data: no judgement on errors": ("payment", "error-rate", {}, None),
    "no data: no judgement on latency": ("payment", "p99-latency", {}, None),
    "no data: no judgement on success": ("payment", "success-drop", {}, None),
    "no data: no collapse": ("payment", "collapse", {}, None),
    "no data: no failed parts": ("fraud", "failed-parts", {}, None),
    "no data: no samples": ("payment", "samples", {}, 0),
    "no server error": (
        "payment", "error-rate",
        {f"istio_requests_total{{{_DESTINATION},{_pods('canary')},{_OK}}}": "0+23x45"}, 0,
    ),
    "low traffic: one of ten failed, which is no rate": (
        "payment", "error-rate",
        {f"istio_requests_total{{{_DESTINATION},{_pods('canary')},{_OK}}}": "0+1x45",
         f"istio_requests_total{{{_DESTINATION},{_pods('canary')},{_5XX}}}": "0 1x44"}, None,
    ),
    "one sample under the minimum": (
        "payment", "error-rate",
        {f"istio_requests_total{{{_DESTINATION},{_pods('canary')},{_OK}}}": "0+19.975x45"}, None,
    ),
    "exactly the minimum": (
        "payment", "error-rate",
        {f"istio_requests_total{{{_DESTINATION},{_pods('canary')},{_OK}}}": "0+20x45"}, 0,
    ),
    "at the edge: one in a hundred": (
        "payment", "error-rate",
        {f"istio_requests_total{{{_DESTINATION},{_pods('canary')},{_OK}}}": "0+99x45",
         f"istio_requests_total{{{_DESTINATION},{_pods('canary')},{_5XX}}}": "0+1x45"}, 0.01,
    ),
    "the failures of the stable version are its own": (
        "payment", "error-rate",
        {f"istio_requests_total{{{_DESTINATION},{_pods('canary')},{_OK}}}": "0+100x45",
         f"istio_requests_total{{{_DESTINATION},{_pods('stable')},{_5XX}}}": "0+100x45"}, 0,
    ),
    "the failures of an earlier attempt are past": (
        "payment", "error-rate",
        {f"istio_requests_total{{{_DESTINATION},{_pods('canary')},{_OK}}}": "0+100x45",
         f"istio_requests_total{{{_DESTINATION},{_pods('earlier')},{_5XX}}}": "0+100x45"}, 0,
    ),
    "every request fails": (
        "payment", "error-rate",
        {f"istio_requests_total{{{_DESTINATION},{_pods('canary')},{_5XX}}}": "0+100x45"}, 1,
    ),
    "p99 at the edge: 99 of 100 within 500 ms": (
        "payment", "p99-latency",
        {f"istio_request_duration_milliseconds_bucket{{{_DESTINATION},{_pods('canary')},le=\"250\"}}": "0+90x45",
         f"istio_request_duration_milliseconds_bucket{{{_DESTINATION},{_pods('canary')},le=\"500\"}}": "0+99x45",
         f"istio_request_duration_milliseconds_bucket{{{_DESTINATION},{_pods('canary')},le=\"1000\"}}": "0+100x45",
         f"istio_request_duration_milliseconds_bucket{{{_DESTINATION},{_pods('canary')},le=\"+Inf\"}}": "0+100x45",
         f"istio_requests_total{{{_DESTINATION},{_pods('canary')},{_OK}}}": "0+100x45"}, 500,
    ),
    "p99 beyond: 98 of 100 within 500 ms": (
        "payment", "p99-latency",
        {f"istio_request_duration_milliseconds_bucket{{{_DESTINATION},{_pods('canary')},le=\"500\"}}": "0+98x45",
         f"istio_request_duration_milliseconds_bucket{{{_DESTINATION},{_pods('canary')},le=\"1000\"}}": "0+100x45",
         f"istio_request_duration_milliseconds_bucket{{{_DESTINATION},{_pods('canary')},le=\"+Inf\"}}": "0+100x45",
         f"istio_requests_total{{{_DESTINATION},{_pods('canary')},{_OK}}}": "0+100x45"}, 750,
    ),
    "p99 of few requests is none": (
        "payment", "p99-latency",
        {f"istio_request_duration_milliseconds_bucket{{{_DESTINATION},{_pods('canary')},le=\"5000\"}}": "0+1x45",
         f"istio_request_duration_milliseconds_bucket{{{_DESTINATION},{_pods('canary')},le=\"+Inf\"}}": "0+1x45",
         f"istio_requests_total{{{_DESTINATION},{_pods('canary')},{_OK}}}": "0+1x45"}, None,
    ),
    "success at the edge: 98 against 96 %": (
        "payment", "success-drop",
        {f"bezant_payments_total{{{_pods('stable')},status=\"captured\"}}": "0+98x45",
         f"bezant_payments_total{{{_pods('stable')},status=\"declined\"}}": "0+2x45",
         f"bezant_payments_total{{{_pods('canary')},status=\"authorized\"}}": "0+96x45",
         f"bezant_payments_total{{{_pods('canary')},status=\"failed\"}}": "0+4x45"}, 0.02,
    ),
    "a canary that leaves payments processing": (
        "payment", "success-drop",
        {f"bezant_payments_total{{{_pods('stable')},status=\"captured\"}}": "0+100x45",
         f"bezant_payments_total{{{_pods('canary')},status=\"captured\"}}": "0+50x45",
         f"bezant_payments_total{{{_pods('canary')},status=\"processing\"}}": "0+50x45"}, 0.5,
    ),
    "a canary without one success": (
        "payment", "success-drop",
        {f"bezant_payments_total{{{_pods('stable')},status=\"captured\"}}": "0+100x45",
         f"bezant_payments_total{{{_pods('canary')},status=\"failed\"}}": "0+30x45"}, 1,
    ),
    "a canary that is better": (
        "payment", "success-drop",
        {f"bezant_payments_total{{{_pods('stable')},status=\"captured\"}}": "0+90x45",
         f"bezant_payments_total{{{_pods('stable')},status=\"failed\"}}": "0+10x45",
         f"bezant_payments_total{{{_pods('canary')},status=\"captured\"}}": "0+100x45"}, -0.1,
    ),
    "a stable version with too few payments to compare with": (
        "payment", "success-drop",
        {f"bezant_payments_total{{{_pods('stable')},status=\"captured\"}}": "0+1x45",
         f"bezant_payments_total{{{_pods('canary')},status=\"failed\"}}": "0+100x45"}, None,
    ),
    "fraud: review is no refusal": (
        "fraud", "success-drop",
        {f"bezant_fraud_assessments_total{{{_pods('stable')},decision=\"approve\"}}": "0+100x45",
         f"bezant_fraud_assessments_total{{{_pods('canary')},decision=\"approve\"}}": "0+80x45",
         f"bezant_fraud_assessments_total{{{_pods('canary')},decision=\"review\"}}": "0+15x45",
         f"bezant_fraud_assessments_total{{{_pods('canary')},decision=\"decline\"}}": "0+5x45"}, 0.05,
    ),
    "fraud: parts of calls that failed behind a 200": (
        "fraud", "failed-parts",
        {f"bezant_internal_parts_total{{{_pods('canary')},outcome=\"answered\"}}": "0+98x45",
         f"bezant_internal_parts_total{{{_pods('canary')},outcome=\"refused\"}}": "0+1x45",
         f"bezant_internal_parts_total{{{_pods('canary')},outcome=\"failed\"}}": "0+1x45"}, 0.01,
    ),
    "a canary that answers nothing is seen by its callers": (
        "payment", "collapse",
        {'istio_requests_total{reporter="source",destination_service_namespace="bezant",'
         'destination_service_name="payment-canary",response_code="0"}': "0x40 0+20x5"}, 1,
    ),
    "a few failed calls are no collapse": (
        "payment", "collapse",
        {'istio_requests_total{reporter="source",destination_service_namespace="bezant",'
         'destination_service_name="payment-canary",response_code="503"}': "0x40 0+2x5"}, None,
    ),
    "the stable version's callers are not asked": (
        "payment", "collapse",
        {'istio_requests_total{reporter="source",destination_service_namespace="bezant",'
         'destination_service_name="payment-stable",response_code="503"}': "0x40 0+20x5"}, None,
    ),
    "samples are counted": (
        "fraud", "samples",
        {f"istio_requests_total{{{_DESTINATION},{_pods('canary')},{_OK}}}": "0+10x45",
         f"istio_requests_total{{{_DESTINATION},{_pods('canary')},{_5XX}}}": "0+10x45"}, 800,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CANARY_CASES)
def test_the_canarys_questions_are_answered(case: str, tmp_path: Path) -> None:
    service, name, series, answer = CANARY_CASES[case]
    query = canary_queries(service)[name]
    samples = [] if answer is None else [{"labels": "{}", "value": answer}]
    # floating point: promtool compares to the last bit
    test = {
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": one, "values": values} for one, values in series.items()],
                "promql_expr_test": [{"expr": f"round({query}, 0.000001)", "eval_time": "45m", "exp_samples": samples}],
            }
        ],
    }
    result = _run(tmp_path, yaml.safe_dump(test))
    assert result.returncode == 0, result.stdout + result.stderr
    record("promtool test rules", "canary queries", f"{len(CANARY_CASES)} cases")


_SERIES = re.compile(r"(?P<metric>\w+)\{(?P<labels>.*)\}")
_RUN = re.compile(r"(?P<start>-?[\d.]+)(?:\+(?P<step>[\d.]+))?x(?P<times>\d+)")


def expanded(values: str) -> list[float]:
    """Return the samples of promtool's notation: `0+2x3` is 0 2 4 6."""
    samples: list[float] = []
    for part in values.split():
        run = _RUN.fullmatch(part)
        if run is None:
            samples.append(float(part))
        else:
            step = float(run["step"] or 0)
            samples += [float(run["start"]) + step * n for n in range(int(run["times"]) + 1)]
    return samples


@pytest.mark.parametrize("case", CANARY_CASES)
def test_a_rehearsal_gets_the_answers_that_prometheus_gives(case: str) -> None:
    service, name, series, answer = CANARY_CASES[case]
    samples = Samples()
    for one, values in series.items():
        found = _SERIES.fullmatch(one)
        assert found is not None
        labels = dict(re.findall(r'(\w+)="([^"]*)"', found["labels"]))
        for minute, value in enumerate(expanded(values)):
            samples.add(found["metric"], labels, minute * 60.0, value)
    got = [round(value, 6) for value in ask(canary_queries(service)[name], samples, 45 * 60.0)]
    assert got == ([] if answer is None else [pytest.approx(answer)])


def test_rehearsals_are_judged_by_the_charts_own_questions() -> None:
    assert canary_analysis.WRITTEN.read_text("utf-8") == canary_analysis.text(), "run `make canary-analysis`"


def test_every_question_has_a_case_with_an_answer_and_one_without_data() -> None:
    for service in ("payment", "fraud"):
        for name in canary_queries(service):
            cases = [case for case in CANARY_CASES.values() if case[1] == name]
            assert any(case[3] is not None for case in cases), name
            assert any(not case[2] for case in cases), name
            assert name == "failed-parts" or any(case[0] == "payment" for case in cases)


def test_the_connection_alert_knows_the_models_cap() -> None:
    from bezant.topology.loading import load_model

    cap = load_model("production").pools.process_connection_cap
    (alert,) = (rule for rule in rules() if rule.get("alert") == "ConnectionCapNear")
    assert cap is not None
    assert alert["expr"].endswith(f"> {cap * 9 // 10}")
    assert f"of its {cap} connections" in alert["annotations"]["summary"]
