"""Aurora: clusters, instances, zones, the global databases and their administrators."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from bezant.topology.model.deployment import Topology
from bezant.topology.model.network import Region

from .templates import Template, Templates, of_type, regions


def check_databases(templates: Templates, model: Topology) -> Iterator[str]:
    """The model's clusters and instances, encrypted, in isolated subnets, kept, with TLS and backups."""
    for region, template in regions(templates, model, "databases"):
        clusters = of_type(template, "RDS::DBCluster")
        instances = of_type(template, "RDS::DBInstance")
        tiers = [tier for tier in region.aurora if not tier.alternative and tier.made_by == "stacks"]
        if len(clusters) != sum(tier.clusters for tier in tiers):
            yield f"{region.name}: {len(clusters)} clusters"
        classes = Counter(one["DBInstanceClass"] for one in instances.values())
        should: Counter[str] = Counter()
        for tier in tiers:
            should[tier.instance_class] += tier.instances
        if classes != should:
            yield f"{region.name}: instances {dict(classes)}, the model says {dict(should)}"
        for name, one in clusters.items():
            yield from _cluster(f"{region.name}: {name}", one, region, model)
        for name, one in instances.items():
            if one.get("PubliclyAccessible") is not False or not one.get("MonitoringInterval"):
                yield f"{region.name}: {name} is reached from outside or not watched"
        yield from _zones(region, template, clusters, instances)
        for name, one in of_type(template, "RDS::DBClusterParameterGroup").items():
            if one["Parameters"].get("rds.force_ssl") != "1":
                yield f"{region.name}: {name} lets in without TLS"


def _cluster(place: str, one: Mapping[str, Any], region: Region, model: Topology) -> Iterator[str]:
    if not one.get("StorageEncrypted") or "KmsKeyId" not in one:
        yield f"{place} is not encrypted with our key"
    if not one.get("DeletionProtection"):
        yield f"{place} can be deleted by mistake"
    if one.get("BackupRetentionPeriod") != model.backups.automated_retention_days:
        yield f"{place} keeps backups for {one.get('BackupRetentionPeriod')} days"
    versions = {tier.engine_version for tier in region.aurora}
    if one.get("EngineVersion") not in versions:
        yield f"{place} is of version {one.get('EngineVersion')}"
    if region.role == "secondary":
        if "MasterUsername" in one or not isinstance(one.get("GlobalClusterIdentifier"), str):
            yield f"{place} does not follow the primary"
    elif "GlobalClusterIdentifier" not in one:
        yield f"{place} reaches no other region"
    elif "resolve:secretsmanager" not in json.dumps(one.get("MasterUserPassword")):
        yield f"{place} has its password in the template"


def _zones(
    region: Region, template: Template, clusters: Mapping[str, Any], instances: Mapping[str, Any]
) -> Iterator[str]:
    """Writers are spread as the model says, readers stand in another zone than their writer."""
    by_cluster: dict[str, list[dict[str, Any]]] = {name: [] for name in clusters}
    for one in instances.values():
        by_cluster[one["DBClusterIdentifier"]["Ref"]].append(one)
    writers: Counter[tuple[str, str]] = Counter()
    for name, members in by_cluster.items():
        first = [one for one in members if one["PromotionTier"] == 0]
        if len(first) != 1:
            yield f"{region.name}: {name} has {len(first)} instances that are first to write"
            continue
        tier = clusters[name]["DBClusterIdentifier"].split("-")[1]
        writers[(tier, first[0]["AvailabilityZone"])] += 1
        zones = [one["AvailabilityZone"] for one in members]
        if len(set(zones)) != len(zones):
            yield f"{region.name}: {name} has two instances in one zone"
    should = Counter(
        {(tier.tier, zone): number for tier in region.aurora if not tier.alternative and tier.made_by == "stacks"
         for zone, number in tier.writers_by_zone.items() if number}
    )  # fmt: skip
    if writers != should:
        yield f"{region.name}: writers {dict(writers)}, the model says {dict(should)}"


def check_every_cluster_is_used(templates: Templates, model: Topology) -> Iterator[str]:
    """What is paid for is what the platform finds: the control database, and clusters that the tenant service looks up.

    `bezant:tier` is the tag that it asks for (`bezant.services.tenant.provisioning.aurora`); a tenant's own cluster it
    makes itself.
    """
    for region, template in regions(templates, model, "databases"):
        for one in of_type(template, "RDS::DBCluster").values():
            tags = {tag["Key"]: tag["Value"] for tag in one["Tags"]}
            if one["DBClusterIdentifier"] != "bezant-control" and tags.get("bezant:tier") != "shared":
                yield f"{region.name}: nobody puts a tenant on {one['DBClusterIdentifier']}"
        outputs = {one["Description"] for one in template["Outputs"].values() if "Description" in one}
        wanted = {
            f"tenantDatabases.{name}" for name in ("subnetGroup", "kmsKeyId", "monitoringRoleArn", "parameterGroup")
        }
        if not wanted <= outputs:
            yield f"{region.name}: {sorted(wanted - outputs)} stand in no output"


def check_global_databases(templates: Templates, model: Topology) -> Iterator[str]:
    """Every cluster of the primary is global, its namesake in the secondary follows, its secret is replicated."""
    primary = templates[f"{model.primary.name}/databases"]
    secondary = model.secondary
    assert secondary is not None
    made = {one["GlobalClusterIdentifier"] for one in of_type(primary, "RDS::GlobalCluster").values()}
    following = {
        one.get("GlobalClusterIdentifier")
        for one in of_type(templates[f"{secondary.name}/databases"], "RDS::DBCluster").values()
    }
    if made != following:
        yield f"global databases {sorted(made)} are followed by {sorted(map(str, following))}"
    names = {one["DBClusterIdentifier"] for one in of_type(primary, "RDS::DBCluster").values()}
    if made != names:
        yield f"{sorted(names - made)} are not global"
    secrets = of_type(primary, "SecretsManager::Secret")
    if len(secrets) != len(names):
        yield f"{len(secrets)} administrators for {len(names)} clusters"
    for name, one in secrets.items():
        if [replica["Region"] for replica in one.get("ReplicaRegions", [])] != [secondary.name]:
            yield f"{name} is not where a promotion needs it"
        if "SecretString" in one or one["GenerateSecretString"]["PasswordLength"] < 32:
            yield f"{name} is in the template, or short"


def check_rotation(templates: Templates, model: Topology) -> Iterator[str]:
    """Every administrator's password is replaced as often as the model says, where only databases are reached."""
    template = templates[f"{model.primary.name}/databases"]
    rotated = {}
    for one in of_type(template, "SecretsManager::RotationSchedule").values():
        rotated[one["SecretId"]["Ref"]] = one["RotationRules"]["ScheduleExpression"]
        if "rotation" not in json.dumps(one["HostedRotationLambda"]["VpcSecurityGroupIds"]):
            yield "passwords are replaced from another security group"
    secrets = of_type(template, "SecretsManager::Secret")
    if rotated != dict.fromkeys(secrets, f"rate({model.security.credential_rotation_days} days)"):
        yield f"passwords are replaced {rotated}"
    attached = {one["SecretId"]["Ref"] for one in of_type(template, "SecretsManager::SecretTargetAttachment").values()}
    if attached != secrets.keys():
        yield f"the rotation does not know the databases of {sorted(secrets.keys() - attached)}"
    if "AWS::SecretsManager-2024-09-16" not in str(template.get("Transform")):
        yield "nothing makes the functions that rotate"


def check_tenant_keys(templates: Templates, model: Topology) -> Iterator[str]:
    """A tenant's own cluster has its own key where the model says so; the others share their stack's."""
    for region, template in regions(templates, model, "databases"):
        keys: dict[str, list[str]] = {}
        for one in of_type(template, "RDS::DBCluster").values():
            keys.setdefault(one["KmsKeyId"]["Fn::GetAtt"][0], []).append(one["DBClusterIdentifier"])
        own = {f"bezant-{tier.tier}-{number}" for tier in region.aurora
               if tier.key_per_cluster and tier.made_by == "stacks"
               for number in range(1, tier.clusters + 1)}  # fmt: skip
        alone = {names[0] for names in keys.values() if len(names) == 1}
        if alone != own or len(keys) != len(own) + 1:
            yield f"{region.name}: {sorted(alone ^ own)} share a key or have one without need"
