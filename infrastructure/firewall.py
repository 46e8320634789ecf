"""AWS WAF before a region's load balancer: AWS's rule groups, a limit for each client address and one for each API key.

The limits here only keep floods away from the gateway; each tenant's own limit is the services'.
"""

import json
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_wafv2 as waf
from constructs import Construct

from bezant.topology.model.edge import WebFirewall

Acl = waf.CfnWebACL
LOG_GROUP_PREFIX: Final = "aws-waf-logs-"
"""WAF writes to no log group whose name begins otherwise."""
COUNTED: Final = {"AWSManagedRulesCommonRuleSet": ("SizeRestrictions_BODY",)}
"""Rules of a group that count and do not block: a batch of payments is larger than 8 KiB."""
_TOO_MANY: Final = {
    "type": "https://bezant.dev/problems/rate_limited",
    "title": "Too many requests",
    "status": 429,
    "code": "rate_limited",
    "detail": "too many requests came from this address or with this key; slow down and try again in five minutes",
}


def web_firewall(scope: Construct, firewall: WebFirewall, *, name: str, log_days: int, key: kms.IKey) -> waf.CfnWebACL:
    """Return the firewall with its log; the API keys that it counts by are left out of the log."""
    acl = Acl(
        scope,
        "Firewall",
        name=name,
        scope="REGIONAL",
        default_action=Acl.DefaultActionProperty(allow={}),
        visibility_config=_seen(name),
        custom_response_bodies={
            "too-many": Acl.CustomResponseBodyProperty(
                content=json.dumps(_TOO_MANY, sort_keys=True), content_type="APPLICATION_JSON"
            )
        },
        rules=[*_limits(firewall), *_groups(firewall)],
    )
    group = logs.CfnLogGroup(
        scope,
        "FirewallLogs",
        log_group_name=f"{LOG_GROUP_PREFIX}{name}",
        retention_in_days=log_days,
        kms_key_id=key.key_arn,
    )
    stack = cdk.Stack.of(scope)
    waf.CfnLoggingConfiguration(
        scope,
        "FirewallLogging",
        resource_arn=acl.attr_arn,
        # not the group's own attribute, which ends with :*
        log_destination_configs=[f"arn:{stack.partition}:logs:{stack.region}:{stack.account}:log-group:{group.ref}"],
        redacted_fields=[
            waf.CfnLoggingConfiguration.FieldToMatchProperty(single_header={"Name": header})
            for header in ("authorization", "cookie")
        ],
    )
    return acl


def _seen(name: str) -> waf.CfnWebACL.VisibilityConfigProperty:
    return Acl.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True,
        metric_name=name,
        # samples show headers, and with them API keys
        sampled_requests_enabled=False,
    )


def _limits(firewall: WebFirewall) -> list[waf.CfnWebACL.RuleProperty]:
    by_key = Acl.RateBasedStatementCustomKeyProperty(
        header=Acl.RateLimitHeaderProperty(
            name="authorization",
            text_transformations=[Acl.TextTransformationProperty(priority=0, type="NONE")],
        )
    )
    address = Acl.RateBasedStatementProperty(
        aggregate_key_type="IP",
        limit=firewall.requests_per_address,
        evaluation_window_sec=firewall.window_seconds,
    )
    api_key = Acl.RateBasedStatementProperty(
        aggregate_key_type="CUSTOM_KEYS",
        custom_keys=[by_key],
        limit=firewall.requests_per_key,
        evaluation_window_sec=firewall.window_seconds,
    )
    return [
        Acl.RuleProperty(
            name=name,
            priority=priority,
            statement=Acl.StatementProperty(rate_based_statement=statement),
            action=Acl.RuleActionProperty(
                block=Acl.BlockActionProperty(
                    custom_response=Acl.CustomResponseProperty(response_code=429, custom_response_body_key="too-many")
                )
            ),
            visibility_config=_seen(name),
        )
        for priority, (name, statement) in enumerate((("address-limit", address), ("key-limit", api_key)))
    ]


def _groups(firewall: WebFirewall) -> list[waf.CfnWebACL.RuleProperty]:
    return [
        Acl.RuleProperty(
            name=name,
            priority=priority,
            override_action=Acl.OverrideActionProperty(none={}),
            statement=Acl.StatementProperty(
                managed_rule_group_statement=Acl.ManagedRuleGroupStatementProperty(
                    vendor_name="AWS",
                    name=name,
                    rule_action_overrides=[
                        Acl.RuleActionOverrideProperty(name=rule, action_to_use=Acl.RuleActionProperty(count={}))
                        for rule in COUNTED.get(name, ())
                    ],
                )
            ),
            visibility_config=_seen(name),
        )
        for priority, name in enumerate(firewall.managed_rule_groups, start=10)
    ]
