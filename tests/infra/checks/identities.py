"""Roles: who trusts whom with what."""

import fnmatch
import importlib.util
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from bezant.topology.model.deployment import Topology

from .templates import Templates, listed, of_type, regions, statements, text

_KNOWS_NO_RESOURCE: Final = re.compile(
    r"xray:|secretsmanager:ListSecrets$|(ec2|autoscaling|elasticloadbalancing|rds):(Describe|Get|List)"
)
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
            ("external-secrets", "external-secrets"), ("kube-system", "aws-load-balancer-controller"),
            ("kube-system", "cluster-autoscaler"),
        }  # fmt: skip
        if found.keys() != wanted:
            yield f"{region.name}: identities {sorted(found.keys() ^ wanted)}"
        for (namespace, account), role in found.items():
            yield from _least(f"{region.name}: {namespace}/{account}", role)
            (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
            asked = trust.get("Condition", {}).get("StringEquals", {})
            pod = {"eks-cluster-name": region.cluster.name, "kubernetes-namespace": namespace,
                   "kubernetes-service-account": account}  # fmt: skip
            if asked != {f"aws:RequestTag/{tag}": value for tag, value in pod.items()}:
                yield f"{region.name}: the role of {namespace}/{account} is for {asked}"
        for (_, account), role in found.items():
            administered = {name for name in ("control", "shared-1", "t-0190", "dedicated-1")
                            if _may(role, "GetSecretValue", f"bezant/administrator/{name}")}  # fmt: skip
            if administered != {"tenant": {"shared-1", "t-0190"}, "external-secrets": {"control"}}.get(account, set()):
                yield f"{region.name}: {account} administers {sorted(administered)}"
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
    if sorted(listed(trust["Action"])) != ["sts:AssumeRole", "sts:TagSession"]:
        yield f"{place} cannot be taken on with the tags of its pod"
    if role.get("ManagedPolicyArns"):
        yield f"{place} has a policy that AWS may widen"
    for one in statements(role):
        if one["Effect"] != "Allow" or any("*" in action for action in listed(one["Action"])):
            yield f"{place} may {one['Action']}"
        everything = any(text(resource) == "*" for resource in listed(one["Resource"]))
        if everything and not all(_KNOWS_NO_RESOURCE.match(action) for action in listed(one["Action"])):
            yield f"{place} may {one['Action']} on everything"


def _changes(role: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Return each action that is not only reading, on what, and under which condition."""
    for one in statements(role):
        for action in listed(one["Action"]):
            if not re.match(r"[a-z0-9-]+:(Describe|Get|List)", action):
                for resource in listed(one["Resource"]):
                    yield action, text(resource), json.dumps(one.get("Condition", {}), sort_keys=True)


def check_controllers(templates: Templates, model: Topology) -> Iterator[str]:
    """The load balancer controller registers pods at one target group, the autoscaler changes this cluster's groups."""
    for region, template in regions(templates, model, "cluster"):
        roles = of_type(template, "IAM::Role")
        found = {one["ServiceAccount"]: roles[one["RoleArn"]["Fn::GetAtt"][0]]
                 for one in of_type(template, "EKS::PodIdentityAssociation").values()}  # fmt: skip
        for action, resource, _ in _changes(found["aws-load-balancer-controller"]):
            if not action.endswith("registerTargets") and not action.endswith("RegisterTargets"):
                yield f"{region.name}: the load balancer controller may {action}"
            if ":targetgroup/bezant-gateway/" not in resource:
                yield f"{region.name}: the load balancer controller may {action} on {resource}"
        for action, resource, condition in _changes(found["cluster-autoscaler"]):
            owned = f"k8s.io/cluster-autoscaler/{region.cluster.name}"
            if not action.startswith("autoscaling:") or owned not in condition:
                yield f"{region.name}: the autoscaler may {action} on {resource}"


def check_provisioning(templates: Templates, model: Topology) -> Iterator[str]:
    """The tenant service changes clusters of single tenants alone; no other service knows RDS."""
    clusters = of_type(templates[f"{model.primary.name}/databases"], "RDS::DBCluster").values()
    shared = [one["DBClusterIdentifier"] for one in clusters]
    for region, template in regions(templates, model, "cluster"):
        roles = of_type(template, "IAM::Role")
        for one in of_type(template, "EKS::PodIdentityAssociation").values():
            account = one["ServiceAccount"]
            for action, resource, condition in _changes(roles[one["RoleArn"]["Fn::GetAtt"][0]]):
                if account == "tenant" and action.startswith("logs:"):
                    if ":log-group:/aws/rds/cluster/bezant-t-*" not in resource:
                        yield f"{region.name}: {account} may {action} on {resource}"
                    continue
                if not action.startswith(("rds:", "iam:", "kms:CreateGrant")):
                    continue
                if account != "tenant":
                    yield f"{region.name}: {account} may {action}"
                if action == "iam:PassRole" and "monitoring.rds.amazonaws.com" not in condition:
                    yield f"{region.name}: {account} may hand any role to anybody"
                kind, _, pattern = resource.rpartition(":")
                if kind.endswith((":cluster", ":db", ":global-cluster")) and any(
                    fnmatch.fnmatchcase(name, pattern) for name in shared
                ):
                    yield f"{region.name}: {account} may {action} on {resource}"


def check_decryption(templates: Templates, model: Topology) -> Iterator[str]:
    """Who reads a secret that a stack's key encrypts may decrypt it, by Secrets Manager alone."""
    for region, template in regions(templates, model, "cluster"):
        roles = of_type(template, "IAM::Role")
        for one in of_type(template, "EKS::PodIdentityAssociation").values():
            role = roles[one["RoleArn"]["Fn::GetAtt"][0]]
            encrypted = ("bezant/administrator/control", "bezant/administrator/shared-1", "AmazonMSK_bezant",
                         "bezant/platform/x",
                         *(f"bezant/tenants/x/{each.name}" for each in model.services))  # fmt: skip
            reads = any(_may(role, "GetSecretValue", name) for name in encrypted)
            decrypts = [part for part in statements(role) if "kms:Decrypt" in listed(part["Action"])]
            through = [listed(part.get("Condition", {}).get("StringEquals", {}).get("kms:ViaService", "*"))
                       for part in decrypts]  # fmt: skip
            of_secrets = [f"secretsmanager.{region.name}.amazonaws.com"]
            if (of_secrets in through) != reads:
                yield f"{region.name}: {one['ServiceAccount']} {'cannot' if reads else 'may'} decrypt"
            # a tenant's own cluster is made with a key, which RDS uses for whoever makes it
            of_clusters = [f"rds.{each.name}.amazonaws.com" for each in model.regions]
            allowed = [of_secrets, of_clusters] if one["ServiceAccount"] == "tenant" else [of_secrets]
            if any(services not in allowed for services in through):
                yield f"{region.name}: {one['ServiceAccount']} may decrypt anything"


def check_secrets_are_made_with_our_key(templates: Templates, model: Topology) -> Iterator[str]:
    """The key that the chart names is there in both regions, and who makes secrets may encrypt with it."""
    for region, template in regions(templates, model, "databases"):
        aliases = {one["AliasName"] for one in of_type(template, "KMS::Alias").values()}
        if aliases != {"alias/bezant-secrets"}:
            yield f"{region.name}: secrets are encrypted by {sorted(aliases)}"
        cluster = templates[f"{region.name}/cluster"]
        roles = of_type(cluster, "IAM::Role")
        through = f"secretsmanager.{region.name}.amazonaws.com"
        for one in of_type(cluster, "EKS::PodIdentityAssociation").values():
            role = roles[one["RoleArn"]["Fn::GetAtt"][0]]
            writes = any(_may(role, "CreateSecret", name) for name in ("bezant/platform/x", "bezant/tenants/x/payment"))
            makers = [part for part in statements(role) if "kms:GenerateDataKey" in listed(part["Action"])]
            encrypts = any(through in str(part.get("Condition")) for part in makers)
            if writes != encrypts:
                yield f"{region.name}: {one['ServiceAccount']} {'cannot' if writes else 'may'} encrypt secrets"


def check_secret_replicas(templates: Templates, model: Topology) -> Iterator[str]:
    """Who makes secrets may have them copied to the other region, where a fail-over reads them."""
    copied = {one.method for one in model.recovery.stores if one.store == "secrets"} == {"replica_secrets"}
    for region, template in regions(templates, model, "cluster"):
        roles = of_type(template, "IAM::Role")
        for one in of_type(template, "EKS::PodIdentityAssociation").values():
            role = roles[one["RoleArn"]["Fn::GetAtt"][0]]
            for name in ("bezant/platform/x", "bezant/tenants/x/payment"):
                may = all(_may(role, action, name) for action in ("ReplicateSecretToRegions",
                                                                  "RemoveRegionsFromReplication"))  # fmt: skip
                if _may(role, "CreateSecret", name) and copied and not may:
                    yield f"{region.name}: what {one['ServiceAccount']} makes is in one region"
