"""What the module's removal does beyond what Odoo does itself."""

from . import schema


def uninstall_hook(env):
    """Drop the tables outside the ORM and take back the link role's rights."""
    schema.drop(env.cr)
