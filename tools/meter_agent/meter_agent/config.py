"""The configuration file: which server, which link, which meters on which bus.

Every table of the TOML file has one dataclass; a wrong value raises `ConfigError` with one
sentence that names the file, the key and what to write instead.
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

from acrel_link.errors import ProtocolError
from acrel_link.serials import build_serial

from .errors import ConfigError

TLS, SEALED = "tls", "sealed"
AGENT_CLOCK, METER_CLOCK = "agent", "meter"


@dataclass(frozen=True, slots=True)
class MeterConfig:
    """A meter: `slave` is its address behind the link, `address` that on its bus."""

    slave: int
    address: int
    poll_closed: float
    poll_idle: float
    clock: str


@dataclass(frozen=True, slots=True)
class BusConfig:
    """A serial line (`port`) or a Modbus TCP device or serial server (`host`, `tcp_port`)."""

    name: str
    port: str | None
    baud: int
    parity: str
    stop_bits: int
    host: str | None
    tcp_port: int
    rtu_over_tcp: bool
    timeout: float
    retries: int
    meters: tuple[MeterConfig, ...]


@dataclass(frozen=True, slots=True)
class Config:
    """Everything the agent is told."""

    host: str
    port: int
    channel: str
    server_name: str | None
    serial: str
    iccid: str
    state: Path
    utc_offset: timezone
    spool_mb: int
    maintenance: bool
    buses: tuple[BusConfig, ...]

    @property
    def meters(self) -> tuple[MeterConfig, ...]:
        """The meters of all buses."""
        return tuple(meter for bus in self.buses for meter in bus.meters)


_REQUIRED = object()


class _Table:
    """One table of the file; every key of it must be taken."""

    def __init__(self, file: Path, name: str, values: Any):
        self._where = f"{file}, [{name}]"
        if not isinstance(values, Mapping):
            raise ConfigError(f"{self._where}: a table was expected.")
        self._values = dict(values)

    def take(self, key: str, check: Callable[[Any], Any], default: Any = _REQUIRED) -> Any:
        """Return a checked value and take it off the table."""
        value = self._values.pop(key, None)
        if value is None:
            if default is _REQUIRED:
                raise ConfigError(f"{self._where}: {key} is missing.")
            return default
        try:
            return check(value)
        except (ValueError, TypeError) as error:
            raise ConfigError(f"{self._where}: {key} is {value!r}, but {error}.") from error

    def has(self, key: str) -> bool:
        """Tell whether a key is set."""
        return key in self._values

    def done(self) -> None:
        """Refuse what was not taken: a misspelt key would silently not hold."""
        if self._values:
            names = ", ".join(sorted(self._values))
            raise ConfigError(f"{self._where}: {names} is unknown; see the README for all keys.")

    def wrong(self, reason: str) -> ConfigError:
        """Return an error that names this table."""
        return ConfigError(f"{self._where}: {reason}.")


def load(file: Path) -> Config:
    """Read and check the configuration file."""
    try:
        with file.open("rb") as opened:
            told = tomllib.load(opened)
    except OSError as error:
        raise ConfigError(
            f"The configuration {file} cannot be read: {error.strerror}. Name it by --config."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"The configuration {file} is no TOML: {error}.") from error
    server = _Table(file, "server", told.pop("server", {}))
    site = _Table(file, "site", told.pop("site", {}))
    buses = told.pop("bus", [])
    if told:
        raise ConfigError(f"{file}: [{min(told)}] is unknown; see the README for all tables.")
    if not isinstance(buses, list) or not buses:
        raise ConfigError(f"{file}: at least one [[bus]] is needed.")
    host, port = server.take("address", _address)
    config = Config(
        host=host,
        port=port,
        channel=server.take("channel", _one_of(TLS, SEALED)),
        server_name=server.take("name", _text, None),
        serial=site.take("serial", _serial),
        iccid=site.take("iccid", _iccid, ""),
        state=site.take("state", _folder, Path("/var/lib/meter-agent")),
        utc_offset=site.take("utc_offset", _offset, timezone(timedelta(hours=8))),
        spool_mb=site.take("spool_mb", _whole(1, 100_000), 64),
        maintenance=site.take("maintenance", _yes_or_no, False),
        buses=tuple(_bus(file, number, bus) for number, bus in enumerate(buses, 1)),
    )
    if config.server_name is not None and config.channel != TLS:
        raise server.wrong('name is the name in the server\'s certificate: only channel = "tls"')
    server.done()
    site.done()
    _check_unique(file, config)
    return config


def _bus(file: Path, number: int, values: Any) -> BusConfig:
    table = _Table(file, f"bus {number}", values)
    name = table.take("name", _text, f"bus {number}")
    serial_port, host = table.take("port", _text, None), table.take("host", _text, None)
    if (serial_port is None) == (host is None):
        raise table.wrong("either port (a serial line) or host (Modbus TCP) is needed")
    line_keys = ("baud", "parity", "stop_bits") if host else ("tcp_port", "rtu_over_tcp")
    for key in line_keys:
        if table.has(key):
            raise table.wrong(f"{key} does not belong to a bus with {'host' if host else 'port'}")
    meters = table.take("meter", _tables)
    bus = BusConfig(
        name=name,
        port=serial_port,
        baud=table.take("baud", _whole(300, 921_600), 9600),
        parity=table.take("parity", _one_of("N", "E", "O"), "N"),
        stop_bits=table.take("stop_bits", _whole(1, 2), 1),
        host=host,
        tcp_port=table.take("tcp_port", _whole(1, 65535), 502),
        rtu_over_tcp=table.take("rtu_over_tcp", _yes_or_no, False),
        timeout=table.take("timeout", _seconds(0.05, 30), 1.0),
        retries=table.take("retries", _whole(0, 5), 1),
        meters=tuple(_meter(file, name, meter) for meter in meters),
    )
    table.done()
    return bus


def _meter(file: Path, bus: str, values: Any) -> MeterConfig:
    table = _Table(file, f"{bus}, meter", values)
    slave = table.take("slave", _whole(1, 247))
    meter = MeterConfig(
        slave=slave,
        address=table.take("address", _whole(1, 247), slave),
        poll_closed=table.take("poll_closed", _seconds(0.1, 3600), 10.0),
        poll_idle=table.take("poll_idle", _seconds(0.1, 86_400), 60.0),
        clock=table.take("clock", _one_of(AGENT_CLOCK, METER_CLOCK), AGENT_CLOCK),
    )
    table.done()
    return meter


def _check_unique(file: Path, config: Config) -> None:
    for kind, found in (
        ("meters with slave", [meter.slave for meter in config.meters]),
        ("buses with the name", [bus.name for bus in config.buses]),
    ):
        for value in found:
            if found.count(value) > 1:
                raise ConfigError(f"{file}: two {kind} {value}; each may be there once.")
    for bus in config.buses:
        addresses = [meter.address for meter in bus.meters]
        if len(set(addresses)) < len(addresses):
            raise ConfigError(f"{file}: two meters of {bus.name} have one address on the bus.")


# === Checks of values: they return the value or raise ValueError === #


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("it must be a text")
    return value.strip()


def _address(value: Any) -> tuple[str, int]:
    host, colon, port = _text(value).rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError('it must be a host and a port, such as "meters.example.com:8452"')
    return host.strip("[]"), int(port)


def _serial(value: Any) -> str:
    try:
        build_serial(_text(value))
    except ProtocolError as error:
        raise ValueError("it must be 1 to 20 printable ASCII characters") from error
    return value.strip()


def _iccid(value: Any) -> str:
    text = _text(value)
    if len(text) > 30 or not text.isascii() or not text.isprintable():
        raise ValueError("it must be at most 30 printable ASCII characters")
    return text


def _folder(value: Any) -> Path:
    path = Path(_text(value))
    if not path.is_absolute():
        raise ValueError("it must be an absolute path")
    return path


def _offset(value: Any) -> timezone:
    text = _text(value)
    sign, hours, colon, minutes = text[:1], text[1:3], text[3:4], text[4:]
    digits = hours + minutes
    if sign not in ("+", "-") or colon != ":" or len(digits) != 4 or not digits.isdigit():
        raise ValueError('it must be an offset from UTC, such as "+08:00"')
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    if offset > timedelta(hours=14) or int(minutes) > 59:
        raise ValueError('it must be an offset from UTC, such as "+08:00"')
    return timezone(offset if sign == "+" else -offset)


def _yes_or_no(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("it must be true or false")
    return value


def _tables(value: Any) -> list:
    if not isinstance(value, list) or not value:
        raise ValueError("at least one [[bus.meter]] is needed")
    return value


def _whole(least: int, most: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"it must be a whole number from {least} to {most}")
        return value

    return check


def _seconds(least: float, most: float) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not least <= value <= most:
            raise ValueError(f"it must be a number of seconds from {least:g} to {most:g}")
        return float(value)

    return check


def _one_of(*choices: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"it must be one of {', '.join(choices)}")
        return value

    return check
