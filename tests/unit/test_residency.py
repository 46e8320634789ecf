"""How many tenants fit the connections of a process, on a laptop and in a deployment."""

import pytest

from bezant.local import postgres
from bezant.local.options import PlatformOptions
from bezant.local.residency import residency_of, warning
from bezant.local.service_processes import connection_cap
from bezant.topology.capacity.residency import Residency


def test_the_tenants_of_a_platform_fit_until_their_minimum_is_above_the_cap() -> None:
    kept = Residency(process_connection_cap=100, min_connections=2, tenants=50)
    assert kept.is_kept and kept.fitting == 50 and warning(kept) is None
    over = Residency(process_connection_cap=100, min_connections=2, tenants=51)
    assert not over.is_kept
    assert "100 < 2 × 51 = 102" in str(warning(over))


@pytest.mark.parametrize("replicas", [{}, {"payment": 3, "fraud": 2}])
def test_the_caps_of_all_processes_fit_the_server(replicas: dict[str, int]) -> None:
    options = PlatformOptions(data_dir="/nowhere", replicas=replicas)
    with_tenant_databases = sum(options.replica_count(service) for service in options.services if service != "tenant")
    assert connection_cap(options) * with_tenant_databases < postgres.max_connections()


def test_a_laptop_with_eight_gigabytes_keeps_a_hundred_tenants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_memory_bytes", lambda: 8 * 1024**3)
    assert residency_of(PlatformOptions(data_dir="/nowhere"), tenants=100).is_kept
