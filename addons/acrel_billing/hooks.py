"""What installing the add-on does beside its records."""

from .models.chart_template import CHART


def post_init_hook(env):
    """Set up the accounting of the companies that already have the Chinese chart."""
    for company in env["res.company"].search([("chart_template", "=", CHART)]):
        company._acrel_setup_accounting()
