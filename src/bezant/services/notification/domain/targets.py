"""Which addresses webhooks may be sent to.

A tenant chooses the URL, and the request leaves from inside our network: without these checks an endpoint could
name our own databases or the cloud's metadata service (server-side request forgery). The name and what it
resolves to are checked when the endpoint is made, and every address that it resolves to is checked again at each
connection, since a name can resolve to something else by then.

A URL is read by the URL standard (https://url.spec.whatwg.org), and what is checked is what that reading gives, so that
`0x7f.1`, `１２７。0。0。1` and `ex%61mple.com` are judged, kept and sent to in their normal form.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from ada_url import URL, HostType

from bezant.services.notification.domain.problems import EndpointUrlRefused

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_URL_LENGTH: Final = 2_000
_LOCAL_NAMES: Final = ("localhost", ".localhost", ".local", ".internal", ".svc", ".cluster.local")
_GLOBAL_UNICAST: Final = ipaddress.ip_network("2000::/3")
_EMBEDDING: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        # compatible and mapped (RFC 4291), translated by SIIT (RFC 2765), behind NAT64 (RFC 6052)
        "::/96",
        "::ffff:0:0/96",
        "::ffff:0:0:0/96",
        "64:ff9b::/96",
    )
)
"""IPv6 networks whose last 32 bits are an IPv4 address."""
_ISATAP: Final = frozenset({0x0000_5EFE, 0x0200_5EFE})
_SPECIAL: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        # metadata and host services of clouds at addresses that look public: Azure and Oracle
        "168.63.129.16/32",
        "192.0.0.0/24",
        # 6to4 relays, benchmarks and what RFC 6890 keeps back
        "192.88.99.0/24",
        "198.18.0.0/15",
        "240.0.0.0/4",
        # IETF protocols (Teredo, ORCHID, benchmarks), documentation (RFC 9637)
        "2001::/23",
        "3fff::/20",
    )
)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a webhook goes."""

    url: str
    """The whole URL in the normal form of the URL standard."""
    host: str
    """Its host: a name in ASCII, or an address without brackets."""


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
    if isinstance(ip, ipaddress.IPv6Address):
        if (inner := _inside(ip)) is not None:
            return is_allowed_address(str(inner), allowed)
        if (inner := _isatap(ip)) is not None and not is_allowed_address(str(inner), allowed):
            return False
        if ip not in _GLOBAL_UNICAST:
            # Nothing else is given out to be reached by everyone (RFC 4291 section 2.4, IANA's registry).
            return False
    special = any(ip.version == network.version and ip in network for network in _SPECIAL)
    return ip.is_global and not ip.is_multicast and not special


def _inside(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address stands for and is routed by."""
    if any(ip in network for network in _EMBEDDING):
        return ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.sixtofour  # RFC 3056


def _isatap(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address in the interface identifier of an ISATAP address (RFC 5214 section 6.1)."""
    if (int(ip) >> 32) & 0xFFFF_FFFF not in _ISATAP:
        return None
    return ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)


def check_url(url: str, *, allow_http: bool, allowed: Sequence[Network] = ()) -> Target:
    """Return where the URL leads. Raises `EndpointUrlRefused` unless webhooks may be sent there by what it says.

    A name of our own network passes only where some networks are allowed: what it resolves to then decides.
    """
    if len(url) > MAX_URL_LENGTH:
        raise EndpointUrlRefused(f"The URL is longer than {MAX_URL_LENGTH} characters.")
    if "#" in url or "\\" in url or any(character <= " " or character == "\x7f" for character in url):
        raise EndpointUrlRefused("The URL must not hold a fragment, backslashes, spaces or control characters.")
    if not url.lower().startswith(("https://", "http://")):
        raise EndpointUrlRefused("The URL must be absolute, for example https://example.com/webhooks.")
    try:
        read = URL(url)
    except ValueError as error:
        raise EndpointUrlRefused("The URL cannot be read: check its host and port.") from error
    if read.port == "0":
        raise EndpointUrlRefused("The URL must name a port from 1 to 65535, or none.")
    if read.protocol == "http:" and not allow_http:
        raise EndpointUrlRefused("The URL must start with https://, so that nobody on the way reads the events.")
    if read.username or read.password:
        raise EndpointUrlRefused("The URL must not hold a user name or password; check the signature instead.")
    if len(read.href) > MAX_URL_LENGTH:
        raise EndpointUrlRefused(f"The URL is longer than {MAX_URL_LENGTH} characters once it is percent-encoded.")
    host = read.hostname.strip("[]")
    if read.host_type == HostType.DEFAULT:
        name = host.rstrip(".")
        # Without a dot it can only be a name of our own network.
        local = "." not in name or name.endswith(_LOCAL_NAMES)
        public = bool(allowed) or not local
    else:
        public = is_allowed_address(host, allowed)
    if not public:
        raise refused(host)
    return Target(read.href, host)


def kept_form(url: str, target: Target) -> str:
    """Return the URL as it is kept and shown: as it was given if that is its normal form, otherwise the normal form.

    The slash of an empty path may be missing.
    """
    return url if target.url in (url, url + "/") else target.url


def refused(host: str) -> EndpointUrlRefused:
    """Return the refusal of a host. It does not say what the name resolves to: that is not the tenant's to know."""
    return EndpointUrlRefused(f"{host} is not a public address; webhooks are sent to public addresses only.")
