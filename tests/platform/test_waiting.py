"""Waiting for a process that does not become ready ends in time, also when nothing at all changes meanwhile."""

import pytest

from bezant.local.platform import LocalPlatform


def test_waiting_for_another_run_of_a_process_ends_when_its_time_is_up(platform: LocalPlatform) -> None:
    running = platform.process("audit-0")
    platform.wait_ready("audit-0", timeout_seconds=1)
    with pytest.raises(TimeoutError, match="audit-0 was not ready within 1 s"):
        platform.wait_ready("audit-0", timeout_seconds=1, not_pid=running.pid)
