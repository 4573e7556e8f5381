"""How a session goes on and is asked to stop."""

from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from ..guard import Guard
from . import acrel_session_live
from .acrel_session import LIVE_STATES

STUCK = timedelta(minutes=10)

# Sessions whose meter or output has news, whose meter is silent, or that are on their way.
DUE_READS = [
    "state",
    "pile_id",
    "meter_id",
    "output_id",
    "start_at",
    "on_doubt",
    "guard_until",
    "alarm_reason",
]
DUE_QUERY = """
    SELECT session.id
      FROM acrel_session session
      JOIN acrel_pile pile ON pile.id = session.pile_id
      LEFT JOIN acrel_meter_live heard ON heard.meter_id = session.meter_id
      LEFT JOIN acrel_output_live seen ON seen.output_id = session.output_id
      LEFT JOIN acrel_session_live followed ON followed.session_id = session.id
     WHERE session.state = ANY(%(states)s) AND %(scope)s
       AND (session.state <> 'charging'
            OR seen.state IS DISTINCT FROM 'closed'
            OR seen.guard_tripped IS NOT NULL
            OR (session.on_doubt = 'hold' AND session.guard_until <= %(now)s
                AND session.alarm_reason IS NULL)
            OR (heard.received_at > followed.read_at AND %(pace)s)
            OR GREATEST(session.start_at, heard.received_at)
               <= %(now)s - pile.silence_minutes * interval '1 minute')
     ORDER BY session.id
"""


class AcrelSession(models.Model):
    """Flow of a session, driven by what the link says of its output and its meter."""

    _inherit = "acrel.session"

    # === points that add-ons above extend ===

    def _authorise(self):
        """Take what must be taken before the contactor may close; raising undoes the start."""

    def _guard(self):
        """Return the limits of this session, enforced by the link; None is no limit."""
        self.ensure_one()
        return Guard(until=self.requested_at + self.pile_id._longest_session())

    def _should_stop(self):
        """Return why a charging session should be stopped now, or False.

        The reason is a key of ``end_reason``, or a sentence for the people who read the session.
        """
        self.ensure_one()
        return False

    # === stop ===

    def _stop(self, reason, message=None, **values):
        """Want the contactor open because of a reason; a second stop changes nothing."""
        self._lock()
        if self.state == "authorised":
            self._set_state("cancelled", end_reason=reason, end_message=message, **values)
            return
        if self.state == "stopping":
            return
        if self.state not in ("starting", "charging"):
            raise UserError(self.env._("Session %s has ended already.", self.name))
        revision = self._want_open(reason, message)
        self._set_state(
            "stopping", stop_revision=revision, end_reason=reason, end_message=message, **values
        )

    def _want_open(self, reason, message=None):
        """Want the contactor open and return the revision of that wish."""
        selection = dict(self._fields["end_reason"]._description_selection(self.env))
        return self.output_id._want(
            "open",
            self.env._(
                "Session %(name)s: %(reason)s",
                name=self.name,
                reason=message or selection.get(reason, reason),
            ),
        )

    # === what the engine calls ===

    @api.model
    def _advance_due(self, meters=None, outputs=None):
        """Bring live sessions, all or those of some meters or outputs, as far as is known.

        One that fails stops no other. Most passes have nothing to do for most sessions: the
        database picks those that something may have to be done for.
        """
        due = self._due(meters, outputs)
        if not due:
            return
        observed = due.output_id._observed()
        heard = due.meter_id._live()
        before = due._live_rows()
        news = due.filtered(
            lambda session: session._is_news(heard.get(session.meter_id.id), before.get(session.id))
        )

        def advance(sessions):
            followed = before | sessions._follow(heard, before)
            for session in sessions._in_company_languages():
                session._advance(
                    observed[session.output_id.id],
                    heard.get(session.meter_id.id),
                    followed.get(session.id),
                    session in news,
                )

        failed = self.env["acrel.engine"]._together(due, advance)
        # in one go, beside the savepoint, which would write the messages for itself
        (news - failed).filtered("is_live")._send_live()

    @api.model
    def _due(self, meters, outputs):
        """Return the live sessions for which something may have to be done now."""
        self.flush_model(DUE_READS)
        self.env["acrel.pile"].flush_model(["silence_minutes"])
        now = self._now()
        told_before = now - acrel_session_live.PACE
        rows = self.env.execute_query(
            SQL(
                DUE_QUERY,
                states=list(LIVE_STATES),
                now=now,
                pace=SQL("TRUE")
                if meters is not None
                else SQL("followed.told_at <= %s", told_before),
                scope=_scope(meters, outputs),
            )
        )
        return self.browse(row[0] for row in rows)

    def _in_company_languages(self):
        """Yield each session in the language in which its company keeps its records."""
        for company, sessions in self.grouped("company_id").items():
            yield from sessions.with_context(lang=company.partner_id.lang or self.env.lang)

    def _advance(self, observed, heard, followed, news):
        """Bring one session as far as what is known allows; repeating it changes nothing."""
        if self.state == "starting":
            self._advance_starting(observed)
        elif self.state == "charging":
            self._advance_charging(observed, heard, followed, news)
        elif self.state == "stopping":
            self._advance_stopping(observed, heard, followed)

    def _is_closed_for_me(self, observed):
        """Tell whether the link carried out this session's own close, with a register."""
        return (
            observed.close_revision == self.close_revision and observed.close_register is not None
        )

    def _is_opened_for_me(self, observed):
        """Tell whether the contactor is open after this session's close, by the link's own act."""
        if self._has_open_register(observed):
            return observed.state != "closed"
        return (
            self.state == "stopping"
            and observed.state == "open"
            and (observed.confirmed_revision or 0) >= self.stop_revision
        )

    def _has_open_register(self, observed):
        """Tell whether the link opened the contactor after this session's close and read it."""
        return (observed.open_revision or 0) >= self.close_revision

    def _advance_charging(self, observed, heard, followed, news):
        """Go on with a charging session: its end by the link, by silence, by a reason to stop."""
        believed = self._may_believe_open(observed)
        if believed and self._is_opened_for_me(observed):
            self._end_opened(observed, followed)
        elif believed and observed.state == "open":
            self._stop("contactor")
        else:
            self._look_for_reason(observed, heard, followed, news)

    def _look_for_reason(self, observed, heard, followed, news):
        """Look for a reason to end a session whose contactor is closed; on hold call a person."""
        silent = self._is_given_up(heard)
        reason, message = self._reason_to_stop(observed, followed, news, silent)
        if self.on_doubt == "hold":
            if not self._is_silent(heard):
                self._clear_alarm("silence")
            if reason:
                self._alarm(reason, message)
        elif reason == "silence":
            self._end_silent(followed)
        elif reason:
            self._stop(reason, message)
        if news and self.state == "charging":
            self._refresh_guard()

    def _has_tripped(self, observed):
        """Tell whether the link reports that this session's guard has tripped."""
        return bool(observed.guard_tripped) and observed.close_revision == self.close_revision

    def _guard_reached(self, followed):
        """Return which limit is reached on hold, 'time' or 'energy', or None.

        There the link opens nothing, so it never says of a guard that it tripped.
        """
        if self.on_doubt != "hold":
            return None
        if self.guard_until and self.guard_until <= self._now():
            return "time"
        if self.has_guard and followed and followed.register >= self.billed_register_limit:
            return "energy"
        return None

    def _reason_to_stop(self, observed, followed, news, silent):
        """Return why a session should end now, as a key of ``end_reason`` and a sentence."""
        if self._has_tripped(observed):
            return f"guard_{observed.guard_tripped}", None
        if observed.state == "open":
            return "contactor", observed.error
        if silent:
            return "silence", None
        reached = self._guard_reached(followed)
        if reached:
            return f"guard_{reached}", None
        reason = news and self._should_stop()
        if not reason:
            return None, None
        if reason in dict(self._fields["end_reason"]._description_selection(self.env)):
            return reason, None
        return "limit", reason

    def _may_believe_open(self, observed):
        """Tell whether an output seen open is open: on hold only the meter's relay is believed.

        The auxiliary contact's wire may be broken; wanting the output open because of that would
        open a contactor that a ship hangs on.
        """
        return self.on_doubt != "hold" or observed.relay is False

    def _refresh_guard(self):
        """Give the link new limits when they changed."""
        guard = self._guard()
        values = self._guard_values(guard)
        if all((self[field] or False) == (value or False) for field, value in values.items()):
            return
        self._lock()
        self.write(values)
        self.output_id._want(
            "closed",
            self.env._("Session %s charges", self.name),
            guard_energy=guard.counts(self.unit_wh),
            guard_until=guard.until,
            on_doubt=self.on_doubt,
        )

    def _advance_stopping(self, observed, heard, followed):
        """End the session when its contactor is open, or when waiting longer helps nobody."""
        if not self.has_start and not self.flag_register_back and self._is_closed_for_me(observed):
            self._lock()
            self._take_start(observed)
            followed = self._follow({self.meter_id.id: heard}, {}).get(self.id)
        if self._may_believe_open(observed) and self._is_opened_for_me(observed):
            self._end_opened(observed, followed)
        elif self._is_given_up(heard):
            self._end_silent(followed)
        elif self._is_stuck(observed):
            self._end_stuck(followed)

    def _is_silent(self, heard):
        """Tell whether the meter has been silent for longer than the pile allows."""
        since = self.start_at or self.requested_at
        if heard and heard.received_at > since:
            since = heard.received_at
        return fields.Datetime.now() - since >= timedelta(minutes=self.pile_id.silence_minutes)

    def _is_given_up(self, heard):
        """Tell whether nothing of a silent meter can still be on its way from a link's disk."""
        return self._is_silent(heard) and self.env["acrel.engine"]._hears()

    def _is_stuck(self, observed):
        """Tell whether a contactor has ignored the stop for too long while its meter speaks."""
        if observed.state != "closed" and not observed.relay:
            return False
        now = self._now()
        if now - self.stop_requested_at < STUCK:
            return False
        readings = self._registers_after_stop()
        return bool(readings) and now - readings[0][0] >= STUCK

    def _registers_after_stop(self):
        """Return the register's course since the stop, without readings that fell."""
        readings = self.meter_id._registers_between(self.stop_requested_at, self._now())
        return [reading for reading in readings if reading[1] >= self.start_register]


def _scope(meters, outputs):
    """Return the condition that narrows sessions to those of some meters or outputs."""
    if meters is not None:
        return SQL("session.meter_id = ANY(%s)", meters.ids)
    if outputs is not None:
        return SQL("session.output_id = ANY(%s)", outputs.ids)
    return SQL("TRUE")
