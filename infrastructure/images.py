"""The registry of the one image: tags never change, pushes are scanned, each push is copied to the other region.

Pushed by whoever runs the pipeline with a role of their own: no model and no document names a forge, so that no trust
in one is made here.
"""

import json
from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from constructs import Construct

from bezant.topology.model.deployment import Topology
from bezant.topology.model.network import Region
from infrastructure.encryption import encryption_key

KEPT_IMAGES: Final = 200
"""Releases that can be gone back to: years of them."""
_LIFECYCLE: Final = {
    "rules": [
        {
            "rulePriority": 1,
            "description": "what no tag points to any more",
            "selection": {
                "tagStatus": "untagged",
                "countType": "sinceImagePushed",
                "countUnit": "days",
                "countNumber": 14,
            },
            "action": {"type": "expire"},
        },
        {
            "rulePriority": 2,
            "description": f"all but the latest {KEPT_IMAGES}",
            "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": KEPT_IMAGES},
            "action": {"type": "expire"},
        },
    ]
}


class ImageStack(cdk.Stack):
    """The repository in a region; the primary's sends its pushes to the secondary's."""

    def __init__(
        self, scope: Construct, construct_id: str, *, topology: Topology, region: Region, **kwargs: Any
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
        key = encryption_key(self, "Key", "images")
        name = str(topology.image_repository)
        repository = ecr.CfnRepository(
            self,
            "Repository",
            repository_name=name,
            image_tag_mutability="IMMUTABLE",
            image_scanning_configuration=ecr.CfnRepository.ImageScanningConfigurationProperty(scan_on_push=True),
            encryption_configuration=ecr.CfnRepository.EncryptionConfigurationProperty(
                encryption_type="KMS", kms_key=key.key_arn
            ),
            lifecycle_policy=ecr.CfnRepository.LifecyclePolicyProperty(
                lifecycle_policy_text=json.dumps(_LIFECYCLE, sort_keys=True)
            ),
        )
        repository.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        secondary = topology.secondary
        if region.role == "primary" and secondary is not None:
            replication = ecr.CfnReplicationConfiguration
            replication(
                self,
                "Replication",
                replication_configuration=replication.ReplicationConfigurationProperty(
                    rules=[
                        replication.ReplicationRuleProperty(
                            destinations=[
                                replication.ReplicationDestinationProperty(
                                    region=secondary.name, registry_id=self.account
                                )
                            ],
                            repository_filters=[
                                replication.RepositoryFilterProperty(filter=name, filter_type="PREFIX_MATCH")
                            ],
                        )
                    ]
                ),
            )
        cdk.CfnOutput(
            self, "Registry", value=f"{self.account}.dkr.ecr.{self.region}.{self.url_suffix}",
            description="installation.registry of the chart",
        )  # fmt: skip
