"""Contactors, and what they shall be."""

from datetime import datetime, timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL

from ..access import require
from ..acrel_link import profiles
from ..records import Wanted, columns

# A close that could not be sent by then is never sent: nobody waits for it any more.
CLOSE_EXPIRES = timedelta(seconds=30)
# What a link that was not heard for so long said of its contactors is not known to hold any more.
FORGOTTEN = timedelta(days=1)
BY_HAND_PARAMETER = "acrel_meter_link.close_by_hand_minutes"
BY_HAND_MINUTES = 60


class AcrelOutput(models.Model):
    """A relay output of a meter and the contactor on it, with its wanted state.

    The wanted state stands in ``acrel_output_wanted``, where the link process finds it; what the
    contactor is stands in ``acrel_output_live``. Commands are the attempts to make both agree.
    """

    _name = "acrel.output"
    _description = "Meter Output"
    _inherit = ["acrel.link.notify", "mail.thread"]
    _order = "meter_id, number"
    _WAY = ("meter_id", "number")

    meter_id = fields.Many2one("acrel.meter", required=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="meter_id.company_id", store=True, index=True)
    number = fields.Integer(required=True, default=1, aggregator=None, help="1 = DO1, 2 = DO2.")
    feedback_input = fields.Integer(
        required=True,
        default=1,
        aggregator=None,
        help="Digital input on which the contactor's auxiliary contact reports, 1 to 4; 0 = none. "
        "Without it only the relay is read back, not the contactor.",
    )
    active = fields.Boolean(default=True)

    _meter_number_unique = models.Constraint(
        "UNIQUE (meter_id, number)", "This meter already has an output with this number."
    )
    _number_range = models.Constraint(
        "CHECK (number IN (1, 2))", "A meter has the outputs 1 and 2."
    )
    _feedback_range = models.Constraint(
        "CHECK (feedback_input BETWEEN 0 AND 4)",
        "The feedback input is 1 to 4, or 0 when the contactor reports on none.",
    )

    @api.constrains("meter_id", "number", "feedback_input")
    def _check_model(self):
        """Refuse what the model of the meter does not have."""
        for output in self:
            model = profiles.profile(output.meter_id.profile)
            if output.number not in model.outputs:
                raise ValidationError(
                    self.env._(
                        "A meter of model %(model)s has no output %(number)s.",
                        model=model.label,
                        number=output.number,
                    )
                )
            if output.feedback_input > (model.inputs.count if model.inputs else 0):
                raise ValidationError(
                    self.env._(
                        "A meter of model %(model)s has no input %(number)s to report on. Set the "
                        "feedback input to 0.",
                        model=model.label,
                        number=output.feedback_input,
                    )
                )

    @api.depends("meter_id", "number")
    def _compute_display_name(self):
        """Name an output by its meter and terminal."""
        for output in self:
            output.display_name = f"{output.meter_id.display_name or ''} DO{output.number}"

    # === WANTED STATE === #

    def _want(
        self,
        wanted,
        reason,
        guard_energy=None,
        guard_until=None,
        on_doubt="open",
        close_before=None,
    ):
        """Say what the output shall be from now on; the link process sees to it.

        Repeating a call changes nothing. While the state stays, guard and reason may move without
        a new revision. Wakes the link process at commit.

        :param str wanted: 'open' or 'closed'
        :param str reason: because of what, for the person who reads it
        :param int guard_energy: raw register counts after the close at which the link opens
        :param datetime guard_until: moment (UTC) at which the link opens
        :param str on_doubt: 'open', or 'hold' where no rule may open (then guards only alarm)
        :param datetime close_before: moment (UTC) after which the close is not sent any more;
            30 seconds from now for a new close
        :return: the revision of the wanted state, which the link confirms in ``Observed``
        :raise ValueError: when the arguments make no sense (a programmer's mistake)
        :raise UserError: when this output cannot be closed
        """
        self.ensure_one()
        _check_wanted(wanted, reason, guard_energy, guard_until, on_doubt, close_before)
        now = fields.Datetime.now()
        # a guard that moves does not give an expired close another life
        expiry_given = wanted == "open" or close_before is not None
        if wanted == "closed":
            self._check_closable()
            close_before = close_before or now + CLOSE_EXPIRES
        self.env.cr.execute(
            """INSERT INTO acrel_output_wanted AS w
                      (output_id, change, revision, wanted, reason, wanted_at, close_before,
                       guard_energy, guard_until, on_doubt)
               VALUES (%(output)s, nextval('acrel_change_seq'), 1, %(wanted)s, %(reason)s, %(now)s,
                       %(close_before)s, %(guard_energy)s, %(guard_until)s, %(on_doubt)s)
          ON CONFLICT (output_id) DO UPDATE
                  SET change = EXCLUDED.change,
                      revision = w.revision + (w.wanted <> EXCLUDED.wanted)::int,
                      wanted = EXCLUDED.wanted,
                      reason = EXCLUDED.reason,
                      wanted_at = CASE WHEN w.wanted = EXCLUDED.wanted
                                       THEN w.wanted_at ELSE EXCLUDED.wanted_at END,
                      close_before = CASE WHEN w.wanted = EXCLUDED.wanted AND NOT %(expiry_given)s
                                          THEN w.close_before ELSE EXCLUDED.close_before END,
                      guard_energy = EXCLUDED.guard_energy,
                      guard_until = EXCLUDED.guard_until,
                      on_doubt = EXCLUDED.on_doubt
                WHERE (w.wanted, w.reason, w.guard_energy, w.guard_until, w.on_doubt)
                          IS DISTINCT FROM
                      (EXCLUDED.wanted, EXCLUDED.reason, EXCLUDED.guard_energy,
                       EXCLUDED.guard_until, EXCLUDED.on_doubt)
                   OR (%(expiry_given)s AND w.close_before IS DISTINCT FROM EXCLUDED.close_before)
            RETURNING revision""",
            {
                "output": self.id,
                "wanted": wanted,
                "reason": reason,
                "now": now,
                "close_before": close_before,
                "guard_energy": guard_energy,
                "guard_until": guard_until,
                "on_doubt": on_doubt,
                "expiry_given": expiry_given,
            },
        )
        row = self.env.cr.fetchone()
        if row is None:
            return self._wanted()[self.id].revision
        self._notify_link()
        self.invalidate_recordset(self._WANTED_FIELDS)
        return row[0]

    def _check_closable(self):
        """Refuse to close what nothing would watch over."""
        self.ensure_one()
        if not (self.active and self.meter_id.active and self.meter_id.link_id.active):
            raise UserError(
                self.env._(
                    "Output %(output)s cannot be closed: it, its meter or its link is archived or "
                    "missing.",
                    output=self.display_name,
                )
            )

    def _wanted(self):
        """Return what each output shall be.

        :return: {output id: Wanted}, without outputs that nobody ever wanted anything of
        """
        self.env.cr.execute(
            SQL(
                "SELECT %s FROM acrel_output_wanted WHERE output_id = ANY(%s)",
                SQL(", ").join(map(SQL.identifier, columns(Wanted))),
                self.ids,
            )
        )
        return {row[0]: Wanted(*row) for row in self.env.cr.fetchall()}

    def _outputs_behind(self):
        """Override to return the outputs themselves."""
        return self

    def _closed(self):
        """Return those of these outputs that shall be closed, or are."""
        # locked, so that a close that is asked for meanwhile is not overlooked
        self.env.cr.execute(
            "SELECT output_id, wanted FROM acrel_output_wanted WHERE output_id = ANY(%s) FOR SHARE",
            [self.ids],
        )
        closed = {output_id for output_id, wanted in self.env.cr.fetchall() if wanted == "closed"}
        self.env.cr.execute(
            "SELECT link_id FROM acrel_link_live WHERE link_id = ANY(%s) AND seen_at > %s",
            [self.meter_id.link_id.ids, fields.Datetime.now() - FORGOTTEN],
        )
        heard = {row[0] for row in self.env.cr.fetchall()}
        observed = self._observed()
        return self.filtered(
            lambda output: (
                output.id in closed
                or (observed[output.id].state == "closed" and output.meter_id.link_id.id in heard)
            )
        )

    # === BY HAND === #

    def _check_by_hand(self, wanted):
        """Refuse to switch by hand. To be extended by what holds outputs, such as sessions.

        :param str wanted: 'open' or 'closed'
        """
        self.ensure_one()
        require(self.env, "group_maintenance")
        standing = self._wanted().get(self.id)
        if wanted == "closed" and standing and standing.wanted == "closed":
            raise UserError(
                self.env._(
                    "Output %(output)s shall be closed already: %(reason)s",
                    output=self.display_name,
                    reason=standing.reason,
                )
            )

    def action_open(self):
        """Open the contactors by hand."""
        for output in self:
            output._check_by_hand("open")
            output._want("open", self.env._("opened by hand by %(user)s", user=self.env.user.name))
            output.message_post(body=self.env._("Opening asked for by hand."))

    def action_close(self):
        """Close the contactors by hand, for a limited time."""
        minutes = int(
            self.env["ir.config_parameter"].sudo().get_param(BY_HAND_PARAMETER, BY_HAND_MINUTES)
        )
        for output in self:
            output._check_by_hand("closed")
            output._want(
                "closed",
                self.env._("closed by hand by %(user)s", user=self.env.user.name),
                guard_until=fields.Datetime.now() + timedelta(minutes=minutes),
            )
            output.message_post(
                body=self.env._(
                    "Closing asked for by hand, for %(minutes)s minutes.", minutes=minutes
                )
            )


def _check_wanted(wanted, reason, guard_energy, guard_until, on_doubt, close_before):
    """Refuse arguments of `_want` that make no sense, with a sentence for the programmer."""
    if wanted not in ("open", "closed"):
        raise ValueError(f"An output is wanted 'open' or 'closed', not {wanted!r}.")
    if not (isinstance(reason, str) and reason.strip()):
        raise ValueError("A wanted state needs a reason, for the person who reads it.")
    if on_doubt not in ("open", "hold"):
        raise ValueError(f"On doubt an output is to 'open' or 'hold', not {on_doubt!r}.")
    if guard_energy is not None and (type(guard_energy) is not int or guard_energy < 0):
        raise ValueError(f"A guard's energy is whole register counts, not {guard_energy!r}.")
    for moment in (guard_until, close_before):
        if moment is not None and (not isinstance(moment, datetime) or moment.tzinfo):
            raise ValueError(f"A guard's moment is a datetime in UTC without zone, not {moment!r}.")
    if wanted == "open" and (guard_energy, guard_until, close_before) != (None, None, None):
        raise ValueError("Only a closed output is guarded; opening neither expires nor ends.")
