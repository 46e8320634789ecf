"""One platform for all fault tests, with two replicas of what moves money, and with failpoints."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bezant.client import BezantClient
from bezant.local.administration import make_admin_key, settings_of
from bezant.local.options import PlatformOptions
from bezant.local.platform import LocalPlatform

from ..local.parts import BLOCK, free_block
from .fleet import Fleet
from .journal import JournallingClient
from .receiver import WebhookReceiver
from .stage import Stage

REPLICATED = ("tenant", "account", "transaction", "payment")
# What takes seconds in life takes less here, so that a test sees the end of it; the mechanisms are the same.
_SETTINGS = {
    "BEZANT_PAYMENT_STUCK_AFTER_SECONDS": "2",
    "BEZANT_TENANT_SAGA_LEASE_SECONDS": "2",
    "BEZANT_TENANT_FLEET_TIMEOUT_SECONDS": "25",
    "BEZANT_NOTIFICATION_REQUEST_TIMEOUT_SECONDS": "3",
    "BEZANT_NOTIFICATION_LEASE_SECONDS": "5",
    "BEZANT_KAFKA_SESSION_TIMEOUT_SECONDS": "3",
    "BEZANT_POOL_IDLE_SECONDS": "45",
    "BEZANT_TRACE_SAMPLE_RATIO": "0.2",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Search for leaked secrets after everything else has had the occasion to leak them."""
    items.sort(key=lambda item: item.path.stem == "test_planted_secrets")


@pytest.fixture(scope="session")
def room(request: pytest.FixtureRequest) -> Iterator[Path]:
    """A directory that any account can pass: PostgreSQL does not run as root. Kept when a test has failed."""
    root = Path(tempfile.mkdtemp(prefix="bezant-faults-", dir="/tmp"))
    root.chmod(0o755)
    yield root
    if request.session.testsfailed:
        print(f"\nthe platform's logs are kept in {root / 'data' / 'logs'}")
    else:
        shutil.rmtree(root)


@pytest.fixture(scope="session")
def fleet(room: Path) -> Iterator[Fleet]:
    failpoints = room / "failpoints"
    failpoints.mkdir()
    base = free_block(set())
    platform = LocalPlatform(
        PlatformOptions(
            data_dir=str(room / "data"),
            gateway_port=base + BLOCK - 1,
            port_base=base,
            replicas=dict.fromkeys(REPLICATED, 2),
            environment=_SETTINGS | {"BEZANT_FAILPOINT_DIR": str(failpoints)},
            longest_backoff_seconds=1.0,
        )
    )
    with platform:
        yield Fleet(platform, failpoints)


@pytest.fixture(scope="session")
async def stage(fleet: Fleet) -> AsyncIterator[Stage]:
    admin_key = await make_admin_key(settings_of(fleet.platform.directory.root), "fault tests")
    client, receiver = JournallingClient(fleet.platform.url), WebhookReceiver()
    await receiver.open()
    async with BezantClient(fleet.platform.url, admin_key) as admin:
        yield Stage(fleet, client, admin, receiver, {admin_key})
    await client.close()
    await receiver.close()
