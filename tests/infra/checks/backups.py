"""Snapshots: where they are kept, how often, how long, and that a copy stands in the other region."""

from collections.abc import Iterator
from typing import Final

from bezant.topology.model.deployment import Topology

from .templates import Templates, listed, of_type, only, regions, text

_SENT_NO_MORE: Final = {
    "BACKUP_JOB_SUCCESSFUL", "BACKUP_JOB_FAILED", "BACKUP_JOB_EXPIRED", "RESTORE_JOB_SUCCESSFUL", "RESTORE_JOB_FAILED",
}  # fmt: skip
"""Names that AWS Backup still takes, and of which it tells nobody."""


def check_vaults(templates: Templates, model: Topology) -> Iterator[str]:
    """One in each region, encrypted with our key, from which nobody deletes."""
    days = model.backups.snapshot_retention_days
    for region, template in regions(templates, model, "backups"):
        vault = only(template, "Backup::BackupVault")
        if "EncryptionKeyArn" not in vault:
            yield f"{region.name}: snapshots are not encrypted with our key"
        lock = vault.get("LockConfiguration", {})
        if (lock.get("MinRetentionDays"), lock.get("MaxRetentionDays")) != (days, days):
            yield f"{region.name}: snapshots are locked for {lock}"
        denied = {action for one in vault.get("AccessPolicy", {}).get("Statement", []) if one["Effect"] == "Deny"
                  for action in listed(one["Action"])}  # fmt: skip
        if "backup:DeleteRecoveryPoint" not in denied:
            yield f"{region.name}: snapshots can be deleted"
        told = set(vault.get("Notifications", {}).get("BackupVaultEvents", []))
        if not {"BACKUP_JOB_COMPLETED", "COPY_JOB_FAILED", "RESTORE_JOB_COMPLETED"} <= told or told & _SENT_NO_MORE:
            yield f"{region.name}: nobody is told of a backup that failed: {sorted(told)}"


def check_plan(templates: Templates, model: Topology) -> Iterator[str]:
    """As often and as long as the model says, of every cluster by its name, with a copy in the other region."""
    template = templates[f"{model.primary.name}/backups"]
    (rule,) = only(template, "Backup::BackupPlan")["BackupPlan"]["BackupPlanRule"]
    days = model.backups.snapshot_retention_days
    weekly = "SUN" in rule["ScheduleExpression"]
    if weekly != (model.backups.snapshot_every_days == 7):
        yield f"snapshots are taken by {rule['ScheduleExpression']}"
    if rule["Lifecycle"]["DeleteAfterDays"] != days:
        yield f"snapshots are kept for {rule['Lifecycle']}"
    copies = rule.get("CopyActions", [])
    assert model.secondary is not None
    there = f":backup:{model.secondary.name}:X:backup-vault:"
    if [one["Lifecycle"]["DeleteAfterDays"] for one in copies] != [days] or there not in text(
        copies[0]["DestinationBackupVaultArn"]
    ):
        yield f"snapshots are copied to {copies}"
    vault = only(templates[f"{model.secondary.name}/backups"], "Backup::BackupVault")["BackupVaultName"]
    if copies and not text(copies[0]["DestinationBackupVaultArn"]).endswith(vault):
        yield f"there is no vault for {copies}"
    taken = [text(one) for one in only(template, "Backup::BackupSelection")["BackupSelection"]["Resources"]]
    if not all(one.endswith(":cluster:bezant-*") for one in taken):
        yield f"snapshots are taken of {taken}"
    names = [one["DBClusterIdentifier"] for one in
             of_type(templates[f"{model.primary.name}/databases"], "RDS::DBCluster").values()]  # fmt: skip
    if not all(name.startswith("bezant-") for name in names):
        yield f"the plan does not find {names}"


def check_restore_test(templates: Templates, model: Topology) -> Iterator[str]:
    """The control database is restored every month, from a snapshot that is no older than the plan makes it."""
    template = templates[f"{model.primary.name}/backups"]
    plans = list(of_type(template, "Backup::RestoreTestingPlan").values())
    if len(plans) != 1 or plans[0]["ScheduleExpression"] != "cron(0 6 1 * ? *)":
        yield f"restores are tried by {[one['ScheduleExpression'] for one in plans]}"
        return
    selected = [text(arn) for one in of_type(template, "Backup::RestoreTestingSelection").values()
                for arn in one["ProtectedResourceArns"]]  # fmt: skip
    if [arn.rpartition(":")[2] for arn in selected] != ["bezant-control"]:
        yield f"restored are {selected}"
