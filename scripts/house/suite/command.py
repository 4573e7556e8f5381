"""The command line of `scripts/test`; needs nothing but Python itself."""

import argparse
from collections.abc import Sequence

from .. import bootstrap

PARTS = ("lint", "unit", "odoo", "e2e")
HELP = """\
Runs the suite, or the parts named, in a PostgreSQL cluster of its own under .local/.

  lint   ruff's rules and format, pylint-odoo's rules
  unit   pytest over the packages that need no Odoo
  odoo   each add-on installed on its dependencies alone, its own tests, no warning in the log
  e2e    real processes, a real browser, faults; scripts/run on a fresh copy of the project
"""


def steps(chosen: Sequence[str]) -> int:
    """Count the steps of these parts with what must be there for them."""
    chosen = set(chosen)
    # `e2e` is two steps: its own folder of tests, and those of scripts/run.
    return 1 + bool({"odoo", "e2e"} & chosen) + len(chosen) + ("e2e" in chosen)


def enter(arguments: Sequence[str]) -> int:
    """Read the command line, then go on inside the virtual environment."""
    parser = argparse.ArgumentParser(
        "scripts/test", description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", nargs="*", choices=[*PARTS, []], help=", ".join(PARTS))
    chosen = parser.parse_args(arguments).part or list(PARTS)
    bootstrap.enter("house.suite", "requirements-test.txt", chosen, steps(chosen))
    return 0
