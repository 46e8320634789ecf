"""Events on the way: the relay that publishes outbox rows, and the consumers that hand events to services.

Delivery is at least once in both directions. The order of one aggregate is kept: its outbox rows are inserted
under the lock of the aggregate, so that they become visible in the order of `n`; the relay publishes what is
visible in that order, one relay at a time for each tenant and service; the Kafka key keeps it from there on.
"""

from bezant.foundation.events.inbox import claim_new
from bezant.foundation.events.subscription import Subscription

__all__ = ["Subscription", "claim_new"]
