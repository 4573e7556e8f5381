"""Master data that the link process holds in memory."""

from odoo import api, models
from odoo.exceptions import UserError


class AcrelLinkNotify(models.AbstractModel):
    """Wake the link process when a record that it reads was changed.

    A record on the way to a closed contactor is not changed in a way that cuts this way: the link
    process would let go of the contactor, and nothing would guard it any more.
    """

    _name = "acrel.link.notify"
    _description = "Master Data of the Link Process"

    # The fields by which the link process finds the contactors behind a record.
    _WAY = ()

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
        """Override to wake the link process, and to keep the way to closed contactors."""
        self.filtered(lambda record: record._leaves_way(vals))._check_outputs_open()
        result = super().write(vals)
        self._notify_link()
        return result

    def unlink(self):
        """Override to wake the link process."""
        result = super().unlink()
        self._notify_link()
        return result

    # === CLOSED CONTACTORS === #

    @api.ondelete(at_uninstall=False)
    def _unlink_except_closed(self):
        """Keep the way to a closed contactor."""
        self._check_outputs_open()

    def _outputs_behind(self):
        """Return the outputs that the link process reaches through these records."""
        raise NotImplementedError

    def _leaves_way(self, vals):
        """Tell whether these values lead elsewhere than the record does now."""
        self.ensure_one()
        if "active" in vals and self.active and not vals["active"]:
            return True
        fields = [self._fields[name] for name in self._WAY if name in vals]
        return any(
            field.convert_to_cache(vals[field.name], self)
            != field.convert_to_cache(self[field.name], self)
            for field in fields
        )

    def _check_outputs_open(self):
        """Refuse to cut the way to a contactor that is closed or shall be."""
        if not self:
            return
        closed = self.sudo()._outputs_behind()._closed()
        if closed:
            raise UserError(
                self.env._(
                    "Output %(output)s is closed, or shall be. Without its link, meter and "
                    "terminal nothing would watch over it any more: stop its session, or open it, "
                    "first. A contactor whose link has been silent for a day does not count.",
                    output=closed[0].display_name,
                )
            )
