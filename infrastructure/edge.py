"""The way into a region: its load balancer, the firewall before it, and the region's own name for health checks.

The load balancer is made here and not by the controller in the cluster: the firewall, the DNS records and the alarms
need its ARN and its name when they are made, a cluster that is made anew keeps its address, and the controller then
needs no right but to register pods (`TargetGroupBinding` in the chart).
"""

from typing import Any, Final

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_wafv2 as waf
from constructs import Construct

from bezant.topology.model.deployment import Topology
from bezant.topology.model.edge import Edge
from bezant.topology.model.network import LoadBalancer, Region
from infrastructure.accepted import accept
from infrastructure.buckets import log_bucket
from infrastructure.encryption import encryption_key
from infrastructure.firewall import web_firewall
from infrastructure.network import NetworkStack
from infrastructure.promotion import promotion_alarms

GATEWAY_PORT: Final = 8443
GATEWAY_HEALTH_PORT: Final = 15021
TARGET_GROUP: Final = "bezant-gateway"
READY_PATH: Final = "/readyz"
TLS_POLICY: Final = "ELBSecurityPolicy-TLS13-1-2-2021-06"
IDLE_SECONDS: Final = 60
"""Longer than the gateway's longest answer (15 s), shorter than its own idle time."""


def health_name(domain: str, region: str) -> str:
    """Return the name by which Route 53 asks one region alone: `us-east-1.api.bezant.example`."""
    return f"{region}.{domain}"


class EdgeStack(cdk.Stack):
    """One load balancer over the public subnets of all zones, for the gateway's pods."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        topology: Topology,
        edge: Edge,
        region: Region,
        network: NetworkStack,
        cluster_security_group: str,
        topic_arn: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
        self._edge, self._region, self._network = edge, region, network
        self._domain = str(topology.domain)
        self._balancer_of_model = next(one for one in region.load_balancers if one.targets == "gateway")
        certificate = cdk.CfnParameter(
            self,
            "CertificateArn",
            description=f"The ACM certificate of {self._domain} in this region",
            allowed_pattern=f"arn:aws[a-z-]*:acm:{region.name}:[0-9]{{12}}:certificate/[0-9a-f-]+",
        )
        zone = cdk.CfnParameter(
            self,
            "HostedZoneId",
            type="AWS::Route53::HostedZone::Id",
            description=f"The public hosted zone that holds {self._domain}",
        )
        self.key = encryption_key(self, "Key", "the firewall's log", also_for=("logs",))
        self.balancer = self._balancer(self._balancer_of_model, cluster_security_group)
        self.targets = self._targets(self._balancer_of_model)
        self._listeners(certificate.value_as_string)
        self._name(zone.value_as_string)
        acl = web_firewall(self, edge.firewall, name=region.cluster.name, log_days=edge.access_log_days, key=self.key)
        waf.CfnWebACLAssociation(self, "FirewallOfBalancer", resource_arn=self.balancer.ref, web_acl_arn=acl.attr_arn)
        self.promotion_alarms: list[cloudwatch.CfnAlarm] = promotion_alarms(self, region, topic_arn)
        cdk.CfnOutput(
            self, "TargetGroupArn", value=self.targets.ref, description="installation.targetGroupArn of the chart"
        )

    def _balancer(self, model: LoadBalancer, cluster_security_group: str) -> elb.CfnLoadBalancer:
        group = ec2.CfnSecurityGroup(
            self,
            "SecurityGroup",
            group_description="Bezant load balancer: from the internet, to the pods of the gateway alone",
            vpc_id=self._network.vpc.ref,
            security_group_ingress=[
                ec2.CfnSecurityGroup.IngressProperty(
                    ip_protocol="tcp", from_port=port, to_port=port, cidr_ip="0.0.0.0/0", description=what
                )
                for port, what in ((443, "clients"), (80, "clients, which are sent to HTTPS"))
            ],
            security_group_egress=[
                ec2.CfnSecurityGroup.EgressProperty(
                    ip_protocol="tcp", from_port=port, to_port=port, cidr_ip=subnet.cidr, description=what
                )
                for port, what in ((GATEWAY_PORT, "gateway"), (GATEWAY_HEALTH_PORT, "its health"))
                for subnet in self._region.network.subnets
                if subnet.tier == "nodes"
            ],
        )
        accept(group, "port 80 answers with a redirect to HTTPS and nothing else", "CKV_AWS_260")
        accept(group, "it is the door for everybody; the firewall stands in it", "AwsSolutions-EC23")
        for port, what in ((GATEWAY_PORT, "requests"), (GATEWAY_HEALTH_PORT, "health")):
            ec2.CfnSecurityGroupIngress(
                self,
                f"ToGateway-{what}",
                group_id=cluster_security_group,
                source_security_group_id=group.attr_group_id,
                ip_protocol="tcp",
                from_port=port,
                to_port=port,
                description=f"load balancer to gateway: {what}",
            )
        bucket, policy = log_bucket(
            self,
            "AccessLogs",
            days=self._edge.access_log_days,
            writer="logdelivery.elasticloadbalancing.amazonaws.com",
            keys=f"AWSLogs/{self.account}/*",
        )
        attributes = {
            "access_logs.s3.enabled": "true",
            "access_logs.s3.bucket": bucket.ref,
            "deletion_protection.enabled": "true",
            "idle_timeout.timeout_seconds": str(IDLE_SECONDS),
            "routing.http.drop_invalid_header_fields.enabled": "true",
            "routing.http.desync_mitigation_mode": "strictest",
        }
        balancer = elb.CfnLoadBalancer(
            self,
            "Balancer",
            name=self._region.cluster.name,
            type="application",
            scheme="internet-facing",
            subnets=[self._network.public[zone] for zone in model.zones],
            security_groups=[group.attr_group_id],
            load_balancer_attributes=[
                elb.CfnLoadBalancer.LoadBalancerAttributeProperty(key=name, value=value)
                for name, value in attributes.items()
            ],
        )
        balancer.add_resource_dependency(policy)
        return balancer

    def _targets(self, model: LoadBalancer) -> elb.CfnTargetGroup:
        delay = str(int(model.deregistration_delay_seconds))
        return elb.CfnTargetGroup(
            self,
            "Gateway",
            name=TARGET_GROUP,
            vpc_id=self._network.vpc.ref,
            target_type="ip",
            protocol="HTTPS",
            port=GATEWAY_PORT,
            health_check_protocol="HTTP",
            health_check_port=str(GATEWAY_HEALTH_PORT),
            health_check_path="/healthz/ready",
            health_check_interval_seconds=5,
            health_check_timeout_seconds=2,
            healthy_threshold_count=2,
            unhealthy_threshold_count=2,
            target_group_attributes=[
                elb.CfnTargetGroup.TargetGroupAttributeProperty(key="deregistration_delay.timeout_seconds", value=delay)
            ],
        )

    def _listeners(self, certificate_arn: str) -> None:
        plain = elb.CfnListener(
            self,
            "Http",
            load_balancer_arn=self.balancer.ref,
            port=80,
            protocol="HTTP",
            default_actions=[
                elb.CfnListener.ActionProperty(
                    type="redirect",
                    redirect_config=elb.CfnListener.RedirectConfigProperty(
                        protocol="HTTPS", port="443", status_code="HTTP_301"
                    ),
                )
            ],
        )
        accept(plain, "it only sends clients to HTTPS", "*ELBv2ACMCertificateRequired")
        https = elb.CfnListener(
            self,
            "Https",
            load_balancer_arn=self.balancer.ref,
            port=443,
            protocol="HTTPS",
            ssl_policy=TLS_POLICY,
            certificates=[elb.CfnListener.CertificateProperty(certificate_arn=certificate_arn)],
            default_actions=[
                elb.CfnListener.ActionProperty(
                    type="fixed-response",
                    fixed_response_config=elb.CfnListener.FixedResponseConfigProperty(
                        status_code="404", content_type="text/plain", message_body="no such host"
                    ),
                )
            ],
        )
        self._rule(https, 1, self._domain)
        # the region's own name leads to its readiness alone, as if it were asked by the public name
        self._rule(
            https,
            2,
            health_name(self._domain, self._region.name),
            path=READY_PATH,
            transforms=[
                elb.CfnListenerRule.TransformProperty(
                    type="host-header-rewrite",
                    host_header_rewrite_config=elb.CfnListenerRule.RewriteConfigObjectProperty(
                        rewrites=[elb.CfnListenerRule.RewriteConfigProperty(regex="^.*$", replace=self._domain)]
                    ),
                )
            ],
        )

    def _rule(
        self, listener: elb.CfnListener, priority: int, host: str, *, path: str | None = None, **kwargs: Any
    ) -> None:
        conditions = [
            elb.CfnListenerRule.RuleConditionProperty(
                field="host-header", host_header_config=elb.CfnListenerRule.HostHeaderConfigProperty(values=[host])
            )
        ]
        if path is not None:
            config = elb.CfnListenerRule.PathPatternConfigProperty(values=[path])
            conditions.append(
                elb.CfnListenerRule.RuleConditionProperty(field="path-pattern", path_pattern_config=config)
            )
        elb.CfnListenerRule(
            self,
            f"Host-{priority}",
            listener_arn=listener.ref,
            priority=priority,
            conditions=conditions,
            actions=[elb.CfnListenerRule.ActionProperty(type="forward", target_group_arn=self.targets.ref)],
            **kwargs,
        )

    def _name(self, zone_id: str) -> None:
        route53.CfnRecordSet(
            self,
            "RegionName",
            hosted_zone_id=zone_id,
            name=f"{health_name(self._domain, self._region.name)}.",
            type="A",
            alias_target=route53.CfnRecordSet.AliasTargetProperty(
                dns_name=self.balancer.attr_dns_name,
                hosted_zone_id=self.balancer.attr_canonical_hosted_zone_id,
                evaluate_target_health=False,
            ),
        )
