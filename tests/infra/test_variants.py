"""What the model can also say: Spot, Serverless v2, a writer and two readers in three zones, Splunk, one region."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from infrastructure.app import build
from infrastructure.backups import schedule

from bezant.topology.loading import load_model, topology_of
from bezant.topology.model.deployment import Topology

from .checks import CHECKS
from .checks.templates import Templates, of_type, only, statements, text

SPLUNK = {
    "endpoint": "https://http-inputs-firehose-example.splunkcloud.com:443",
    "endpoint_type": "Raw",
    "token_secret": "bezant/platform/splunk",
}


def _changed() -> Topology:
    document: Any = load_model("production").model_dump(mode="json")
    document["observability"]["splunk"] = SPLUNK
    for region in document["regions"]:
        next(one for one in region["cluster"]["node_groups"] if one["name"] == "compute")["capacity"] = "spot"
        for tier in region["aurora"]:
            if tier["tier"] == "dedicated":
                own = {"made_by": "stacks", "key_per_cluster": True}
                tier.update(own, readers_per_cluster=2, serverless_capacity={"low": 0.5, "high": 16.0})
    return topology_of(document, source="changed")


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    directory = tmp_path_factory.mktemp("variant") / "cdk.out"
    build(_changed(), outdir=str(directory)).synth()
    return {
        path.name.removeprefix("Bezant-").removesuffix(".template.json"): json.loads(path.read_text("utf-8"))
        for path in directory.glob("*.template.json")
    }


def test_a_tenants_own_cluster_has_a_writer_and_two_readers_in_three_zones(changed: Templates) -> None:
    template = changed["us-east-1-databases"]
    clusters = {name: one["DBClusterIdentifier"] for name, one in of_type(template, "RDS::DBCluster").items()}
    members: dict[str, list[Mapping[str, Any]]] = {}
    for one in of_type(template, "RDS::DBInstance").values():
        members.setdefault(clusters[one["DBClusterIdentifier"]["Ref"]], []).append(one)
    for number in range(1, 6):
        found = members[f"bezant-dedicated-{number}"]
        assert {one["AvailabilityZone"] for one in found} == {"us-east-1a", "us-east-1b", "us-east-1c"}
        assert sorted(one["PromotionTier"] for one in found) == [0, 1, 1]


def test_serverless_instances_scale_between_what_the_model_says(changed: Templates) -> None:
    template = changed["us-east-1-databases"]
    for name, one in of_type(template, "RDS::DBCluster").items():
        scaling = one.get("ServerlessV2ScalingConfiguration")
        own = one["DBClusterIdentifier"].startswith("bezant-dedicated")
        assert scaling == ({"MinCapacity": 0.5, "MaxCapacity": 16.0} if own else None)
        classes = {instance["DBInstanceClass"] for instance in of_type(template, "RDS::DBInstance").values()
                   if instance["DBClusterIdentifier"]["Ref"] == name}  # fmt: skip
        assert (classes == {"db.serverless"}) is own


def test_where_the_tenant_service_makes_tenants_clusters_the_stacks_make_none_and_what_they_need(
    templates: Callable[[], Templates],
) -> None:
    template = templates()["us-east-1/databases"]
    made = {one["DBClusterIdentifier"] for one in of_type(template, "RDS::DBCluster").values()}
    assert not any("dedicated" in name for name in made)
    assert {"SubnetGroup", "KmsKeyId", "MonitoringRoleArn", "ParameterGroup"} <= set(template["Outputs"])


def test_a_group_on_spot_brings_the_queue_of_interruptions_and_its_reader(changed: Templates) -> None:
    template = changed["us-east-1-cluster"]
    groups = {one["NodegroupName"]: one["CapacityType"] for one in of_type(template, "EKS::Nodegroup").values()}
    assert {name for name, capacity in groups.items() if capacity == "SPOT"} == {
        "compute-us-east-1a", "compute-us-east-1b", "compute-us-east-1c",
    }  # fmt: skip
    queue = only(template, "SQS::Queue")
    assert queue["SqsManagedSseEnabled"] is True
    details = {rule["EventPattern"]["detail-type"][0] for rule in of_type(template, "Events::Rule").values()}
    assert {"EC2 Spot Instance Interruption Warning", "EC2 Instance Rebalance Recommendation"} <= details
    allow = next(one for one in only(template, "SQS::QueuePolicy")["PolicyDocument"]["Statement"]
                 if one["Effect"] == "Allow")  # fmt: skip
    assert allow["Principal"] == {"Service": "events.amazonaws.com"}
    assert len(allow["Condition"]["ArnEquals"]["aws:SourceArn"]) == len(details)
    reader = next(one for one in of_type(template, "EKS::PodIdentityAssociation").values()
                  if one["ServiceAccount"] == "aws-node-termination-handler")  # fmt: skip
    role = of_type(template, "IAM::Role")[reader["RoleArn"]["Fn::GetAtt"][0]]
    (reads,) = [one for one in statements(role) if "sqs:ReceiveMessage" in one["Action"]]
    assert text(reads["Resource"][0]).endswith(f":{queue['QueueName']}")


def test_without_a_group_on_spot_there_is_no_queue(templates: Any) -> None:
    assert not of_type(templates()["us-east-1/cluster"], "SQS::Queue")


def test_splunk_gets_every_group_of_the_pods_and_keeps_its_token_to_itself(changed: Templates) -> None:
    template = changed["us-east-1-operations"]
    stream = only(template, "KinesisFirehose::DeliveryStream")
    destination = stream["SplunkDestinationConfiguration"]
    assert destination["HECEndpoint"] == SPLUNK["endpoint"]
    assert "HECToken" not in destination
    assert destination["SecretsManagerConfiguration"]["Enabled"] is True
    assert destination["S3BackupMode"] == "FailedEventsOnly"
    filters = of_type(template, "Logs::SubscriptionFilter").values()
    of_pods = {name for name, one in of_type(template, "Logs::LogGroup").items()
               if one["LogGroupName"].startswith("/bezant/")}  # fmt: skip
    assert {one["LogGroupName"]["Ref"] for one in filters} == of_pods
    assert len(of_pods) == 8


def test_every_check_of_meaning_holds_for_the_other_model_too(changed: Templates) -> None:
    model = _changed()
    made = {"/".join(name.rsplit("-", 1)): template for name, template in changed.items()}
    # instance classes and accounts differ, which is tested above; nobody uses clusters of single tenants that the
    # stacks make, which is why production makes none, and the model counts the pieces of the stacks as they are
    silent = {"check_databases", "check_identities", "check_every_cluster_is_used", "check_pieces"}
    found = {name: list(check(made, model)) for name, check in CHECKS.items() if name not in silent}
    assert {name: said for name, said in found.items() if said} == {}


def test_a_deployment_in_one_region_waits_for_no_other(tmp_path: Path) -> None:
    document: Any = load_model("production").model_dump(mode="json")
    document["regions"] = document["regions"][:1]
    build(topology_of(document, source="one region"), outdir=str(tmp_path / "out")).synth()
    dns = json.loads((tmp_path / "out" / "Bezant-us-east-1-dns.template.json").read_text("utf-8"))
    record = only(dns, "Route53::RecordSet")
    assert "Failover" not in record
    databases = json.loads((tmp_path / "out" / "Bezant-us-east-1-databases.template.json").read_text("utf-8"))
    assert not of_type(databases, "RDS::GlobalCluster")


@pytest.mark.parametrize("days", [2, 14])
def test_a_calendar_that_aws_does_not_know_is_refused(days: int) -> None:
    with pytest.raises(ValueError, match="snapshot_every_days"):
        schedule(days)
