"""Strangers at the door."""

from odoo import fields, models
from odoo.exceptions import UserError

from ..access import require


class AcrelLinkCandidate(models.Model):
    """A serial number that tried to connect and was refused, because no link carries it.

    Written by the link process. A person adopts it by one click, or ignores it.
    """

    _name = "acrel.link.candidate"
    _description = "Refused Serial Number"
    _order = "last_seen_at desc, id desc"
    _rec_name = "serial"
    # the link process inserts rows by SQL: who and when are in first_seen_at and peer
    _log_access = False

    serial = fields.Char(required=True, readonly=True)
    iccid = fields.Char("SIM Card (ICCID)", readonly=True)
    peer = fields.Char("Network Address", readonly=True)
    first_seen_at = fields.Datetime("First Seen", readonly=True)
    last_seen_at = fields.Datetime("Last Seen", readonly=True)
    attempts = fields.Integer(readonly=True, aggregator=None)
    ignored = fields.Boolean(
        readonly=True, help="Kept out of the list of serial numbers waiting for a decision."
    )

    _serial_unique = models.Constraint("UNIQUE (serial)", "This serial number is already listed.")

    def action_adopt(self):
        """Make link, meter, output and installation of each serial number, for this company."""
        require(self.env, "group_maintenance")
        meters = self.env["acrel.meter"]
        for candidate in self:
            meters |= candidate._adopt()
        # the link process has nothing left to refuse
        self.sudo().unlink()
        action = self.env["ir.actions.act_window"]._for_xml_id("acrel_meter_link.action_meter")
        if len(meters) == 1:
            return action | {"res_id": meters.id, "views": [(False, "form")]}
        return action | {"domain": [("id", "in", meters.ids)]}

    def _adopt(self):
        """Make the records of one serial number.

        :return: the new meter
        """
        self.ensure_one()
        known = self.env["acrel.link"].sudo().with_context(active_test=False)
        if known.search_count([("serial", "=", self.serial)], limit=1):
            raise UserError(
                self.env._(
                    "The serial number %(serial)s already belongs to a link, archived or of "
                    "another company. Restore that link instead of adopting it again.",
                    serial=self.serial,
                )
            )
        company = self.env.company
        link = self.env["acrel.link"].create(
            {"name": self.serial, "serial": self.serial, "company_id": company.id}
        )
        meter = self.env["acrel.meter"].create(
            {
                "name": self.serial,
                "serial": self.serial,
                "link_id": link.id,
                "company_id": company.id,
            }
        )
        self.env["acrel.output"].create({"meter_id": meter.id, "number": 1, "feedback_input": 1})
        self.env["acrel.installation"].create({"meter_id": meter.id, "company_id": company.id})
        return meter

    def action_ignore(self):
        """Keep the serial numbers out of the list; they stay refused."""
        require(self.env, "group_maintenance")
        self.sudo().ignored = True

    def action_unignore(self):
        """Put the serial numbers back into the list."""
        require(self.env, "group_maintenance")
        self.sudo().ignored = False
