"""Which addresses webhooks may be sent to.

A tenant chooses the URL, and the request leaves from inside our network: without these checks an endpoint could
name our own databases or the cloud's metadata service (server-side request forgery). The name is checked when
the endpoint is made, and every address that it resolves to is checked again at each delivery, since a name can
resolve to something else by then.
"""

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from bezant.services.notification.domain.problems import EndpointUrlRefused

MAX_URL_LENGTH: Final = 2_000
_LOCAL_NAMES: Final = ("localhost", ".localhost", ".local", ".internal", ".svc", ".cluster.local")


def is_public_address(address: str) -> bool:
    """Return whether an IP address is reachable by everyone: not private, loopback, link-local or reserved."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        # An IPv4 address may hide inside: mapped (RFC 4291), 6to4 (RFC 3056) or behind NAT64 (RFC 6052).
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public_address(str(inner))
    return ip.is_global and not ip.is_multicast


def check_url(url: str, *, allow_http: bool, allow_private_targets: bool) -> None:
    """Raise `EndpointUrlRefused` unless webhooks may be sent to this URL."""
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
    if not allow_private_targets:
        _check_host(host)


def _check_host(host: str) -> None:
    try:
        public = is_public_address(host)
    except ValueError:
        name = host.rstrip(".").lower()
        # Without a dot it can only be a name of our own network; all digits would be read as an IPv4 address.
        public = "." in name and not name.endswith(_LOCAL_NAMES) and not name.rpartition(".")[2].isdecimal()
    if not public:
        raise EndpointUrlRefused(f"{host} is not a public address; webhooks are sent to public addresses only.")
