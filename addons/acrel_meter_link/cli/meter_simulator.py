"""`odoo meter_simulator`: ADW300 meters on real sockets, without a database."""

import importlib
import logging
import sys
from pathlib import Path

from odoo.cli import Command


class MeterSimulator(Command):
    """Simulate ADW300 meters with contactors and loads"""

    name = "meter_simulator"

    def run(self, args):
        """Run until stopped."""
        logging.basicConfig(
            level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
        )
        # the protocol package as a top-level one, so that no add-on and no registry is loaded
        sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
        sys.exit(
            importlib.import_module("acrel_link.simulator.run").main(args, "odoo meter_simulator")
        )
