"""What the link process is told: from the environment, overridden by arguments.

Every setting has one line in `SETTINGS`; a wrong one raises `SettingsError` with one sentence.
"""

import argparse
import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, make_dataclass
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from .lan_address import PRIVATE
from .logs import FORMATTERS

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


class SettingsError(Exception):
    """A setting cannot be used; the text says which, why and what to write instead."""


class Limits(NamedTuple):
    """What one address may take of a listener before its peers have proven themselves."""

    unfinished: int
    rate: int
    """New connections a second"""


def _listener(text: str) -> tuple[str, int] | None:
    return _address(text) if text else None


def _limits(text: str) -> Limits:
    unfinished, _, rate = text.partition(",")
    try:
        return Limits(_count(unfinished.strip()), _count(rate.strip()))
    except ValueError as error:
        raise ValueError(
            "it must be two whole numbers: unfinished handshakes of one address, and how many it "
            "may begin a second, such as 256,200"
        ) from error


def _yes(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError("it must be yes or no")
    return text == "yes"


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    host = host.strip("[]")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError("it must be an address and a port, such as 127.0.0.1:8450")
    try:
        ipaddress.ip_address(host)
    except ValueError as error:
        raise ValueError("its first part must be an IP address of this machine") from error
    return host, int(port)


def _no_address(text: str) -> tuple[str, int] | None:
    return _address(text) if text else None


def _networks(text: str) -> tuple[Network, ...]:
    networks = []
    for part in text.replace(",", " ").split():
        try:
            networks.append(ipaddress.ip_network(part))
        except ValueError as error:
            raise ValueError(f"{part} is no network; write for example 10.20.0.0/16") from error
    return tuple(networks)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 86400:
        raise ValueError("it must be a number of seconds between 0 and 86400")
    return seconds


def _long(text: str) -> float:
    """Read seconds of any length: what the channel prescribes is more than a day."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 90_000:
        raise ValueError("it must be a number of seconds between 0 and 90000")
    return seconds


def _count(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= 10_000_000:
        raise ValueError("it must be a whole number between 1 and 10000000")
    return int(text)


def _bytes(text: str) -> int:
    number, unit = text.rstrip("KMGkmg"), text[-1:].upper()
    shift = {"K": 10, "M": 20, "G": 30}.get(unit, 0)
    if not number.isdigit() or not 1 << 20 <= int(number) << shift <= 1 << 44:
        raise ValueError("it must be a number of bytes from 1M on, such as 512M or 2G")
    return int(number) << shift


def _folder(text: str) -> Path | None:
    if text and not Path(text).is_absolute():
        raise ValueError("it must be a folder by its absolute path, or empty for none")
    return Path(text) if text else None


def _offset(text: str) -> timezone:
    sign, hours, minutes = text[:1], text[1:3], text[4:]
    shape = len(text) == 6 and sign in ("+", "-") and text[3] == ":"
    if not shape or not (hours + minutes).isdigit() or int(hours) > 14 or int(minutes) > 59:
        raise ValueError("it must be an offset from UTC, such as +08:00")
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(offset if sign == "+" else -offset)


def _level(text: str) -> str:
    level = text.upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ValueError("it must be one of debug, info, warning, error")
    return level


def _log_format(text: str) -> str:
    if text not in FORMATTERS:
        raise ValueError(f"it must be one of {', '.join(FORMATTERS)}")
    return text


@dataclass(frozen=True)
class _Setting:
    name: str
    read: Callable[[str], Any]
    default: str
    help: str

    @property
    def variable(self) -> str:
        return f"ACREL_LINK_{self.name.upper()}"

    @property
    def option(self) -> str:
        return f"--{self.name.replace('_', '-')}"


SETTINGS = (
    _Setting("listen", _listener, "", "address and port of the plain channel; off when not set"),
    _Setting(
        "allow", _networks, "", "networks that may use the plain channel; default loopback only"
    ),
    _Setting("listen_tls", _listener, "", "address and port of the channel tls; off when not set"),
    _Setting("tls_certificate", str, "", "PEM file of the certificate that tls is served with"),
    _Setting("tls_key", str, "", "PEM file of its private key"),
    _Setting("tls_authority", str, "", "PEM file of the authorities of the meters' certificates"),
    _Setting(
        "listen_sealed", _listener, "", "address and port of the channel sealed; off when not set"
    ),
    _Setting("lab", _yes, "no", "yes: sealed takes keys of the test range; never in production"),
    _Setting("limits", _limits, "2000,2000", "plain: unfinished and new a second, of an address"),
    _Setting("limits_tls", _limits, "256,200", "the same of tls"),
    _Setting("limits_sealed", _limits, "256,200", "the same of sealed"),
    _Setting("shared", _networks, "", "networks whose addresses many meters share"),
    _Setting("limits_shared", _limits, "4096,2000", "the limits of an address of these"),
    _Setting("dsn", str, "", "libpq connection string of the role acrel_link"),
    _Setting(
        "root_key_file", str, "", "root key files of the secured channels, ':' between several"
    ),
    _Setting("poll_closed", _seconds, "10", "seconds between polls while an output is closed"),
    _Setting("poll_idle", _seconds, "300", "seconds between polls of an idle meter"),
    _Setting("poll_status", _seconds, "300", "seconds between reads of a meter's alarm words"),
    _Setting("poll_quality", _seconds, "3600", "seconds between reads of power quality and rates"),
    _Setting("poll_settings", _seconds, "86400", "seconds between reads of a meter's settings"),
    _Setting("sweep", _seconds, "5", "seconds between looks at what may have been missed"),
    _Setting("handshake_timeout", _seconds, "30", "seconds a peer has to prove its link"),
    _Setting("session_timeout", _long, "90000", "seconds until a secured link must prove again"),
    _Setting("lease", _seconds, "15", "seconds a process may stand still and keep its links"),
    _Setting("register_timeout", _seconds, "10", "seconds a peer has to register"),
    _Setting("frame_timeout", _seconds, "10", "seconds a begun frame has to be completed"),
    _Setting("idle_timeout", _seconds, "900", "seconds of silence after which a link is closed"),
    _Setting("request_timeout", _seconds, "5", "seconds a meter has to answer a request"),
    _Setting(
        "probe_timeout",
        _seconds,
        "10",
        "seconds an online link has to prove itself against a newcomer of its serial",
    ),
    _Setting(
        "lan_networks",
        _networks,
        PRIVATE,
        "networks in which meters are polled by Modbus, which encrypts nothing",
    ),
    _Setting("lan_timeout", _seconds, "2", "seconds a meter on a bus has to answer a request"),
    _Setting("feedback_time", _seconds, "2", "seconds a contactor has to follow its relay"),
    _Setting("retry_first", _seconds, "1", "seconds before an opening is tried again at first"),
    _Setting("retry_last", _seconds, "30", "seconds between tries of an opening in the end"),
    _Setting("max_connections", _count, "20000", "connections at most"),
    _Setting("max_unregistered", _count, "2000", "unregistered connections at most, a listener"),
    _Setting("frame_rate", _count, "200", "frames a second that are taken of one connection"),
    _Setting("flush_time", _seconds, "0.02", "seconds readings wait for others to be stored with"),
    _Setting("flush_rows", _count, "2000", "readings stored in one transaction at most"),
    _Setting("max_pending", _count, "50000", "readings kept while PostgreSQL is away"),
    _Setting(
        "spool",
        _folder,
        "",
        "folder for what arrives while PostgreSQL takes nothing; empty: it is not acknowledged",
    ),
    _Setting("spool_bytes", _bytes, "2G", "room that the spool may take on the disk"),
    _Setting("spool_after", _seconds, "2", "seconds without PostgreSQL until the spool is used"),
    _Setting("meter_time", _offset, "+08:00", "offset from UTC of the time meters are told"),
    _Setting("log_level", _level, "info", "debug, info, warning or error"),
    _Setting("log_format", _log_format, "text", "text for people, json for programs"),
    _Setting("metrics", _no_address, "", "address and port of /metrics and /healthz; empty: none"),
)

_Values = make_dataclass(
    "_Values", [(setting.name, Any) for setting in SETTINGS], frozen=True, slots=True
)


class Settings(_Values):
    """All settings, read and checked."""

    __slots__ = ()

    def allows(self, host: str) -> bool:
        """Tell whether a peer at this address may use the plain channel."""
        return _within(host, self.allow)

    def shares(self, host: str) -> bool:
        """Tell whether many meters may stand behind this address."""
        return _within(host, self.shared)

    def allows_lan(self, host: str) -> bool:
        """Tell whether meters at this address may be polled."""
        return _within(host, self.lan_networks)


def _within(host: str, networks: tuple[Network, ...]) -> bool:
    if not networks:
        return False
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in networks)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError(f"acrel_link: {message}; --help lists the settings.")


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Read the settings from arguments, then from the environment, then the defaults."""
    parser = _Parser(prog="python -m acrel_link", description="Talk to meters, store readings.")
    for setting in SETTINGS:
        shown = setting.default or "empty"
        parser.add_argument(
            setting.option, help=f"{setting.help} ({setting.variable}; {shown})", metavar="VALUE"
        )
    given = vars(parser.parse_args(arguments))
    values = {}
    for setting in SETTINGS:
        text = given[setting.name]
        if text is None:
            text = environment.get(setting.variable, setting.default)
        try:
            values[setting.name] = setting.read(text.strip())
        except ValueError as error:
            raise SettingsError(
                f"acrel_link: {setting.variable} is {text!r}, but {error}."
            ) from error
    _check_listeners(values)
    values["allow"] = values["allow"] or LOOPBACK
    return Settings(**values)


def _check_listeners(values: dict[str, Any]) -> None:
    """Refuse a plain listener for everybody, and one of tls without its files."""
    plain = values["listen"]
    if plain and not ipaddress.ip_address(plain[0]).is_loopback and not values["allow"]:
        raise SettingsError(
            f"acrel_link: ACREL_LINK_LISTEN is {plain[0]}, which others can reach, and "
            "the plain channel proves nobody's identity: name the networks of the meters in "
            "ACREL_LINK_ALLOW, listen on 127.0.0.1, or let them use tls or sealed."
        )
    missing = [
        f"ACREL_LINK_{name.upper()}"
        for name in ("tls_certificate", "tls_key", "tls_authority")
        if values["listen_tls"] and not values[name]
    ]
    if missing:
        raise SettingsError(
            f"acrel_link: ACREL_LINK_LISTEN_TLS needs {', '.join(missing)}: name PEM files; "
            "odoo meter_keys makes them (listener-certificate, authority)."
        )
