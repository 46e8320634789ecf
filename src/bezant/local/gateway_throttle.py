"""What the gateway refuses itself of the requests of a key that its service refuses: Envoy's Lua filter.

Source: https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/http/http_filters/lua_filter
"""

from importlib.resources import files
from typing import Final

from bezant.local.gateway_replies import REFUSALS

TAKEN_MULTIPLE: Final = 1.1
"""How much more of a key's requests goes on to the service than it took lately: what finds out that it takes more."""


def throttle_script() -> str:
    """Return the filter's script with its settings."""
    statuses = ", ".join(f'{reason} = "{reply.status}"' for reason, reply in REFUSALS.items())
    script = files("bezant.local").joinpath("throttle.lua").read_text()
    return f"local TAKEN_MULTIPLE = {TAKEN_MULTIPLE}\nlocal STATUSES = {{{statuses}}}\n\n{script}"
