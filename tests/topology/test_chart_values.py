"""The chart's values are the model's: committed files agree with it, and what it leaves open is refused by name."""

import ast
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

import bezant
from bezant.cli import topology
from bezant.cli.topology_values import values_files
from bezant.contracts.fleet import SERVICES
from bezant.topology.errors import NotStated
from bezant.topology.loading import load_model

runner = CliRunner()
COMMITTED = Path(__file__).parents[2] / "charts" / "bezant" / "values"


def test_the_committed_values_agree_with_the_model() -> None:
    result = runner.invoke(topology.app, ["values", "--check", "--output", str(COMMITTED)])
    assert result.exit_code == 0, result.output
    assert "16 values files agree" in result.output


def test_a_changed_file_a_missing_one_and_one_too_many_are_drift(tmp_path: Path) -> None:
    assert runner.invoke(topology.app, ["values", "-o", str(tmp_path)]).exit_code == 0
    assert runner.invoke(topology.app, ["values", "-o", str(tmp_path), "--check"]).exit_code == 0
    payment = tmp_path / "us-east-1" / "payment.yaml"
    payment.write_text(payment.read_text().replace("replicas: 6", "replicas: 5", 1))
    (tmp_path / "sa-east-1" / "fraud.yaml").unlink()
    (tmp_path / "sa-east-1" / "left.yaml").write_text("{}")
    result = runner.invoke(topology.app, ["values", "-o", str(tmp_path), "--check"])
    assert result.exit_code == 1
    for path in ("us-east-1/payment.yaml differs", "sa-east-1/fraud.yaml differs", "left.yaml belongs to nothing"):
        assert path in result.output.replace("\n", "")
    assert runner.invoke(topology.app, ["values", "-o", str(tmp_path)]).exit_code == 0
    assert runner.invoke(topology.app, ["values", "-o", str(tmp_path), "--check"]).exit_code == 0


def test_what_the_model_leaves_open_is_refused_with_every_place() -> None:
    with pytest.raises(NotStated) as refused:
        values_files("as_documented")
    for place in ("services[payment].standby_replicas", "platform[gateway]", "regions[sa-east-1].network.cidr"):
        assert place in refused.value.places
    assert runner.invoke(topology.app, ["values", "-m", "as_documented"]).exit_code == 2


def test_every_service_stands_in_every_region_with_the_models_numbers() -> None:
    model = load_model("production")
    files = values_files("production")
    assert len(files) == len(model.regions) * (1 + len(SERVICES))
    for region in model.regions:
        for service in model.services:
            (values,) = yaml.safe_load(files[f"{region.name}/{service.name}.yaml"])["services"].values()
            assert (values["version"], values["replicas"]) == (service.version, service.replicas)
            assert values["cpu"] == f"{service.cpu_millicores}m"
            assert values["memory"] == f"{service.memory_mebibytes}Mi"
        payment = yaml.safe_load(files[f"{region.name}/payment.yaml"])["services"]["payment"]
        assert [(step["weight"], step["pods"], step["holdMinutes"]) for step in payment["canary"]["steps"]] == [
            (10, 1, 60), (25, 2, 60), (50, 3, 60), (100, 6, 60),
        ]  # fmt: skip
        assert payment["autoscaling"]["scaleDownStabilisationSeconds"] == 600
    assert yaml.safe_load(files["us-east-1/region.yaml"])["mode"] == "active"
    assert yaml.safe_load(files["sa-east-1/region.yaml"])["mode"] == "standby"


def _audiences(service: str) -> set[str]:
    """Return the services that this one calls, from the calls in its syntax trees."""
    found = set()
    for path in (Path(bezant.__file__).parent / "services" / service).rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        constants = {
            ast.unparse(target): node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "call":
                audience = node.args[0]
                found.add(audience.value if isinstance(audience, ast.Constant) else constants[ast.unparse(audience)])
    return {str(one) for one in found}


@pytest.mark.parametrize("service", SERVICES)
def test_the_model_knows_every_call_between_services(service: str) -> None:
    assert set(load_model("production").service(service).calls) == _audiences(service)
