"""The command line of `scripts/bench`; needs nothing but Python itself."""

import argparse
from collections.abc import Sequence

from . import bootstrap, paths

STEPS = 3
HELP = """\
Measures the shipped commands over real sockets, on a database of its own under .local/, and prints
one JSON object a figure with the keys bench, figure, value and unit.
"""


def names() -> list[str]:
    """List the benches: the files of bench/ that do not begin with an underscore."""
    return sorted(file.stem for file in (paths.ROOT / "bench").glob("[!_]*.py"))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        "scripts/bench", description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=names(), help="what to measure")
    parser.add_argument(
        "--seconds", type=_seconds, default=30.0, help="how long to measure (default: 30)"
    )
    parser.add_argument("--meters", type=_count, help="how many meters (ingest, connections)")
    parser.add_argument(
        "--channel", choices=("plain", "sealed"), help="how they speak (ingest, connections)"
    )
    parser.add_argument(
        "--peer",
        action="store_true",
        default=None,
        help="measure what others would use in the same run (ingest)",
    )
    parser.add_argument(
        "--rows", type=_rows, help="how many readings are stored in the end (growth)"
    )
    return parser.parse_args(arguments)


def wishes(options: argparse.Namespace) -> dict[str, object]:
    """Return the options that only some benches take, as far as they were given."""
    given = {name: getattr(options, name) for name in ("meters", "channel", "peer", "rows")}
    return {name: value for name, value in given.items() if value is not None}


def enter(arguments: Sequence[str]) -> int:
    """Read the command line, then go on inside the virtual environment."""
    options = parse(arguments)
    packages = "requirements-bench.txt" if options.peer else "requirements.txt"
    bootstrap.enter("house.bench", packages, arguments, STEPS)
    return 0


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= 86_400:
        raise argparse.ArgumentTypeError("it must be more than 0 and at most 86400")
    return value


def _count(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= 20_000:
        raise argparse.ArgumentTypeError("it must be a whole number from 1 to 20000")
    return int(text)


def _rows(text: str) -> int:
    if not text.isdigit() or not 2_000_000 <= int(text) <= 1_000_000_000:
        raise argparse.ArgumentTypeError("it must be a whole number from 2000000 to 1000000000")
    return int(text)
