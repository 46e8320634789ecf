"""The registry."""

import json
from collections.abc import Iterator

from bezant.topology.model.deployment import Topology

from .templates import Templates, of_type, only, regions


def check_repositories(templates: Templates, model: Topology) -> Iterator[str]:
    """The model's repository in each region: tags that stay, scans, our key, an end for what nobody uses."""
    for region, template in regions(templates, model, "images"):
        one = only(template, "ECR::Repository")
        if one["RepositoryName"] != model.image_repository:
            yield f"{region.name}: the repository is {one['RepositoryName']}"
        if one["ImageTagMutability"] != "IMMUTABLE":
            yield f"{region.name}: a tag may change what it means"
        if not one["ImageScanningConfiguration"]["ScanOnPush"]:
            yield f"{region.name}: images are not scanned"
        if one["EncryptionConfiguration"].get("EncryptionType") != "KMS":
            yield f"{region.name}: images are not encrypted with our key"
        rules = json.loads(one["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]
        if {rule["selection"]["tagStatus"] for rule in rules} != {"untagged", "any"}:
            yield f"{region.name}: images never end"


def check_image_copies(templates: Templates, model: Topology) -> Iterator[str]:
    """Each push to the primary's registry is copied to the secondary's."""
    assert model.secondary is not None
    found = []
    for one in of_type(templates[f"{model.primary.name}/images"], "ECR::ReplicationConfiguration").values():
        for rule in one["ReplicationConfiguration"]["Rules"]:
            found += [(to["Region"], part["Filter"]) for to in rule["Destinations"]
                      for part in rule["RepositoryFilters"]]  # fmt: skip
    if found != [(model.secondary.name, model.image_repository)]:
        yield f"images are copied to {found}"
