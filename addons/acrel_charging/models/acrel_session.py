"""The charging session: its record, its states and the buttons of staff."""

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Domain

from odoo.addons.acrel_meter_link.access import require
from odoo.addons.acrel_meter_link.fields import BigInteger

from .. import units

STATES = [
    ("authorised", "Authorised"),
    ("starting", "Starting"),
    ("charging", "Charging"),
    ("stopping", "Stopping"),
    ("finished", "Finished"),
    ("cancelled", "Cancelled"),
    ("faulted", "Faulted"),
]
LIVE_STATES = ("authorised", "starting", "charging", "stopping")
TRANSITIONS = {
    "authorised": {"starting", "cancelled"},
    "starting": {"charging", "stopping", "cancelled"},
    "charging": {"stopping", "finished", "faulted"},
    "stopping": {"finished", "cancelled", "faulted"},
    "finished": set(),
    "cancelled": set(),
    "faulted": set(),
}
END_REASONS = [
    ("driver", "Stopped by the driver"),
    ("staff", "Stopped by staff"),
    ("guard_energy", "Energy limit reached"),
    ("guard_time", "Time limit reached"),
    ("limit", "Limit reached"),
    ("silence", "Meter silent"),
    ("contactor", "Contactor opened by itself"),
    ("stuck", "Contactor did not open"),
    ("register", "Register not trustworthy"),
    ("start_failed", "Start failed"),
]
FLAGS = (
    "flag_silent",
    "flag_capped",
    "flag_missing_end",
    "flag_register_back",
    "flag_stuck",
    "flag_implausible",
)


class AcrelSession(models.Model):
    """One delivery of energy at a pile, from the contactor's closing to its opening.

    A pile has one live session at a time (partial unique index). A driver may have one at each of
    several piles: a family or a fleet charges more than one car.
    """

    _name = "acrel.session"
    _description = "Charging Session"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "id desc"
    _check_company_auto = True
    # who may look may also leave a note
    _mail_post_access = "read"

    name = fields.Char(required=True, readonly=True, copy=False, default="/")
    state = fields.Selection(
        STATES, required=True, readonly=True, default="authorised", index=True, copy=False
    )
    is_live = fields.Boolean(compute="_compute_is_live", search="_search_is_live")

    # Who and where; frozen at the start, so that a later change of the pile does not move it.
    pile_id = fields.Many2one(
        "acrel.pile", required=True, readonly=True, index=True, ondelete="restrict"
    )
    station_id = fields.Many2one(
        "acrel.station", required=True, readonly=True, index=True, ondelete="restrict"
    )
    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True)
    installation_id = fields.Many2one(
        "acrel.installation",
        required=True,
        readonly=True,
        index=True,
        ondelete="restrict",
        groups="acrel_meter_link.group_viewer",
    )
    meter_id = fields.Many2one(
        "acrel.meter",
        required=True,
        readonly=True,
        index=True,
        ondelete="restrict",
        groups="acrel_meter_link.group_viewer",
    )
    output_id = fields.Many2one(
        "acrel.output",
        required=True,
        readonly=True,
        index=True,
        ondelete="restrict",
        groups="acrel_meter_link.group_viewer",
    )
    driver_id = fields.Many2one("res.partner", readonly=True, index="btree_not_null")
    started_by_id = fields.Many2one("res.users", string="Started by", readonly=True)
    on_doubt = fields.Selection(
        [("open", "Open the contactor"), ("hold", "Hold: only a person opens it")],
        string="In Doubt",
        required=True,
        readonly=True,
        default="open",
    )

    # When
    requested_at = fields.Datetime(readonly=True)
    close_before = fields.Datetime(readonly=True)
    start_at = fields.Datetime(
        string="Start", readonly=True, index=True, help="When the first register was read."
    )
    stop_requested_at = fields.Datetime(readonly=True)
    end_at = fields.Datetime(string="End", readonly=True, help="When the last register was read.")
    ended_at = fields.Datetime(readonly=True, help="When the session's end was recorded.")
    duration_minutes = fields.Integer(string="Minutes", readonly=True)

    # How much. Registers are the meter's raw counts; Wh = counts x Wh per count.
    close_revision = fields.Integer(readonly=True)
    stop_revision = fields.Integer(readonly=True)
    unit_wh = BigInteger(string="Wh per Count", readonly=True, aggregator=None)
    start_register = BigInteger(readonly=True, aggregator=None)
    end_register = BigInteger(
        readonly=True, aggregator=None, help="The register up to which this session is billed."
    )
    measured_register = BigInteger(
        readonly=True, aggregator=None, help="The register measured at the end, limit or not."
    )
    has_start = fields.Boolean(readonly=True)
    has_guard = fields.Boolean(readonly=True)
    guard_energy_wh = BigInteger(string="Energy Limit (Wh)", readonly=True, aggregator=None)
    guard_until = fields.Datetime(string="Time Limit", readonly=True)
    billed_register_limit = BigInteger(
        readonly=True,
        aggregator=None,
        help="What was drawn above this register is not this session's: it stands under energy "
        "outside sessions.",
    )
    energy_wh = BigInteger(string="Energy (Wh)", readonly=True)
    energy_kwh = fields.Float(
        string="Energy (kWh)", digits=(16, 3), compute="_compute_energy_kwh", store=True
    )
    billable = fields.Boolean(
        default=True,
        readonly=True,
        help="Energy that a pile of this power cannot have given waits here for a person.",
    )

    # Why it ended, and what was unusual
    end_reason = fields.Selection(END_REASONS, readonly=True)
    end_message = fields.Char(readonly=True)
    flag_silent = fields.Boolean(string="Meter Fell Silent", readonly=True)
    flag_capped = fields.Boolean(string="Capped at the Limit", readonly=True)
    flag_missing_end = fields.Boolean(string="No End Reading", readonly=True)
    flag_register_back = fields.Boolean(string="Register Went Back", readonly=True)
    flag_stuck = fields.Boolean(string="Contactor Did Not Open", readonly=True)
    flag_implausible = fields.Boolean(string="Implausible Energy", readonly=True)
    is_flagged = fields.Boolean(compute="_compute_is_flagged", store=True)
    flag_text = fields.Char(string="Warnings", compute="_compute_flag_text")
    outside_ids = fields.One2many(
        "acrel.energy.outside", "session_before_id", string="Energy Outside after It"
    )

    _one_live_per_pile = models.UniqueIndex(
        "(pile_id) WHERE state IN ('authorised', 'starting', 'charging', 'stopping')",
        "A session is going on at this pile already.",
    )
    _live_meter = models.Index(
        "(meter_id) WHERE state IN ('authorised', 'starting', 'charging', 'stopping')"
    )
    _energy_positive = models.Constraint(
        "CHECK (energy_wh >= 0)", "A session's energy is never negative."
    )
    _registers_grow = models.Constraint(
        "CHECK (end_register >= start_register)", "A session's register never goes back."
    )

    @api.depends("state")
    def _compute_is_live(self):
        """Tell whether the session is not yet ended."""
        for session in self:
            session.is_live = session.state in LIVE_STATES

    def _search_is_live(self, operator, value):
        """Search sessions that are not yet ended."""
        if operator != "in":
            return NotImplemented
        domain = Domain("state", "in", LIVE_STATES)
        return domain if True in value else ~domain

    @api.depends("energy_wh")
    def _compute_energy_kwh(self):
        """Show the energy in kWh."""
        for session in self:
            session.energy_kwh = units.kilo(session.energy_wh)

    @api.depends(*FLAGS)
    def _compute_is_flagged(self):
        """Tell whether a person should look at the session."""
        for session in self:
            session.is_flagged = any(session[flag] for flag in FLAGS)

    @api.depends(*FLAGS)
    @api.depends_context("lang")
    def _compute_flag_text(self):
        """Say in words what was unusual."""
        labels = {flag: self._fields[flag]._description_string(self.env) for flag in FLAGS}
        for session in self:
            session.flag_text = " · ".join(labels[flag] for flag in FLAGS if session[flag])

    @api.model_create_multi
    def create(self, vals_list):
        """Give each session its number."""
        sequence = self.env["ir.sequence"].sudo()
        for vals in vals_list:
            if vals.get("name", "/") == "/":
                vals["name"] = sequence.with_company(vals.get("company_id")).next_by_code(
                    "acrel.session"
                )
        return super().create(vals_list)

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        """Keep what was measured: sessions are the evidence of bills."""
        raise UserError(self.env._("A charging session is evidence and is never deleted."))

    # === states ===

    def _lock(self):
        """Lock the row and forget what was read of it before."""
        self.ensure_one()
        self.flush_recordset()
        self.env.cr.execute(
            "SELECT state FROM acrel_session WHERE id = %s FOR NO KEY UPDATE", [self.id]
        )
        self.invalidate_recordset()

    def _set_state(self, state, **values):
        """Move the locked session to an allowed state, with what changes together with it."""
        self._lock()
        old = self.state
        if state not in TRANSITIONS[old]:
            raise ValidationError(
                self.env._(
                    "Session %(name)s cannot go from %(old)s to %(new)s.",
                    name=self.name,
                    old=self._state_label(old),
                    new=self._state_label(state),
                )
            )
        now = fields.Datetime.now()
        if state == "starting":
            values.setdefault("requested_at", now)
        elif state == "stopping":
            values.setdefault("stop_requested_at", now)
        elif state not in LIVE_STATES:
            values.setdefault("ended_at", now)
        self.write({"state": state, **values})
        if not self.is_live:
            self.env["acrel.engine"]._end_failures(self)
        self._message_log(body=self._state_message(old))
        self._on_state(old)
        self._send_live()

    def _state_label(self, state):
        """Return the state's name in the user's language."""
        return dict(self._fields["state"]._description_selection(self.env))[state]

    def _state_message(self, old):
        """Return the chatter's sentence for the last change of state."""
        text = f"{self._state_label(old)} → {self._state_label(self.state)}"
        if self.state in LIVE_STATES and self.state != "stopping":
            return text
        reason = self._end_reason_text()
        return f"{text}: {reason}" if reason else text

    def _end_reason_text(self):
        """Return why the session ended, as a sentence or two."""
        self.ensure_one()
        selection = dict(self._fields["end_reason"]._description_selection(self.env))
        parts = [selection.get(self.end_reason), self.end_message]
        return ". ".join(part for part in parts if part)

    def _on_state(self, old):
        """Hook after every change of state, in the same transaction.

        Called once more with ``old`` equal to the state when staff confirmed implausible energy.
        """

    # === buttons of staff ===

    def action_stop(self):
        """Stop the session: the contactor opens, whatever the pile does in doubt."""
        for session in self:
            session._check_operator()
            session.sudo()._stop("staff")

    def action_cancel(self):
        """Give up a start that the meter has not confirmed yet."""
        for session in self:
            session._check_operator()
            if session.state not in ("authorised", "starting"):
                raise UserError(
                    self.env._("Session %s has left its start; stop it instead.", session.name)
                )
            session.sudo()._stop("staff")

    def action_confirm_energy(self):
        """Let an implausible energy be billed after a person has looked at it."""
        for session in self:
            session._check_operator()
            session = session.sudo()
            session._lock()
            if session.state != "finished" or session.billable:
                raise UserError(
                    self.env._("The energy of session %s waits for nobody.", session.name)
                )
            session.billable = True
            session._message_log(
                body=self.env._("Energy confirmed: %s kWh", units.kilo_text(session.energy_wh))
            )
            session._on_state(session.state)

    def _check_operator(self):
        """Refuse people who may only look, and other companies' sessions."""
        require(self.env, "group_operator")
        self.check_access("read")
