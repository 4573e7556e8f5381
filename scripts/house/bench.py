"""Runs one bench: the generator `run(stage, seconds, …)` of bench/NAME.py gives the figures."""

import importlib
import inspect
import json
import sys
from collections.abc import Sequence

from . import bootstrap, paths
from .bench_command import STEPS, parse, wishes
from .children import Stop, adopt_orphans, end_orphans, stopping_on_signals
from .errors import Refused, exit_code
from .stage import Stage


def main(arguments: Sequence[str]) -> int:
    """Measure and print; a bench that finds its own figures wrong fails."""
    options = parse(arguments)
    # Some share with the tests what drives the product.
    sys.path[:0] = [
        str(folder)
        for folder in (
            paths.ROOT / "bench",
            paths.ROOT / "tests",
            paths.ROOT / "tests" / "e2e",
            paths.ADDONS / "acrel_meter_link",
        )
    ]
    adopt_orphans()
    steps = bootstrap.steps(STEPS)
    try:
        with stopping_on_signals():
            steps.step("Odoo 19, PostgreSQL")
            with Stage.open(steps.note) as stage:
                steps.step(f"bench {options.name}, {options.seconds:g} s")
                bench = importlib.import_module(options.name)
                wanted = wishes(options)
                if unknown := wanted.keys() - inspect.signature(bench.run).parameters.keys():
                    raise Refused(f"The bench {options.name} takes no --{sorted(unknown)[0]}.")
                for figure, value, unit in bench.run(stage, options.seconds, **wanted):
                    line = {"bench": options.name, "figure": figure, "value": value, "unit": unit}
                    print(json.dumps(line), flush=True)
    except Stop:
        return 130
    finally:
        left = end_orphans()
    if left:
        raise Refused(f"The bench left processes behind: {'; '.join(left)}.")
    return 0


if __name__ == "__main__":
    sys.exit(exit_code(lambda: main(sys.argv[1:])))
