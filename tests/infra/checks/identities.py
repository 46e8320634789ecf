"""Roles: who trusts whom with what."""

import fnmatch
import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from bezant.topology.model.deployment import Topology

from .templates import Templates, listed, of_type, regions, statements, text

ROOT: Final = Path(__file__).parents[3]


def _secret_names() -> Any:
    """Load the names of the secrets alone: the package around them wants libraries that only services have."""
    path = ROOT / "src/bezant/foundation/secrets/names.py"
    spec = importlib.util.spec_from_file_location("names", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check_identities(templates: Templates, model: Topology) -> Iterator[str]:
    """Each service account of the chart has one role; a service reads its own tenants' secrets and no other's."""
    names = _secret_names()
    tenant = "01900000-0000-7000-8000-000000000000"
    secrets = {service.name: names.tenant_secret_name(tenant, service.name) for service in model.services}
    platform = names.control_secret_name("payment")
    for region, template in regions(templates, model, "cluster"):
        roles = of_type(template, "IAM::Role")
        found = {}
        for one in of_type(template, "EKS::PodIdentityAssociation").values():
            key = (one["Namespace"], one["ServiceAccount"])
            if key in found:
                yield f"{region.name}: {key} has two roles"
            found[key] = roles[one["RoleArn"]["Fn::GetAtt"][0]]
        wanted = {("bezant", service.name) for service in model.services} | {
            ("bezant", "migrate"), ("bezant-observability", "collector"), ("bezant-observability", "fluent-bit"),
            ("external-secrets", "external-secrets"),
        }  # fmt: skip
        if found.keys() != wanted:
            yield f"{region.name}: identities {sorted(found.keys() ^ wanted)}"
        for (namespace, account), role in found.items():
            yield from _least(f"{region.name}: {namespace}/{account}", role)
        for service in model.services:
            role = found.get(("bezant", service.name))
            if role is None:
                continue
            readable = {name for name, secret in secrets.items() if _may(role, "GetSecretValue", secret)}
            should = {service.name} if service.tenant_databases else set(secrets)
            if readable != should:
                yield f"{region.name}: {service.name} reads the credentials of {sorted(readable)}"
            if _may(role, "GetSecretValue", platform):
                yield f"{region.name}: {service.name} reads platform secrets, which are mounted"
            if _may(role, "PutSecretValue", secrets[service.name]) != (not service.tenant_databases):
                yield f"{region.name}: {service.name} may or may not write credentials, wrongly"


def _may(role: Mapping[str, Any], action: str, secret: str) -> bool:
    return any(
        f"secretsmanager:{action}" in listed(one["Action"])
        and any(
            fnmatch.fnmatchcase(f"{secret}-AbCdEf", text(resource).rpartition(":secret:")[2])
            for resource in listed(one["Resource"])
        )
        for one in statements(role)
    )


def _least(place: str, role: Mapping[str, Any]) -> Iterator[str]:
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    if trust["Principal"] != {"Service": "pods.eks.amazonaws.com"}:
        yield f"{place} is trusted to {trust['Principal']}"
    if role.get("ManagedPolicyArns"):
        yield f"{place} has a policy that AWS may widen"
    for one in statements(role):
        if one["Effect"] != "Allow" or any("*" in action for action in listed(one["Action"])):
            yield f"{place} may {one['Action']}"
        everything = any(text(resource) == "*" for resource in listed(one["Resource"]))
        if everything and not all(action.startswith("xray:") for action in listed(one["Action"])):
            yield f"{place} may {one['Action']} on everything"
