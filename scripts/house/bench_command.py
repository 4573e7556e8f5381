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
    return parser.parse_args(arguments)


def enter(arguments: Sequence[str]) -> int:
    """Read the command line, then go on inside the virtual environment."""
    parse(arguments)
    bootstrap.enter("house.bench", "requirements.txt", arguments, STEPS)
    return 0


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value <= 86_400:
        raise argparse.ArgumentTypeError("it must be more than 0 and at most 86400")
    return value
