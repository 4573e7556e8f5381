"""Alarms of sessions that no software may end."""

from datetime import timedelta

from odoo import fields, models

DEFAULT_MINUTES = 15


class AcrelSession(models.Model):
    """An alarm to the responsible person, with the time until which an answer is needed."""

    _inherit = "acrel.session"

    alarm_reason = fields.Char(readonly=True, copy=False)
    alarm_message = fields.Char(readonly=True, copy=False)
    alarm_at = fields.Datetime(readonly=True, copy=False)
    alarm_due_at = fields.Datetime(string="Decide before", readonly=True, copy=False)

    def _alarm(self, reason, message=None):
        """Call the station's responsible once for a reason; only a person ends this session."""
        if self.alarm_reason == reason:
            return
        self._lock()
        responsible = self._responsible()
        session = self.with_context(lang=responsible.lang or self.env.lang)
        parameters = self.env["ir.config_parameter"].sudo()
        minutes = int(parameters.get_param("acrel_charging.alarm_minutes") or DEFAULT_MINUTES)
        now = fields.Datetime.now()
        due = now + timedelta(minutes=minutes)
        selection = dict(session._fields["end_reason"]._description_selection(session.env))
        text = message or selection.get(reason, reason)
        session.write(
            {
                "alarm_reason": reason,
                "alarm_message": text,
                "alarm_at": now,
                "alarm_due_at": due,
            }
        )
        note = session.env._(
            "Pile %(pile)s: %(reason)s. The software does not open this contactor. Decide before "
            "%(due)s (UTC) whether the session stops.",
            pile=session.pile_id.display_name,
            reason=text,
            due=fields.Datetime.to_string(due),
        )
        session._message_log(body=note)
        if responsible:
            session.activity_schedule(
                "acrel_charging.activity_alarm",
                fields.Date.context_today(session),
                summary=text,
                note=note,
                user_id=responsible.id,
            )
        self._send_live()

    def _responsible(self):
        """Return the person who decides about this session."""
        return self.station_id.responsible_id or self.started_by_id

    def _clear_alarm(self, reason):
        """End an alarm whose reason is gone."""
        if self.alarm_reason != reason:
            return
        self._lock()
        self.write(
            {
                "alarm_reason": False,
                "alarm_message": False,
                "alarm_at": False,
                "alarm_due_at": False,
            }
        )
        self.activity_feedback(["acrel_charging.activity_alarm"])

    def _on_state(self, old):
        """End the alarm together with the session."""
        result = super()._on_state(old)
        if not self.is_live and self.alarm_reason:
            self._clear_alarm(self.alarm_reason)
        return result
