"""How a session starts, and what becomes of a start that fails."""

from datetime import timedelta

from odoo import fields, models
from odoo.tools import SQL

from ..guard import Guard

CLOSE_SECONDS = 30
# The link confirms a close within its 30 s; the rest is for its last write to arrive here.
CONFIRM = timedelta(seconds=CLOSE_SECONDS + 10)
# A close that failed is tried again by the link; after this time a driver is told.
RETRY = timedelta(seconds=15)


class AcrelSession(models.Model):
    """The start of a session."""

    _inherit = "acrel.session"

    def _begin_start(self):
        """Ask the link to close the contactor of an authorised session."""
        self._set_state("starting")
        guard = self._guard()
        revision = self.output_id._want(
            "closed",
            self.env._("Session %s starts", self.name),
            guard_energy=guard.counts(self.unit_wh),
            guard_until=guard.until,
            on_doubt=self.on_doubt,
            close_before=self._close_before(),
        )
        self.write(
            {
                "close_revision": revision,
                "close_before": self._close_before(),
                **self._guard_values(guard),
            }
        )

    def _close_before(self):
        """Return until when the link may send the close."""
        return self.requested_at + timedelta(seconds=CLOSE_SECONDS)

    def _guard_values(self, guard):
        """Return a guard as field values; without a start register the limit is not yet known."""
        counts = guard.counts(self.unit_wh)
        limited = counts is not None
        return {
            "has_guard": limited,
            "guard_energy_wh": guard.energy_wh if limited else 0,
            "guard_until": guard.until,
            "billed_register_limit": self.start_register + counts
            if limited and self.has_start
            else 0,
        }

    def _take_start(self, observed):
        """Take the register that the link read just before this session's close as its start.

        Nothing else is ever a start: not the newest reading, not zero. Return False when that
        register lies below what was accounted for before, which no energy meter does.
        """
        start = observed.close_register
        installation = self.installation_id
        if start < installation.accounted_register:
            self.write(
                {
                    "flag_register_back": True,
                    "end_message": self.env._(
                        "The meter's register was %(before)s before and %(now)s at the start. If "
                        "the meter was exchanged, end its installation and make a new one.",
                        before=installation.accounted_register,
                        now=start,
                    ),
                }
            )
            return False
        self.env["acrel.energy.outside"]._account(
            installation, start, observed.close_read_at, after=self
        )
        values = {"start_register": start, "start_at": observed.close_read_at, "has_start": True}
        if self.has_guard:
            counts = Guard(self.guard_energy_wh).counts(self.unit_wh)
            values["billed_register_limit"] = start + counts
        self.write(values)
        self._write_live({self.id: self._followed(start, 0, observed.close_read_at)})
        return True

    def _advance_starting(self, observed):
        """Start charging when the close is confirmed; give up when it failed or took too long."""
        if self._is_closed_for_me(observed):
            self._lock()
            self._start_charging(observed)
            return
        waited = fields.Datetime.now() - self.requested_at
        failed = observed.error and observed.error_at and observed.error_at >= self.requested_at
        late = waited >= CONFIRM
        if not late and not (failed and waited >= RETRY):
            return
        message = observed.error if failed else self._not_confirmed()
        state, sent_at = self._sent_close()
        if self.on_doubt == "hold":
            if state and not self._is_known_open(observed):
                self._alarm("start_failed", message)
            elif late:
                # not earlier: the link may send a first close at any moment before
                self._cancel_start(message)
        elif state != "sent" or (failed and observed.error_at >= sent_at):
            self._cancel_start(message)
        elif late:
            # the contactor may have closed without word of it yet: it counts up to its opening
            self._stop("start_failed", message)

    def _not_confirmed(self):
        """Say that no confirmation came in time."""
        return self.env._(
            "The meter did not confirm within %s s that the contactor is closed.", CLOSE_SECONDS
        )

    def _start_charging(self, observed):
        """Begin with the confirmed close, unless the contactor or its register is in doubt."""
        if self._has_opened_at_once(observed):
            self._cancel_start(observed.error)
        elif self.flag_register_back:
            return  # on hold: a person was called already
        elif self._take_start(observed):
            self._clear_alarm("start_failed")
            self._set_state("charging")
        elif self.on_doubt == "hold":
            self._alarm("register", self.end_message)
        else:
            self._stop("register", self.end_message)

    def _sent_close(self):
        """Return state and time of the last close that the link may have sent for this session.

        The link claims each sending in ``acrel_command`` first; without a claim nothing was sent.
        The claim stays *sent* until the link has written what became of it.
        """
        rows = self.env.execute_query(
            SQL(
                "SELECT state, sent_at FROM acrel_command WHERE output_id = %s AND kind = 'close'"
                " AND origin = 'desired' AND requested_at >= %s ORDER BY sent_at DESC LIMIT 1",
                self.output_id.id,
                self.requested_at,
            )
        )
        return rows[0] if rows else (None, None)

    def _is_known_open(self, observed):
        """Tell whether the relay was read open after the time in which the close may be sent."""
        return (
            observed.relay is False
            and observed.observed_at is not None
            and observed.observed_at >= self.close_before
        )

    def _has_opened_at_once(self, observed):
        """Tell whether the contactor did not follow its relay: opened on the same register."""
        return (
            self._may_believe_open(observed)
            and self._is_opened_for_me(observed)
            and bool(observed.error)
            and observed.open_register == observed.close_register
        )

    def _cancel_start(self, message):
        """Give up a start; if the contactor closes after all, the link opens it."""
        self._want_open("start_failed", message)
        self._set_state("cancelled", end_reason="start_failed", end_message=message)
