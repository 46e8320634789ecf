"""`bezant audit` and `bezant fraud` against a running platform, as compliance and risk people use them."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bezant.cli.keyring import Keyring
from bezant.cli.main import app

from ..stores.fixtures import eventually
from .conftest import TestTenant


class Shell:
    """Runs `bezant` with one tenant's key."""

    def __init__(self, tenant: TestTenant, directory: Path) -> None:
        self.directory = directory
        Keyring(directory).put(tenant.slug, tenant.api_key)
        self._environment = {
            "BEZANT_DATA_DIR": str(directory),
            "BEZANT_URL": tenant.url,
            "BEZANT_TENANT": tenant.slug,
        }

    async def __call__(self, *words: Any) -> tuple[int, str]:
        # in a thread: a command runs an event loop of its own
        result = await asyncio.to_thread(CliRunner().invoke, app, [str(word) for word in words], env=self._environment)
        return result.exit_code, result.output

    async def json(self, *words: Any) -> Any:
        code, output = await self(*words, "--json")
        assert code == 0, output
        return json.loads(output)


@pytest.fixture
def shell(tenant: TestTenant, tmp_path: Path) -> Shell:
    return Shell(tenant, tmp_path)


async def test_a_receipt_and_the_log_verify_from_the_command_line(tenant: TestTenant, shell: Shell) -> None:
    payment = await tenant.pay("bank", "alice", 1_250)
    head, receipt, log = (shell.directory / name for name in ("head.json", "receipt.json", "log.jsonl"))

    async def logged() -> bool:
        return (await shell("audit", "receipt", payment["id"], "--file", receipt))[0] == 0

    await eventually(logged, within_seconds=20)
    assert json.loads(receipt.read_text())["payment_id"] == payment["id"]
    assert (await shell("audit", "verify", "--head", head))[0] == 0
    code, output = await shell("audit", "export", log)
    assert (code, output.split()[1]) == (0, str(log))
    assert (await shell("audit", "verify", "--file", log, "--head", head))[0] == 0
    log.write_bytes(log.read_bytes().replace(b"payment.captured", b"payment.declined", 1))
    assert (await shell("audit", "verify", "--file", log, "--head", head))[0] == 1


async def test_a_rule_set_goes_through_backtest_and_shadow_to_judging(tenant: TestTenant, shell: Shell) -> None:
    await tenant.pay("bank", "alice", 900)
    before = await shell.json("fraud", "rules")
    rules = shell.directory / "rules.yaml"
    rules.write_text('rules: [{code: large, action: review, expression: "amount > 5.0"}]')
    report = await shell.json("fraud", "backtest", rules)
    assert report["payments"] > 0
    assert report["rules"][0]["reason"] == "large"
    shadow = await shell.json("fraud", "set", rules, "--shadow", "--note", "first a look")
    assert (shadow["mode"], shadow["note"]) == ("shadow", "first a look")
    assert (await shell.json("fraud", "rules"))["version"] == before["version"]
    paid = await tenant.pay("bank", "alice", 800)
    assert paid["status"] == "captured"
    assert (await shell.json("fraud", "shadow"))["matched"] == {"large": 1}
    active = await shell.json("fraud", "activate", shadow["version"])
    held = await tenant.pay("bank", "alice", 700)
    assert held["status"] == "requires_review"
    back = await shell.json("fraud", "activate", before["version"])
    assert back["version"] == active["version"] + 1
    for command in (("rules",), ("history",), ("backtest", rules), ("settings",), ("cases", "list")):
        code, output = await shell("fraud", *command)
        assert code == 0, output
    claimed = await shell.json("fraud", "cases", "claim")
    await shell.json("fraud", "cases", "note", claimed["id"], "asked him")
    decided = await shell.json("fraud", "cases", "decide", claimed["id"], "approve")
    assert decided["status"] == "approved"
    labelled = await shell.json("fraud", "label", claimed["payment_id"], "legitimate")
    assert labelled["label"] == "legitimate"
    code, output = await shell("fraud", "cases", "decide", claimed["id"], "approve")
    assert (code, "fraud_case_already_decided" in output) == (1, True)


async def test_lists_change_from_the_command_line(shell: Shell) -> None:
    added = await shell.json("fraud", "block", "device_ids", "emulator-1", "emulator-2", "--note", "seen before")
    assert set(added["block_lists"]["device_ids"]) >= {"emulator-1", "emulator-2"}
    removed = await shell.json("fraud", "block", "device_ids", "emulator-1", "emulator-2", "--remove")
    assert removed["block_lists"]["device_ids"] == []
    assert (await shell("fraud", "block", "shoes", "x"))[0] == 1
