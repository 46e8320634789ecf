"""What is asked of AWS for a tenant's own cluster and for its follower.

The follower is the writer's cluster after a fail-over: it is kept, protected, watched and scaled as the primary is.
"""

from typing import Any, Final
from uuid import UUID

from bezant.services.tenant.provisioning.aurora import names
from bezant.services.tenant.provisioning.aurora.settings import AuroraSettings

ENGINE: Final = "aurora-postgresql"


def primary_cluster(settings: AuroraSettings, tenant_id: UUID, *, password: str) -> dict[str, Any]:
    """Return the parameters of `create_db_cluster` for the tenant's cluster."""
    named = {
        "DBSubnetGroupName": settings.subnet_group,
        "VpcSecurityGroupIds": settings.security_groups(),
        "DBClusterParameterGroupName": settings.parameter_group,
        "KmsKeyId": settings.kms_key_id,
    }
    return _cluster(settings, tenant_id, named) | {
        "AvailabilityZones": settings.zone_names[:3],
        "MasterUsername": names.ADMINISTRATOR,
        "MasterUserPassword": password,
    }


def follower_cluster(settings: AuroraSettings, tenant_id: UUID, *, source_region: str) -> dict[str, Any]:
    """Return the parameters of `create_db_cluster` for the follower, which has no credentials of its own.

    The source is encrypted: AWS wants a request to it that is signed in its region, which boto3 makes of
    `SourceRegion`, and a key of the follower's region.
    """
    named = {
        "DBSubnetGroupName": settings.secondary_subnet_group,
        "VpcSecurityGroupIds": settings.security_groups(secondary=True),
        "DBClusterParameterGroupName": settings.secondary_parameter_group,
        "KmsKeyId": settings.secondary_kms_key_id,
    }
    return _cluster(settings, tenant_id, named) | {
        "GlobalClusterIdentifier": names.dedicated_cluster(tenant_id),
        "SourceRegion": source_region,
    }


def _cluster(settings: AuroraSettings, tenant_id: UUID, named: dict[str, Any]) -> dict[str, Any]:
    optional = dict(named)
    if settings.instance_class == "db.serverless":
        optional["ServerlessV2ScalingConfiguration"] = {
            "MinCapacity": settings.serverless_min_capacity,
            "MaxCapacity": settings.serverless_max_capacity,
        }
    return {
        "DBClusterIdentifier": names.dedicated_cluster(tenant_id),
        "Engine": ENGINE,
        "EngineVersion": settings.engine_version,
        "Port": settings.port,
        "StorageEncrypted": True,
        "BackupRetentionPeriod": settings.backup_retention_days,
        "CopyTagsToSnapshot": True,
        "DeletionProtection": settings.deletion_protection,
        "EnableCloudwatchLogsExports": ["postgresql"],
        "EnableIAMDatabaseAuthentication": False,
        "Tags": names.tags(settings.model, tenant_id),
        **{name: value for name, value in optional.items() if value},
    }


def instance(settings: AuroraSettings, tenant_id: UUID, number: int, *, zone: str, kms_key_id: str) -> dict[str, Any]:
    """Return the parameters of `create_db_instance`; 0 is the first to write."""
    watching: dict[str, Any] = {}
    if settings.monitoring_role_arn:
        watching = {"MonitoringInterval": 60, "MonitoringRoleArn": settings.monitoring_role_arn}
    if kms_key_id:
        watching["PerformanceInsightsKMSKeyId"] = kms_key_id
    cluster = names.dedicated_cluster(tenant_id)
    return {
        "DBInstanceIdentifier": names.instance(cluster, number),
        "DBClusterIdentifier": cluster,
        "Engine": ENGINE,
        "DBInstanceClass": settings.instance_class,
        "AvailabilityZone": zone,
        "PromotionTier": min(number, 1),
        "PubliclyAccessible": False,
        "AutoMinorVersionUpgrade": True,
        "EnablePerformanceInsights": True,
        "CopyTagsToSnapshot": True,
        "Tags": names.tags(settings.model, tenant_id),
        **watching,
    }
