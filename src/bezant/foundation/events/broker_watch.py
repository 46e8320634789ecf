"""Notice that the broker was emptied.

Every process writes heartbeats to one partition. Offsets of a partition only grow; when a confirmed heartbeat
got an offset that is not larger than one that had been confirmed before it was sent, the log is not the one it
was. The first process to notice raises the generation in the control database; every relay then publishes its
retained events again. Works alike on a broker in memory that was restarted and on a topic that was recreated.
"""

import asyncio
import logging
from collections.abc import Callable

from bezant.contracts.events import HEARTBEAT
from bezant.contracts.problems import Unavailable
from bezant.foundation.control.database import QUERIES, ControlDatabase
from bezant.foundation.events.producer import EventProducer

_log = logging.getLogger(__name__)


class BrokerWatch:
    """Keeps the broker's generation current in this process."""

    def __init__(
        self,
        control: ControlDatabase,
        producer: EventProducer,
        *,
        interval_seconds: float,
        on_new_generation: Callable[[], None],
    ) -> None:
        self._control = control
        self._producer = producer
        self._interval_seconds = interval_seconds
        self._on_new_generation = on_new_generation
        self.generation = 0

    async def check(self) -> None:
        """Write one heartbeat and compare. Raises `BrokerUnavailable`, `ControlUnavailable`."""
        row = await self._control.fetch_one(QUERIES["broker_state"])
        assert row is not None
        generation, last_offset = row
        self._adopt(generation)
        instance = self._control.settings.instance_id
        offset = await self._producer.publish([(HEARTBEAT, instance, '{"instance":"' + instance + '"}')])
        if offset > last_offset:
            await self._control.execute(QUERIES["record_heartbeat"], {"offset": offset, "generation": generation})
            return
        raised = await self._control.execute(QUERIES["raise_generation"], {"offset": offset, "generation": generation})
        if raised:
            _log.warning(
                "the broker was emptied (offset %d after %d): generation %d begins", offset, last_offset, generation + 1
            )
            self._adopt(generation + 1)

    def _adopt(self, generation: int) -> None:
        if generation > self.generation:
            self.generation = generation
            self._on_new_generation()

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            try:
                await self.check()
            except Unavailable as error:
                _log.info("the broker cannot be watched: %s", error)
            await asyncio.sleep(self._interval_seconds)
