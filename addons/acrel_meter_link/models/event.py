"""What happened."""

from odoo import api, fields, models
from odoo.fields import Domain

from ..access import require
from ..acrel_link import events

# People's words for the kinds of this layer; those above add theirs by `selection_add`.
KIND_LABELS = {
    "link_replaced": "Connection replaced",
    "identity_mismatch": "Frame of another meter",
    "plain_refused": "Plain connection refused",
    "channel_refused": "Other channel refused",
    "certificate_refused": "Certificate refused",
    "handshake_failed": "Proof failed repeatedly",
    "link_mismatch": "Identity differs",
    "sim_changed": "Another SIM card",
    "link_abuse": "Connection cut for its frames",
    "bus_unreachable": "Bus not reached",
    "close_refused": "Closing refused",
    "close_failed": "Closing failed",
    "close_expired": "Closing expired",
    "open_failed": "Opening failed",
    "feedback_mismatch": "Contactor and relay disagree",
    "opened_itself": "Contactor opened by itself",
    "closed_itself": "Contactor closed by itself",
    "guard_tripped": "Limit reached",
    "guard_held": "Limit reached, not opened",
    "month_differs": "Month-end differs",
    "register_fell": "Energy register fell",
    "reading_refused": "Reading refused",
    "output_driver": "Output not driven by the platform",
    "contactor_stuck": "Contactor stuck closed",
    "clock_off": "Clock of the meter is wrong",
    "rule_voltage_high": "Voltage too high",
    "rule_voltage_low": "Voltage too low",
    "rule_frequency": "Frequency off",
    "rule_unbalance": "Voltages unbalanced",
    "rule_phase_loss": "Phase lost",
    "rule_overcurrent": "Current beyond the rated one",
    "rule_reversed_phase": "Phase reversed: current transformer turned?",
    "rule_current_without_session": "Current without a session",
    "alarm_over_voltage": "Over-voltage (meter)",
    "alarm_under_voltage": "Under-voltage (meter)",
    "alarm_over_current": "Over-current (meter)",
    "alarm_under_current": "Under-current (meter)",
    "alarm_over_power": "Over-power (meter)",
    "alarm_under_power": "Under-power (meter)",
    "alarm_do1": "Output 1 acts on an alarm (meter)",
    "alarm_do2": "Output 2 acts on an alarm (meter)",
    "alarm_current_loss_a": "Current lost on phase A (meter)",
    "alarm_current_loss_b": "Current lost on phase B (meter)",
    "alarm_current_loss_c": "Current lost on phase C (meter)",
    "alarm_voltage_loss_a": "Voltage lost on phase A (meter)",
    "alarm_voltage_loss_b": "Voltage lost on phase B (meter)",
    "alarm_voltage_loss_c": "Voltage lost on phase C (meter)",
    "alarm_phase_sequence": "Wrong phase sequence (meter)",
    "alarm_power_failure": "Power failure (meter)",
    "alarm_power_factor_a": "Low power factor of phase A (meter)",
    "alarm_power_factor_b": "Low power factor of phase B (meter)",
    "alarm_power_factor_c": "Low power factor of phase C (meter)",
    "alarm_power_factor": "Low power factor (meter)",
    "alarm_temperature_a": "Cable of phase A too hot (meter)",
    "alarm_temperature_b": "Cable of phase B too hot (meter)",
    "alarm_temperature_c": "Cable of phase C too hot (meter)",
    "alarm_temperature_n": "Neutral cable too hot (meter)",
    "alarm_distortion_ua": "Voltage A distorted (meter)",
    "alarm_distortion_ub": "Voltage B distorted (meter)",
    "alarm_distortion_uc": "Voltage C distorted (meter)",
    "alarm_distortion_ia": "Current A distorted (meter)",
    "alarm_distortion_ib": "Current B distorted (meter)",
    "alarm_distortion_ic": "Current C distorted (meter)",
    "alarm_unbalance_u": "Voltages unbalanced (meter)",
    "alarm_unbalance_i": "Currents unbalanced (meter)",
    "alarm_demand_p_forward": "Active demand too high (meter)",
    "alarm_demand_p_reverse": "Reverse active demand too high (meter)",
    "alarm_demand_q_forward": "Reactive demand too high (meter)",
    "alarm_demand_q_reverse": "Reverse reactive demand too high (meter)",
    "alarm_demand_s": "Apparent demand too high (meter)",
    "spooling": "Readings kept on disk",
    "spool_full": "Readings cannot be kept",
    "spool_damaged": "Kept readings damaged",
    "clock_stepped": "Clock was set",
    "meter_silent": "Meter silent",
    "engine_error": "Not handled",
}


class AcrelEvent(models.Model):
    """Something that happened to a link, meter or output, of a moment or from begin to end.

    Inserted by the link process (by SQL) and by the engine. The only thing a person does with an
    event is to acknowledge it.
    """

    _name = "acrel.event"
    _description = "Meter Event"
    _order = "begin_at desc, id desc"
    _rec_name = "kind"
    # the link process inserts rows by SQL
    _log_access = False

    kind = fields.Selection(
        [(kind, KIND_LABELS.get(kind, kind)) for kind in events.KINDS],
        required=True,
        readonly=True,
        index=True,
    )
    severity = fields.Selection(
        [("info", "Information"), ("warning", "Warning"), ("alarm", "Alarm")],
        required=True,
        readonly=True,
    )
    meter_id = fields.Many2one("acrel.meter", index=True, readonly=True, ondelete="cascade")
    link_id = fields.Many2one("acrel.link", index=True, readonly=True, ondelete="cascade")
    output_id = fields.Many2one("acrel.output", index=True, readonly=True, ondelete="cascade")
    begin_at = fields.Datetime("Begin", required=True, readonly=True, index=True)
    end_at = fields.Datetime("End", readonly=True, help="Empty: it lasts.")
    message = fields.Text(readonly=True)
    record_ref = fields.Char(
        "Record",
        readonly=True,
        help="Model and id of the record that the engine could not handle.",
    )
    acknowledged_by_id = fields.Many2one("res.users", readonly=True)
    acknowledged_at = fields.Datetime("Acknowledged", readonly=True)
    announced = fields.Boolean(
        readonly=True, help="Open screens of operators were told about the event."
    )

    _open_per_kind = models.Index("(kind, meter_id) WHERE end_at IS NULL")
    _to_announce = models.Index("(id) WHERE announced IS NOT TRUE")

    @api.model
    def _open(self, kind, meters):
        """Return the events of a kind that last, by meter.

        :return: {meter: its newest lasting event}
        """
        lasting = self.search(
            [("kind", "=", kind), ("end_at", "=", False), ("meter_id", "!=", False)], order="id"
        )
        ids = set(meters._origin.ids)
        return {event.meter_id: event for event in lasting if event.meter_id.id in ids}

    def action_acknowledge(self):
        """Note who has seen the events; what was acknowledged before stays as it is."""
        require(self.env, "group_operator")
        self.check_access("read")
        self.sudo().filtered_domain([("acknowledged_at", "=", False)]).write(
            {"acknowledged_by_id": self.env.uid, "acknowledged_at": fields.Datetime.now()}
        )

    def _company(self):
        """Return the company that the event concerns; empty when it concerns none."""
        self.ensure_one()
        return (self.output_id.meter_id or self.meter_id or self.link_id).company_id

    @api.model
    def _announce(self):
        """Tell the operators of the companies concerned about events they were not told of."""
        fresh = self.search(
            Domain("announced", "=", False) & Domain("severity", "!=", "info"), order="id"
        )
        self.search([("announced", "=", False)]).announced = True
        if not fresh:
            return
        operators = self.env.ref("acrel_meter_link.group_operator").all_user_ids
        for user in operators.filtered("active"):
            mine = fresh.filtered(lambda event, user=user: event._company() <= user.company_ids)
            for event in mine.with_context(lang=user.lang):
                announcement = event._announcement()
                user._bus_send("acrel_event", announcement)
                if event.severity == "alarm":
                    user._bus_send(
                        "simple_notification",
                        {
                            "type": "danger",
                            "sticky": True,
                            "title": announcement["title"],
                            "message": f"{announcement['subject']}: {announcement['message']}",
                        },
                    )

    def _announcement(self):
        """Return the event as operators' screens show it, in the language of the context."""
        self.ensure_one()
        kinds = dict(self._fields["kind"]._description_selection(self.env))
        return {
            "id": self.id,
            "kind": self.kind,
            "title": kinds.get(self.kind, self.kind),
            "severity": self.severity,
            "subject": (self.output_id or self.meter_id or self.link_id).display_name or "",
            "message": self.message or "",
        }
