"""The choice of a shared cluster: the least filled one, never one that is full, whoever else chooses at that moment."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bezant.services.tenant.provisioning.aurora.assignments import Assignments, least_filled
from bezant.services.tenant.provisioning.aurora.failures import ClustersFull

from .conftest import Place

CAPACITIES = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(0, 12), min_size=1, max_size=6)


@given(CAPACITIES, st.integers(1, 80))
def test_clusters_fill_evenly_and_none_beyond_its_places(capacities: dict[str, int], tenants: int) -> None:
    fill = dict.fromkeys(capacities, 0)
    for _ in range(tenants):
        if sum(fill.values()) == sum(capacities.values()):
            with pytest.raises(ClustersFull, match="every shared cluster is full"):
                least_filled(capacities, fill)
            return
        chosen = least_filled(capacities, fill)
        assert fill[chosen] < capacities[chosen]
        assert all(
            fill[chosen] / capacities[chosen] <= fill[n] / capacities[n] for n in fill if fill[n] < capacities[n]
        )
        fill[chosen] += 1


@given(CAPACITIES)
def test_tenants_of_clusters_that_are_gone_count_nowhere(capacities: dict[str, int]) -> None:
    gone = {"gone": 100}
    if any(capacities.values()):
        assert least_filled(capacities, gone) in capacities


async def test_concurrent_onboardings_share_the_places_and_the_last_is_refused(shared: Place) -> None:
    shared.aws.add_shared_cluster(f"bezant-shared-a-{shared.model}", model=shared.model, **{"bezant:tenants": "3"})
    shared.aws.add_shared_cluster(f"bezant-shared-b-{shared.model}", model=shared.model, **{"bezant:tenants": "2"})
    # Another deployment's in the same account.
    shared.aws.add_shared_cluster(f"bezant-shared-c-{shared.model}", model="another")
    processes = [await shared.provisioner(), await shared.provisioner()]
    tenants = [await shared.new_tenant() for _ in range(6)]

    async def quiet(_: str) -> None:
        """Nobody watches."""

    ended = await asyncio.gather(
        *(processes[n % 2].provision_database(tenant, tier="shared", report=quiet) for n, tenant in enumerate(tenants)),
        return_exceptions=True,
    )
    counted = dict(await shared.sql("SELECT cluster, count(*) FROM control.cluster_assignments GROUP BY cluster"))
    assert counted == {f"bezant-shared-a-{shared.model}": 3, f"bezant-shared-b-{shared.model}": 2}
    refused = [each for each in ended if isinstance(each, ClustersFull)]
    assert len(refused) == 1
    assert f"bezant-shared-a-{shared.model} 3 of 3" in str(refused[0])
    assert "tier dedicated" in str(refused[0])
    # Cloning a template that somebody else is just cloning may be refused; the saga tries again.
    for tenant in (tenant for tenant, end in zip(tenants, ended, strict=True) if not isinstance(end, ClustersFull)):
        await processes[0].provision_database(tenant, tier="shared", report=quiet)
    for cluster in ("a", "b"):
        rows = await shared.sql(
            "SELECT tenant_id FROM control.cluster_assignments WHERE cluster = %s",
            f"bezant-shared-{cluster}-{shared.model}",
        )
        assert len(rows) == counted[f"bezant-shared-{cluster}-{shared.model}"]


async def test_a_place_is_kept_by_whoever_carries_on_and_given_back_at_the_end(shared: Place) -> None:
    shared.aws.add_shared_cluster(f"bezant-shared-{shared.model}", model=shared.model, **{"bezant:tenants": "1"})
    first, second = await shared.new_tenant(), await shared.new_tenant()
    assert await shared.run(first) == "succeeded"
    assert await shared.run(second) == "failed"
    error = (await shared.sql("SELECT error FROM control.operations WHERE tenant_id = %s", second))[0][0]
    assert f"bezant-shared-{shared.model} 1 of 1" in error
    assignments = Assignments(await shared.control(), region="us-east-1")
    await assignments.assign_shared(first, {"somewhere-else": 5})
    kept = await assignments.find(first)
    assert kept is not None
    assert kept.cluster == f"bezant-shared-{shared.model}"
    await shared.sql("DELETE FROM control.tenant_instances WHERE tenant_id = %s", first)
    assert await shared.left(second) == []
