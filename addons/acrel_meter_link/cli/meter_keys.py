"""`odoo meter_keys`: keys of links on a bench without a screen.

Loaded by Odoo outside its add-on and before the add-ons path is complete: everything of ours is
imported when the command runs.
"""

import importlib
import os
import sys
from pathlib import Path

from odoo.cli import Command


class MeterKeys(Command):
    """Make, hand over, rotate and revoke the keys of links"""

    name = "meter_keys"

    def run(self, args):
        """Do one action; exit code 2 and one sentence on wrong input."""
        # the protocol package as a top-level one, so that no add-on and no registry is loaded
        sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
        options = importlib.import_module("acrel_link.keys.options")
        sys.exit(options.main(args, os.environ, "odoo meter_keys"))
