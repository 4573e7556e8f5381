"""The tables outside the ORM: made at install and upgrade, dropped at uninstall.

Imports nothing of Odoo, so that the supervisor can refresh the rights before a registry is there.
"""

from pathlib import Path

_HERE = Path(__file__).parent

LINK_ROLE = "acrel_link"
"""Database role of the link process; roles belong to the cluster, so its name is fixed."""


def apply(cr):
    """Create what is missing of ``acrel_link/schema.sql``; idempotent."""
    cr.execute((_HERE / "acrel_link" / "schema.sql").read_text())


def role_exists(cr):
    """Whether the cluster knows the link's role."""
    cr.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (LINK_ROLE,))
    return bool(cr.fetchone())


def grant(cr):
    """Give the link's role exactly the rights it needs, when that role exists."""
    if role_exists(cr):
        cr.execute((_HERE / "revoke.sql").read_text())
        cr.execute((_HERE / "grants.sql").read_text())


def drop(cr):
    """Drop everything that `apply` made, with the partitions and the rights on it."""
    if role_exists(cr):
        cr.execute((_HERE / "revoke.sql").read_text())
    cr.execute((_HERE / "drop.sql").read_text())
