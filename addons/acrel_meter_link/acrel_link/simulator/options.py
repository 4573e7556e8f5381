"""What a simulator is told, by arguments."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import NoReturn

from ..profiles import names
from ..rtu import MAX_SLAVE

MOST = 20_000
CHANNELS = ("plain", "tls", "sealed")
SUITES = (0x01, 0x02, 0x03, 0x11, 0x12, 0x13)


class OptionsError(Exception):
    """An option cannot be used; the text says which and why."""


@dataclass(slots=True)
class Options:
    """How many meters, where they call, and how they behave."""

    connect: tuple[str, int] = ("127.0.0.1", 8450)
    channel: str = "plain"
    package: Sequence[Path] = ()
    passphrase_file: Path | None = None
    suites: tuple[int, ...] = SUITES
    count: int = 1
    serial_start: int = 99_000_000_000_001
    load: int = 7000
    phases: int = 3
    speed: Fraction = Fraction(1)
    interval: float = 30.0
    heartbeat: float = 60.0
    retry: float = 5.0
    profile: str = "adw300_nb"
    start_register: int | None = None
    modbus: tuple[str, int] | None = None
    control: int | None = None
    state: Path | None = None
    paused: bool = False
    seed: int = 0

    def __post_init__(self):
        for problem, wrong in (
            (f"--count must be 1 to {MOST}, not {self.count}", not 1 <= self.count <= MOST),
            (
                f"--serial-start must leave all serials 14 digits, not {self.serial_start}",
                not 10**13 <= self.serial_start <= 10**14 - self.count,
            ),
            (f"--load must be 0 to 10000000 W, not {self.load}", not 0 <= self.load <= 10**7),
            (f"--phases must be 1 or 3, not {self.phases}", self.phases not in (1, 3)),
            (
                f"--speed must be more than 0 and at most 100000, not {self.speed}",
                not 0 < self.speed <= 100_000,
            ),
            (f"--interval must not be negative, not {self.interval}", self.interval < 0),
            (f"--heartbeat must be above 0 s, not {self.heartbeat}", self.heartbeat <= 0),
            (f"--retry must be above 0 s, not {self.retry}", self.retry <= 0),
            (
                f"--start-register must be 0 to 4294967295, not {self.start_register}",
                self.start_register is not None and not 0 <= self.start_register < 2**32,
            ),
            (
                f"--count must be 1 to {MAX_SLAVE} on a Modbus bus, not {self.count}",
                self.modbus is not None and self.count > MAX_SLAVE,
            ),
        ):
            if wrong:
                raise OptionsError(f"{problem}.")
        if (self.channel == "plain") is bool(self.package):
            raise OptionsError(
                "--channel tls and --channel sealed need --package, and plain needs none."
            )


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT")
    return host.strip("[]"), int(port)


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port")
    return int(text)


def _suites(text: str) -> tuple[int, ...]:
    try:
        suites = tuple(int(part, 16) for part in text.split(","))
    except ValueError:
        suites = ()
    if not suites or not set(suites) <= set(SUITES):
        raise argparse.ArgumentTypeError(f"{text!r} is no list of suites such as 01,11")
    return suites


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise OptionsError(f"{message[:1].upper()}{message[1:]}. See --help.")


def parse(arguments: Sequence[str], prog: str) -> Options:
    """Return the options; raise `OptionsError` with a sentence when they cannot be used."""
    default = Options()
    parser = _Parser(prog=prog, description="Simulate ADW300 meters with contactors and loads.")
    add = parser.add_argument
    add("--connect", type=_address, default=default.connect, metavar="HOST:PORT")
    add("--channel", choices=CHANNELS, default=default.channel, help="how frames are protected")
    add(
        "--package",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="provisioning package or PKCS#12 of the meters; may be given again",
    )
    add("--passphrase-file", type=Path, metavar="FILE", help="passphrase of the packages")
    add("--suites", type=_suites, default=default.suites, help="that the meters offer: 01,11,…")
    add("--count", type=int, default=default.count, help="how many meters")
    add("--serial-start", type=int, default=default.serial_start, help="serial of the first one")
    add("--load", type=int, default=default.load, help="W that a car takes")
    add("--phases", type=int, default=default.phases, help="phases that it takes them from: 1, 3")
    add("--speed", type=Fraction, default=default.speed, help="how many times faster energy grows")
    add("--interval", type=float, default=default.interval, help="s between uploads; 0: at once")
    add("--heartbeat", type=float, default=default.heartbeat, help="s between heartbeats")
    add("--retry", type=float, default=default.retry, help="s to wait for an acknowledgement")
    add("--profile", choices=names(), default=default.profile, help="model of the meters")
    add("--start-register", type=int, help="energy at the start, in 0.01 kWh; default: by seed")
    add(
        "--modbus",
        type=_address,
        metavar="HOST:PORT",
        help="call nobody: be slaves 1, 2, … of a Modbus TCP device that listens there",
    )
    add("--control", type=_port, metavar="PORT", help="listen on 127.0.0.1 for commands; 0: any")
    add("--state", type=Path, metavar="FILE", help="keep registers there, over a restart")
    add("--paused", action="store_true", help="upload nothing until `pause` is lifted")
    add("--seed", type=int, default=default.seed)
    chosen = parser.parse_args(arguments)
    return Options(**{field.name: getattr(chosen, field.name) for field in fields(Options)})
