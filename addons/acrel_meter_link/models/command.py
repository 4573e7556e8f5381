"""Attempts."""

from odoo import fields, models


class AcrelCommand(models.Model):
    """An attempt to read or switch: of the link process towards a desired state, or of a person.

    The link process writes its own attempts, and the fate of all of them, by SQL.
    """

    _name = "acrel.command"
    _description = "Meter Command"
    _order = "id desc"
    # the link process inserts rows by SQL
    _log_access = False

    meter_id = fields.Many2one(
        "acrel.meter", required=True, index=True, readonly=True, ondelete="cascade"
    )
    output_id = fields.Many2one("acrel.output", index=True, readonly=True, ondelete="cascade")
    kind = fields.Selection(
        [
            ("open", "Open"),
            ("close", "Close"),
            ("read", "Read"),
            ("refresh", "Read Everything"),
            ("write", "Write Settings"),
            ("configure", "Configure"),
        ],
        required=True,
        readonly=True,
    )
    origin = fields.Selection(
        [("desired", "Wanted State"), ("user", "Person")],
        required=True,
        readonly=True,
        help="Wanted state: the link process tried to reach it. Person: somebody asked for it.",
    )
    state = fields.Selection(
        [
            ("queued", "Queued"),
            ("sent", "Sent"),
            ("done", "Done"),
            ("failed", "Failed"),
            ("expired", "Expired"),
        ],
        required=True,
        readonly=True,
        index=True,
    )
    requested_by_id = fields.Many2one("res.users", readonly=True)
    requested_at = fields.Datetime("Requested", readonly=True)
    expires_at = fields.Datetime("Expires", readonly=True)
    sent_at = fields.Datetime("Sent", readonly=True)
    done_at = fields.Datetime("Done", readonly=True)
    attempts = fields.Integer(readonly=True, aggregator=None)
    message = fields.Text("Result", readonly=True)
    payload = fields.Json(readonly=True, help="What is written, as raw counts by register name.")
    summary = fields.Char("Content", readonly=True)
    reason = fields.Char(readonly=True, help="Why it was ordered, as the person wrote.")
