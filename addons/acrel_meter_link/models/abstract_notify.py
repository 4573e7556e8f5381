"""Master data that the link process holds in memory."""

from odoo import api, models


class AcrelLinkNotify(models.AbstractModel):
    """Wake the link process when a record that it reads was changed."""

    _name = "acrel.link.notify"
    _description = "Master Data of the Link Process"

    @api.model
    def _notify_link(self):
        """Wake the link process at commit. Without content: it compares what is stored."""
        self.env.cr.execute("SELECT pg_notify('acrel_link', '')")

    @api.model_create_multi
    def create(self, vals_list):
        """Override to wake the link process."""
        records = super().create(vals_list)
        self._notify_link()
        return records

    def write(self, vals):
        """Override to wake the link process."""
        result = super().write(vals)
        self._notify_link()
        return result

    def unlink(self):
        """Override to wake the link process."""
        result = super().unlink()
        self._notify_link()
        return result
