"""`odoo meter_link`: the processes that speak to the meters.

Loaded by Odoo outside its add-on and before the add-ons path is complete: everything of ours is
imported when the command runs.
"""

import os
import sys
import threading

from odoo.cli import Command
from odoo.tools import config


class MeterLink(Command):
    """Speak to the meters of a database.

    Supervises two processes and restarts each when it dies: the link process, which holds the
    meters' connections, and the engine, which turns readings into effects. Takes Odoo's options
    for configuration file, database and logging. The link process is set by ACREL_LINK_* in the
    environment (`python -m acrel_link --help` lists them); the password of its database role
    acrel_link, where PostgreSQL asks for one, by ACREL_LINK_DB_PASSWORD.
    """

    name = "meter_link"

    def run(self, args):
        """Run until SIGTERM or SIGINT; exit code 2 on wrong settings."""
        self.parser.add_argument(
            "--listen", metavar="ADDRESS:PORT", help="where meters connect (ACREL_LINK_LISTEN)"
        )
        self.parser.add_argument(
            "--allow",
            metavar="NETWORKS",
            help="networks that may use the plain channel (ACREL_LINK_ALLOW)",
        )
        self.parser.add_argument(
            "--engine",
            action="store_true",
            help="run the engine alone, without supervisor and link process",
        )
        self.parser.allow_abbrev = False
        options, odoo_args = self.parser.parse_known_args(args)
        config.parser.prog = self.prog
        config.parse_config(["--no-http", *odoo_args], setup_logging=True)

        from odoo.addons.acrel_meter_link import supervisor

        try:
            db_name = supervisor.check_database(config["db_name"])
            threading.current_thread().dbname = db_name
            if options.engine:
                code = self._run_engine(db_name)
            else:
                for name in ("listen", "allow"):
                    if getattr(options, name) is not None:
                        os.environ[f"ACREL_LINK_{name.upper()}"] = getattr(options, name)
                code = supervisor.run(db_name, odoo_args)
        except supervisor.WrongSettings as error:
            code = supervisor.refuse(error)
            if options.engine and isinstance(error, supervisor.ServerAway):
                # started again while PostgreSQL is: time heals it, the supervisor tries again
                code = supervisor.EXIT_AWAY
        sys.exit(code)

    def _run_engine(self, db_name):
        """Load the registry and run the engine in this process."""
        from odoo.modules.registry import Registry

        from odoo.addons.acrel_meter_link import supervisor

        supervisor.wait_for_modules(db_name)
        Registry(db_name)
        from odoo.addons.acrel_meter_link.engine.runner import Engine

        return Engine(db_name).run()
