from odoo import models


class IrQweb(models.AbstractModel):
    _inherit = "ir.qweb"

    def _pregenerate_assets_bundles(self):
        """Build nothing ahead: what a page needs is built when a browser asks for it.

        Odoo would build the scripts and styles of all pages before any test that fetches a page.
        """
        return []
