"""Where a bus of LAN meters is: an IP address of a private network, and a port."""

import ipaddress

LAN_CHANNELS = ("modbus_tcp", "modbus_rtu_tcp")
"""Where the link process connects to the meters, instead of they to it."""

PRIVATE = "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 127.0.0.0/8 fc00::/7 ::1/128"
"""Networks that no stranger is routed to."""

_NETWORKS = tuple(map(ipaddress.ip_network, PRIVATE.split()))


def split_address(address: str) -> tuple[str, int]:
    """Return host and port of 'host:port', an IPv6 host in brackets; raise ValueError."""
    host, colon, port = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    ip = ipaddress.ip_address(host[1:-1] if bracketed else host)
    if not colon or bracketed != (ip.version == 6):
        raise ValueError("an address is host:port, with an IPv6 host in brackets")
    if not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise ValueError("a port lies between 1 and 65535")
    return str(ip), int(port)


def is_private(address: str) -> bool:
    """Tell whether this is an address with a port, in a private network."""
    try:
        host, _ = split_address(address)
    except ValueError:
        return False
    return any(ipaddress.ip_address(host) in network for network in _NETWORKS)
