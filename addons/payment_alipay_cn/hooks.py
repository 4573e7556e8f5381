"""What installing and uninstalling do."""

from odoo.addons.payment import reset_payment_provider, setup_provider


def post_init_hook(env):
    """Give each company its provider record."""
    setup_provider(env, "alipay_cn")


def uninstall_hook(env):
    """Leave the provider records behind without this add-on's code and views."""
    reset_payment_provider(env, "alipay_cn")
