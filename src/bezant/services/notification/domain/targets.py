"""Which addresses webhooks may be sent to.

A tenant chooses the URL, and the request leaves from inside our network: without these checks an endpoint could
name our own databases or the cloud's metadata service (server-side request forgery). The name and what it
resolves to are checked when the endpoint is made, and every address that it resolves to is checked again at each
connection, since a name can resolve to something else by then.
"""

import ipaddress
import re
from collections.abc import Sequence
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from bezant.services.notification.domain.problems import EndpointUrlRefused

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_URL_LENGTH: Final = 2_000
_LOCAL_NAMES: Final = ("localhost", ".localhost", ".local", ".internal", ".svc", ".cluster.local")
_NUMBER: Final = re.compile(r"0x[0-9a-f]*|[0-9]+")
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE: Final = ipaddress.ip_network("::/96")
_SPECIAL: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        # metadata and host services of clouds at addresses that look public: Azure and Oracle
        "168.63.129.16/32",
        "192.0.0.0/24",
        # 6to4 relays, benchmarks and what RFC 6890 keeps back; site-local IPv6; Teredo; NAT64 of a network's own
        "192.88.99.0/24",
        "198.18.0.0/15",
        "240.0.0.0/4",
        "fec0::/10",
        "2001::/32",
        "64:ff9b:1::/48",
    )
)


def networks_of(text: str) -> tuple[Network, ...]:
    """Return the networks in a list with commas (`127.0.0.0/8,::1/128`). Raises `ValueError`."""
    return tuple(ipaddress.ip_network(each.strip()) for each in text.split(",") if each.strip())


def is_allowed_address(address: str, allowed: Sequence[Network] = ()) -> bool:
    """Return whether webhooks may go to an IP address: one that everyone can reach, or one of `allowed`.

    Raises `ValueError` for what is no address.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if any(ip.version == network.version and ip in network for network in allowed):
        return True
    if (inner := _inside(ip)) is not None:
        return is_allowed_address(str(inner), allowed)
    special = any(ip.version == network.version and ip in network for network in _SPECIAL)
    return ip.is_global and not ip.is_multicast and not special


def _inside(ip: Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address stands for.

    Mapped and compatible (RFC 4291), 6to4 (RFC 3056) or behind NAT64 (RFC 6052).
    """
    if isinstance(ip, ipaddress.IPv4Address):
        return None
    inner = ip.ipv4_mapped or ip.sixtofour
    if inner is None and (ip in _NAT64 or (ip in _COMPATIBLE and int(ip) > 1)):
        inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return inner


def check_url(url: str, *, allow_http: bool, allowed: Sequence[Network] = ()) -> str:
    """Return the URL's host. Raises `EndpointUrlRefused` unless webhooks may be sent to the URL by what it says.

    A name of our own network passes only where some networks are allowed: what it resolves to then decides.
    """
    if len(url) > MAX_URL_LENGTH:
        raise EndpointUrlRefused(f"The URL is longer than {MAX_URL_LENGTH} characters.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise EndpointUrlRefused(f"The URL cannot be read: {error}.") from error
    if parts.scheme not in ("https", "http") or not host or port == 0:
        raise EndpointUrlRefused("The URL must be absolute, for example https://example.com/webhooks.")
    if parts.scheme == "http" and not allow_http:
        raise EndpointUrlRefused("The URL must start with https://, so that nobody on the way reads the events.")
    if parts.username or parts.password:
        raise EndpointUrlRefused("The URL must not hold a user name or password; check the signature instead.")
    if parts.fragment or any(character <= " " or character == "\x7f" for character in url):
        raise EndpointUrlRefused("The URL must not hold a fragment, spaces or control characters.")
    _check_host(host, allowed)
    return host


def _check_host(host: str, allowed: Sequence[Network]) -> None:
    try:
        public = is_allowed_address(host, allowed)
    except ValueError:
        name = host.rstrip(".").lower()
        # A last part that is a number makes the whole an IPv4 address to many libraries (127.1, 0x7f.1): refused.
        number = _NUMBER.fullmatch(name.rpartition(".")[2]) is not None
        # Without a dot it can only be a name of our own network.
        local = "." not in name or name.endswith(_LOCAL_NAMES)
        public = not number and (bool(allowed) or not local)
    if not public:
        raise refused(host)


def refused(host: str) -> EndpointUrlRefused:
    """Return the refusal of a host. It does not say what the name resolves to: that is not the tenant's to know."""
    return EndpointUrlRefused(f"{host} is not a public address; webhooks are sent to public addresses only.")
