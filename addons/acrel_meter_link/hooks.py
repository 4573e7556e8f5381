"""What the module's removal does beyond what Odoo does itself."""

from . import schema


def uninstall_hook(env):
    """Drop the tables outside the ORM and take back the link role's rights."""
    # tasks of a kind that goes, on records that go
    env["mail.activity"].search([("res_model", "=", "acrel.link")]).unlink()
    schema.drop(env.cr)
