"""The command line of `scripts/run`; needs nothing but Python itself."""

import argparse
import os
from collections.abc import Sequence

from . import bootstrap, settings

STEPS = 7
HELP = """\
Installs what is missing under .local/, starts PostgreSQL, Odoo, the link to the meters, simulated
meters and simulated payment gateways, prints one address and the demonstration's log-ins, and
stays until Ctrl-C.

settings (environment):
  ACREL_HTTP_PORT   port of the pages on 127.0.0.1 (8069)
  ACREL_LINK_PORT   port the meters connect to on 127.0.0.1 (8450)
  ACREL_WECHATPAY_PORT, ACREL_ALIPAY_PORT
                    ports of the simulated payment gateways on 127.0.0.1 (8451, 8452)
  ACREL_DB          name of the database (acrel)
  ACREL_CACHE       folder of downloads (.local/cache)
  ODOO_HOME         an Odoo 19 to use instead of Debian's
  PGHOST, PGPORT, PGUSER, PGPASSWORD
                    a PostgreSQL server to use instead of a private one; odoo.conf can name it too
  ACREL_LINK_DB_PASSWORD
                    password of the role acrel_link on such a server, where that role exists already
"""


def enter(arguments: Sequence[str]) -> int:
    """Read the command line and the settings, then go on inside the virtual environment."""
    parser = argparse.ArgumentParser(
        "scripts/run", description=HELP, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args(arguments)
    settings.read(os.environ)
    settings.named_server(os.environ)
    bootstrap.enter("house.run", "requirements.txt", arguments, STEPS)
    return 0
