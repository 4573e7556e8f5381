"""Going back to plain, with the reason for it."""

from odoo import fields, models


class AcrelLinkAllowPlain(models.TransientModel):
    """Allows plain connections of a link that has been secured."""

    _name = "acrel.link.allow.plain"
    _description = "Allow Plain Connections"

    link_id = fields.Many2one("acrel.link", required=True, readonly=True, ondelete="cascade")
    reason = fields.Char(
        required=True, help="Why nothing better is possible; it is kept with the link."
    )

    def action_allow(self):
        """Allow it and write the reason down."""
        self.ensure_one()
        self.link_id._allow_plain(self.reason)
        return {"type": "ir.actions.act_window_close"}
