"""Hear of every change of a running platform, in the event loop of whoever listens."""

import asyncio
import threading
from collections.abc import Callable

from bezant.local.errors import PlatformError
from bezant.local.platform import LocalPlatform
from bezant.local.status import PlatformStatus


def follow(platform: LocalPlatform, on_change: Callable[[PlatformStatus], None]) -> None:
    """Call `on_change` in this event loop with the state now and after each change, until the platform ends."""
    loop = asyncio.get_running_loop()

    def watch() -> None:
        try:
            for status in platform.changes():
                loop.call_soon_threadsafe(on_change, status)
        except (PlatformError, RuntimeError):
            return  # the platform or the rehearsal has ended: nothing changes any more

    threading.Thread(target=watch, name="follow the platform", daemon=True).start()
