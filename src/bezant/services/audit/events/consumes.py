"""What the audit service listens to: every topic there is."""

from typing import Final

from bezant.contracts.events import AGGREGATE_TOPICS, BROADCAST_TOPICS

TOPICS: Final = (*AGGREGATE_TOPICS, *BROADCAST_TOPICS)
