"""Calls between services that carry the parts of many tenants at once.

One HTTP request holds several parts; a part is one tenant's items with a token for that tenant. The answer
streams back part by part as each tenant's work finishes (JSON Lines), so that a slow database delays its own
tenant only. Every operation is idempotent, which is why the client may send a part again.
"""

from bezant.foundation.internal_calls.client import InternalCalls
from bezant.foundation.internal_calls.server import PartsRoute, parts_route

__all__ = ["InternalCalls", "PartsRoute", "parts_route"]
