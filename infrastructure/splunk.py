"""A copy of the pods' logs to Splunk by Amazon Data Firehose; what Splunk does not take is kept in S3.

The token stands in Secrets Manager and is read by Firehose itself.
"""

from collections.abc import Sequence
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_kinesisfirehose as firehose
from aws_cdk import aws_logs as logs
from constructs import Construct

from bezant.topology.model.observability import Splunk
from infrastructure.buckets import log_bucket
from infrastructure.roles import service_role

KEPT_DAYS: Final = 30
RETRY_SECONDS: Final = 3600


def forward_to_splunk(scope: Construct, splunk: Splunk, groups: Sequence[logs.CfnLogGroup], *, name: str) -> None:
    """Make the delivery stream and subscribe it to the groups."""
    stack = cdk.Stack.of(scope)
    bucket, _ = log_bucket(scope, "SplunkRefused", days=KEPT_DAYS)
    secret = f"arn:{stack.partition}:secretsmanager:{stack.region}:{stack.account}:secret:{splunk.token_secret}-*"
    role = service_role(
        scope,
        "SplunkRole",
        "firehose",
        statements=[
            {
                "Effect": "Allow",
                "Action": ["s3:AbortMultipartUpload", "s3:GetBucketLocation", "s3:ListBucket", "s3:PutObject"],
                "Resource": [bucket.attr_arn, f"{bucket.attr_arn}/*"],
            },
            {"Effect": "Allow", "Action": ["secretsmanager:GetSecretValue"], "Resource": [secret]},
        ],
    )
    stream = firehose.CfnDeliveryStream(
        scope,
        "Splunk",
        delivery_stream_name=f"{name}-splunk",
        delivery_stream_type="DirectPut",
        delivery_stream_encryption_configuration_input=firehose.CfnDeliveryStream.DeliveryStreamEncryptionConfigurationInputProperty(
            key_type="AWS_OWNED_CMK"
        ),
        splunk_destination_configuration=firehose.CfnDeliveryStream.SplunkDestinationConfigurationProperty(
            hec_endpoint=splunk.endpoint,
            hec_endpoint_type=splunk.endpoint_type,
            secrets_manager_configuration=firehose.CfnDeliveryStream.SecretsManagerConfigurationProperty(
                enabled=True, role_arn=role.attr_arn, secret_arn=secret.removesuffix("-*")
            ),
            retry_options=firehose.CfnDeliveryStream.SplunkRetryOptionsProperty(duration_in_seconds=RETRY_SECONDS),
            s3_backup_mode="FailedEventsOnly",
            s3_configuration=firehose.CfnDeliveryStream.S3DestinationConfigurationProperty(
                bucket_arn=bucket.attr_arn, role_arn=role.attr_arn, compression_format="GZIP"
            ),
            # CloudWatch's subscriptions are compressed envelopes of many lines
            processing_configuration=firehose.CfnDeliveryStream.ProcessingConfigurationProperty(
                enabled=True,
                processors=[
                    firehose.CfnDeliveryStream.ProcessorProperty(
                        type=kind,
                        parameters=[
                            firehose.CfnDeliveryStream.ProcessorParameterProperty(
                                parameter_name=parameter, parameter_value=value
                            )
                        ],
                    )
                    for kind, parameter, value in (
                        ("Decompression", "CompressionFormat", "GZIP"),
                        ("CloudWatchLogProcessing", "DataMessageExtraction", "true"),
                    )
                ],
            ),
        ),
    )
    writer = service_role(
        scope,
        "SplunkWriter",
        "logs",
        statements=[
            {
                "Effect": "Allow",
                "Action": ["firehose:PutRecord", "firehose:PutRecordBatch"],
                "Resource": stream.attr_arn,
            }
        ],
        only_this_account=True,
    )
    for group in groups:
        logs.CfnSubscriptionFilter(
            scope,
            f"To-{group.node.id}",
            log_group_name=group.ref,
            filter_pattern="",
            destination_arn=stream.attr_arn,
            role_arn=writer.attr_arn,
        )
