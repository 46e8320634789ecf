"""Try other rule sets on the payments that the demo made, as a risk team would before it changes anything."""

from dataclasses import dataclass
from typing import Any, Final

from bezant.cli.demo.play import Played
from bezant.cli.demo.scenario import TenantScenario
from bezant.client import BezantClient

_KEPT: Final = ("rules", "thresholds", "thresholds_by_currency", "block_lists", "allow_lists")
_STRICTER_RULES: Final[list[dict[str, Any]]] = [
    {"code": "outside_policy", "action": "decline", "score": 100,
     "expression": "size(blocked) > 0 || amount > limit_decline_amount"},
    {"code": "unlike_the_account", "action": "review", "score": 55,
     "expression": "source_earlier_count >= 5 && source_amount_ratio > 4.0"},
    {"code": "unknown_device_large", "action": "review", "score": 50,
     "expression": "device_id == '' && destination_is_new && amount > limit_new_destination_amount / 5.0"},
    {"code": "device_shared", "action": "decline", "score": 80,
     "expression": "device_id != '' && device_accounts_24h > 3"},
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class BacktestLine:
    """What one rule set would have made of a tenant's payments."""

    slug: str
    rules: str
    """Which rule set."""
    report: dict[str, Any]


async def backtest(
    client: BezantClient, tenant: TenantScenario, played: Played
) -> tuple[list[BacktestLine], list[str]]:
    """Return the lines of the tenant, and in sentences what is wrong with how the rules judged."""
    await _label_known_fraud(client, tenant, played)
    active = await client.get("/v1/fraud/rules")
    same = {name: active[name] for name in _KEPT}
    stricter = same | {"rules": _STRICTER_RULES}
    trials = {"as they are": same, "stricter": stricter, "none at all": {"rules": []}}
    lines = [
        BacktestLine(tenant.slug, name, await client.post("/v1/fraud/rules/backtest", rules))
        for name, rules in trials.items()
    ]
    problems = []
    as_they_are = lines[0].report
    if as_they_are["degraded"]:
        problems.append(f"{as_they_are['degraded']} payments were judged without the velocity counters")
    moved = [each for each in as_they_are["decisions"] if each["then"] != each["now"]]
    if moved:
        problems.append(f"a backtest of the rules that judged decides otherwise: {moved}")
    return lines, problems


async def _label_known_fraud(client: BezantClient, tenant: TenantScenario, played: Played) -> None:
    """Say that what came from the devices that the tenant has blocked was fraud: that is why it blocked them."""
    blocked = set(tenant.blocked_devices)
    for phase in tenant.phases:
        for row in phase.payments:
            if row.context.get("device_id") in blocked:
                path = f"/v1/fraud/labels/{played.payments[row.ref]}"
                await client.put(path, {"label": "fraud", "source": "report", "note": "a device that was taken over"})
