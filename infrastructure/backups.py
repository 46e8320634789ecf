"""AWS Backup: snapshots of every Aurora cluster as often and as long as the model says, copied to the other region.

Point-in-time recovery within `backups.automated_retention_days` is Aurora's own. What a plan takes is found by its
name, so that clusters which the tenant service makes are taken as well. Once a month the control database is restored
by itself.
"""

from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_backup as backup
from constructs import Construct

from bezant.topology.model.deployment import Topology
from bezant.topology.model.network import Region
from infrastructure.encryption import encryption_key
from infrastructure.roles import service_role

VAULT: Final = "bezant"
PREFIX: Final = "bezant-"
"""Every cluster's name begins so, also those that are made for one tenant."""
_EVENTS: Final = ("BACKUP_JOB_COMPLETED", "COPY_JOB_FAILED", "RESTORE_JOB_COMPLETED", "RECOVERY_POINT_MODIFIED")
"""AWS tells of a backup that failed or expired as of a completed one, with another word than COMPLETED in the attribute
State. It still accepts the name BACKUP_JOB_FAILED, and sends nothing:
https://docs.aws.amazon.com/aws-backup/latest/devguide/API_PutBackupVaultNotifications.html
"""
_SCHEDULES: Final = {1: "cron(0 4 * * ? *)", 7: "cron(0 4 ? * SUN *)"}
"""By the days between two snapshots; other numbers have no calendar."""
_MONTHLY: Final = "cron(0 6 1 * ? *)"


def schedule(days: int) -> str:
    """Return AWS's calendar for a snapshot every so many days. Raises `ValueError` for others than 1 and 7."""
    if days not in _SCHEDULES:
        raise ValueError(f"backups.snapshot_every_days: {days}; AWS Backup's calendar knows 1 and 7 here")
    return _SCHEDULES[days]


class BackupStack(cdk.Stack):
    """A vault in each region; the plan stands in the primary's and copies to the secondary's."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        topology: Topology,
        region: Region,
        topic_arn: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
        self._topology, self._region = topology, region
        days = topology.backups.snapshot_retention_days
        self.key = encryption_key(self, "Key", "snapshots in the vault")
        self.vault = backup.CfnBackupVault(
            self,
            "Vault",
            backup_vault_name=VAULT,
            encryption_key_arn=self.key.key_arn,
            # governance: a named few can lift it; `changeable_for_days` would bind even the account's owner for good
            lock_configuration=backup.CfnBackupVault.LockConfigurationTypeProperty(
                min_retention_days=days, max_retention_days=days
            ),
            notifications=backup.CfnBackupVault.NotificationObjectTypeProperty(
                backup_vault_events=list(_EVENTS), sns_topic_arn=topic_arn
            ),
            access_policy={
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Deny",
                        "Principal": "*",
                        "Action": ["backup:DeleteRecoveryPoint", "backup:UpdateRecoveryPointLifecycle"],
                        "Resource": "*",
                    }
                ],
            },
        )
        self.vault.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        if region.role == "primary":
            self._role = service_role(
                self,
                "Role",
                "backup",
                managed=(
                    "service-role/AWSBackupServiceRolePolicyForBackup",
                    "service-role/AWSBackupServiceRolePolicyForRestores",
                ),
                only_this_account=True,
            )
            self._plan(days)
            self._restore_test()

    def _plan(self, days: int) -> None:
        secondary = self._topology.secondary
        lifecycle = backup.CfnBackupPlan.LifecycleResourceTypeProperty(delete_after_days=days)
        copies = [] if secondary is None else [self._vault_arn(secondary.name)]
        plan = backup.CfnBackupPlan(
            self,
            "Plan",
            backup_plan=backup.CfnBackupPlan.BackupPlanResourceTypeProperty(
                backup_plan_name=f"{self._region.cluster.name}-databases",
                backup_plan_rule=[
                    backup.CfnBackupPlan.BackupRuleResourceTypeProperty(
                        rule_name="snapshots",
                        target_backup_vault=self.vault.ref,
                        schedule_expression=schedule(self._topology.backups.snapshot_every_days),
                        start_window_minutes=60,
                        completion_window_minutes=360,
                        lifecycle=lifecycle,
                        copy_actions=[
                            backup.CfnBackupPlan.CopyActionResourceTypeProperty(
                                destination_backup_vault_arn=arn, lifecycle=lifecycle
                            )
                            for arn in copies
                        ],
                    )
                ],
            ),
        )
        backup.CfnBackupSelection(
            self,
            "Databases",
            backup_plan_id=plan.ref,
            backup_selection=backup.CfnBackupSelection.BackupSelectionResourceTypeProperty(
                selection_name="databases",
                iam_role_arn=self._role.attr_arn,
                resources=[self._cluster_arn(f"{PREFIX}*")],
            ),
        )

    def _restore_test(self) -> None:
        """Restore the control database from its latest snapshot, look at it for four hours, remove it again."""
        if self._topology.backups.restore_tested_every_days is None:
            return
        plan = backup.CfnRestoreTestingPlan(
            self,
            "RestoreTest",
            restore_testing_plan_name="bezant_restore_test",
            schedule_expression=_MONTHLY,
            start_window_hours=8,
            recovery_point_selection=backup.CfnRestoreTestingPlan.RestoreTestingRecoveryPointSelectionProperty(
                algorithm="LATEST_WITHIN_WINDOW",
                include_vaults=[self.vault.attr_backup_vault_arn],
                recovery_point_types=["SNAPSHOT"],
                selection_window_days=self._topology.backups.snapshot_every_days + 1,
            ),
        )
        selection = backup.CfnRestoreTestingSelection(
            self,
            "RestoreTestOfControl",
            restore_testing_plan_name="bezant_restore_test",
            restore_testing_selection_name="control",
            iam_role_arn=self._role.attr_arn,
            protected_resource_type="Aurora",
            protected_resource_arns=[self._cluster_arn("bezant-control")],
            validation_window_hours=4,
        )
        selection.add_resource_dependency(plan)

    def _cluster_arn(self, name: str) -> str:
        return f"arn:{self.partition}:rds:{self.region}:{self.account}:cluster:{name}"

    def _vault_arn(self, region: str) -> str:
        return f"arn:{self.partition}:backup:{region}:{self.account}:backup-vault:{VAULT}"
