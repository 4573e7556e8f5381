"""What installing and removing the add-on does beside its records."""

from .models.chart_template import CHART


def post_init_hook(env):
    """Set up the accounting of the companies that already have the Chinese chart."""
    for company in env["res.company"].search([("chart_template", "=", CHART)]):
        company._acrel_setup_accounting()


def uninstall_hook(env):
    """Drop the functions of the wallets' triggers, which the ORM does not know."""
    for function in (
        "acrel_wallet_entry_keep",
        "acrel_wallet_entry_total",
        "acrel_wallet_hold_total",
    ):
        env.cr.execute(f"DROP FUNCTION IF EXISTS {function} CASCADE")
