"""What contactors are."""

from odoo import fields, models
from odoo.tools import SQL

from ..fields import BigInteger
from ..records import Observed, columns

OBSERVED_FIELDS = (
    "relay",
    "feedback",
    "observed_at",
    "close_register",
    "close_read_at",
    "open_register",
    "open_read_at",
    "guard_register",
    "guard_tripped",
    "error",
    "error_at",
)


class AcrelOutputObserved(models.Model):
    """Wanted and observed state of an output, shown by computed fields, and the engine's hook."""

    _inherit = "acrel.output"

    _WANTED_FIELDS = (
        "wanted",
        "wanted_reason",
        "wanted_at",
        "revision",
        "guard_energy",
        "guard_until",
        "on_doubt",
        "reached",
    )

    wanted = fields.Selection(
        [("open", "Open"), ("closed", "Closed")],
        compute="_compute_wanted",
        string="Wanted State",
    )
    wanted_reason = fields.Char(compute="_compute_wanted", string="Because")
    wanted_at = fields.Datetime(compute="_compute_wanted", string="Wanted Since")
    revision = fields.Integer(
        compute="_compute_wanted",
        aggregator=None,
        help="Counts the changes of the wanted state; the link process confirms each.",
    )
    guard_energy = BigInteger(
        compute="_compute_wanted",
        string="Energy Limit (counts)",
        aggregator=None,
        help="The link process opens when the register has grown by this since the close.",
    )
    guard_until = fields.Datetime(
        compute="_compute_wanted",
        string="Time Limit",
        help="The link process opens at this time, even when Odoo is away.",
    )
    on_doubt = fields.Selection(
        [("open", "Open"), ("hold", "Hold")],
        compute="_compute_wanted",
        help="Hold: no limit and no fault opens this output, they only raise an alarm.",
    )
    reached = fields.Boolean(
        compute="_compute_wanted",
        string="As Wanted",
        help="The wanted state was carried out and read back.",
    )

    state = fields.Selection(
        [("open", "Open"), ("closed", "Closed"), ("unknown", "Unknown")],
        compute="_compute_observed",
        search="_search_state",
        string="Observed State",
    )
    relay = fields.Boolean(
        compute="_compute_observed",
        string="Relay Closed",
        help="The output's own register, as read back from the meter.",
    )
    feedback = fields.Boolean(
        compute="_compute_observed",
        string="Contactor Closed",
        help="The contactor's auxiliary contact on the feedback input.",
    )
    observed_at = fields.Datetime(compute="_compute_observed", string="Observed")
    close_register = BigInteger(
        compute="_compute_observed", string="Register at Close", aggregator=None
    )
    close_read_at = fields.Datetime(compute="_compute_observed", string="Closed At")
    open_register = BigInteger(
        compute="_compute_observed", string="Register at Open", aggregator=None
    )
    open_read_at = fields.Datetime(compute="_compute_observed", string="Opened At")
    guard_register = BigInteger(
        compute="_compute_observed",
        string="Opens at Register",
        aggregator=None,
        help="The limit as the link process enforces it now.",
    )
    guard_tripped = fields.Selection(
        [("energy", "Energy"), ("time", "Time")],
        compute="_compute_observed",
        string="Limit Reached",
    )
    error = fields.Char(
        compute="_compute_observed", help="Why the wanted state was not reached, if it was not."
    )
    error_at = fields.Datetime(compute="_compute_observed", string="Failed At")

    def _observed(self):
        """Return what the link process says of each output.

        :return: {output id: Observed}, with every output of the recordset
        """
        self.env.cr.execute(
            SQL(
                "SELECT %s FROM acrel_output_live WHERE output_id = ANY(%s)",
                SQL(", ").join(map(SQL.identifier, columns(Observed))),
                self.ids,
            )
        )
        said = {row[0]: Observed(*row) for row in self.env.cr.fetchall()}
        return {output_id: said.get(output_id) or Observed(output_id) for output_id in self.ids}

    def _compute_wanted(self):
        """Show what each output shall be."""
        wanted = self._origin._wanted()
        observed = self._origin._observed()
        for output in self:
            row = wanted.get(output._origin.id)
            output.wanted = row and row.wanted
            output.wanted_reason = row and row.reason
            output.wanted_at = row and row.wanted_at
            output.revision = row and row.revision
            output.guard_energy = row and row.guard_energy
            output.guard_until = row and row.guard_until
            output.on_doubt = row and row.on_doubt
            output.reached = bool(
                row
                and observed[output._origin.id].confirmed_revision == row.revision
                and observed[output._origin.id].state == row.wanted
            )

    def _compute_observed(self):
        """Show what each output is."""
        observed = self._origin._observed()
        for output in self:
            row = observed.get(output._origin.id) or Observed(0)
            output.state = row.state
            for name in OBSERVED_FIELDS:
                output[name] = getattr(row, name)

    def _search_state(self, operator, value):
        """Find outputs by what they are; those that nothing is known of are unknown."""
        if operator != "in":
            return NotImplemented
        states = SQL("(SELECT output_id FROM acrel_output_live WHERE state = ANY(%s))", list(value))
        domain = [("id", "in", states)]
        if "unknown" in value:
            silent = SQL("(SELECT output_id FROM acrel_output_live)")
            return ["|", *domain, ("id", "not in", silent)]
        return domain

    def _on_observed(self):
        """Handle the changes of these outputs that the link process wrote since their marks.

        Called by the engine with many outputs at once; when that raises, it is undone and called
        output by output. This layer shows live rows as they are and has nothing to do; to be
        extended by `_inherit`.
        """
