"""After a fail-over the promoted region's services reach its own copies by what was written in the lost region."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bezant.foundation.database import connection_parameters
from bezant.foundation.database.regional import host_in_region_of
from bezant.foundation.settings import Settings

CONTROL = "bezant-control.cluster-cq7eb2example.sa-east-1.rds.amazonaws.com"
TENANT = "bezant-t-01900000000070008000000000000000"


@pytest.mark.parametrize(
    ("written", "reached"),
    [
        (
            "bezant-shared-3.cluster-c1a2b3example.us-east-1.rds.amazonaws.com",
            "bezant-shared-3.cluster-cq7eb2example.sa-east-1.rds.amazonaws.com",
        ),
        (
            f"{TENANT}.cluster-ro-c1a2b3example.us-east-1.rds.amazonaws.com",
            f"{TENANT}.cluster-ro-cq7eb2example.sa-east-1.rds.amazonaws.com",
        ),
    ],
)
def test_a_cluster_of_the_other_region_is_reached_in_this_one(written: str, reached: str) -> None:
    assert host_in_region_of(CONTROL, written) == reached


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "",
        "database.bezant.example",
        # of this region already
        "bezant-shared-3.cluster-cq7eb2example.sa-east-1.rds.amazonaws.com",
        # endpoints that are somebody's own choice: which member they lead to is not known of another region
        "reports.cluster-custom-c1a2b3example.us-east-1.rds.amazonaws.com",
        "bezant-shared-3.global-c1a2b3example.global.rds.amazonaws.com",
        # not Aurora's name, but one that ends so
        "x.cluster-abc.us-east-1.rds.amazonaws.com.example.org",
    ],
)
def test_other_hosts_stay_as_they_are(host: str) -> None:
    assert host_in_region_of(CONTROL, host) == host


@given(st.text(max_size=60))
def test_beside_a_control_database_that_is_not_aurora_s_nothing_changes(control: str) -> None:
    written = "bezant-shared-3.cluster-c1a2b3example.us-east-1.rds.amazonaws.com"
    assert host_in_region_of(control, written) == written


def test_every_connection_of_a_service_goes_to_its_own_region() -> None:
    settings = Settings(control_database_host=CONTROL)
    parameters = connection_parameters(
        settings, host="bezant-shared-1.cluster-ro-c1a2b3example.us-east-1.rds.amazonaws.com", port=5432,
        dbname="x", user="u", password="p", application="a",
    )  # fmt: skip
    assert parameters["host"] == "bezant-shared-1.cluster-ro-cq7eb2example.sa-east-1.rds.amazonaws.com"
