"""Buckets for the logs that AWS writes to S3 alone."""

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infrastructure.accepted import accept


def log_bucket(
    scope: Construct, construct_id: str, *, days: int, writer: str | None = None, keys: str = ""
) -> tuple[s3.CfnBucket, s3.CfnBucketPolicy]:
    """Return a bucket that the AWS service `writer` fills under `keys`, and its policy; objects end after `days`.

    Without a writer it is filled by a role of the account. Encrypted with S3's own key: load balancers write to no
    other.
    """
    bucket = s3.CfnBucket(
        scope,
        construct_id,
        bucket_encryption=s3.CfnBucket.BucketEncryptionProperty(
            server_side_encryption_configuration=[
                s3.CfnBucket.ServerSideEncryptionRuleProperty(
                    server_side_encryption_by_default=s3.CfnBucket.ServerSideEncryptionByDefaultProperty(
                        sse_algorithm="AES256"
                    )
                )
            ]
        ),
        public_access_block_configuration=s3.CfnBucket.PublicAccessBlockConfigurationProperty(
            block_public_acls=True, block_public_policy=True, ignore_public_acls=True, restrict_public_buckets=True
        ),
        ownership_controls=s3.CfnBucket.OwnershipControlsProperty(
            rules=[s3.CfnBucket.OwnershipControlsRuleProperty(object_ownership="BucketOwnerEnforced")]
        ),
        versioning_configuration=s3.CfnBucket.VersioningConfigurationProperty(status="Enabled"),
        lifecycle_configuration=s3.CfnBucket.LifecycleConfigurationProperty(
            rules=[
                s3.CfnBucket.RuleProperty(
                    id="end",
                    status="Enabled",
                    expiration_in_days=days,
                    noncurrent_version_expiration=s3.CfnBucket.NoncurrentVersionExpirationProperty(noncurrent_days=30),
                    abort_incomplete_multipart_upload=s3.CfnBucket.AbortIncompleteMultipartUploadProperty(
                        days_after_initiation=7
                    ),
                )
            ]
        ),
    )
    bucket.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
    accept(
        bucket,
        "it holds a log itself; a log of a log never ends",
        "CKV_AWS_18",
        "AwsSolutions-S1",
        "*S3BucketLoggingEnabled",
    )
    accept(bucket, "the firewall's and the pods' logs tell the same in both regions", "*S3BucketReplicationEnabled")
    accept(bucket, "load balancers write to buckets with S3's own key alone", "*S3DefaultEncryptionKMS")
    written: list[dict[str, object]] = []
    if writer is not None:
        # load balancers of other accounts write under keys of theirs, so that the path is condition enough; AWS's own
        # example has no other, and one that the writer does not send would keep the load balancer from being made
        written = [
            {
                "Sid": "Writer",
                "Effect": "Allow",
                "Principal": {"Service": writer},
                "Action": "s3:PutObject",
                "Resource": f"{bucket.attr_arn}/{keys}",
            }
        ]
    policy = s3.CfnBucketPolicy(
        scope,
        f"{construct_id}Policy",
        bucket=bucket.ref,
        policy_document={
            "Version": "2012-10-17",
            "Statement": [
                *written,
                {
                    "Sid": "TlsAlone",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "s3:*",
                    "Resource": [bucket.attr_arn, f"{bucket.attr_arn}/*"],
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                },
            ],
        },
    )
    return bucket, policy
