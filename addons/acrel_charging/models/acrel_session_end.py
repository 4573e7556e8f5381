"""How a session ends: on which register, with which energy, with which warnings."""

from odoo import models

# A pile cannot give more than its rated power; meters and clocks are this much off at most.
PLAUSIBLE_PERCENT = 120
PLAUSIBLE_MARGIN_WH = 1000


class AcrelSession(models.Model):
    """The end of a session."""

    _inherit = "acrel.session"

    def _end_opened(self, observed, followed):
        """End on the register that the link read just after the contactor opened."""
        reason, message = self.end_reason, self.end_message
        if self.state == "charging":
            tripped = self._has_tripped(observed)
            reason = f"guard_{observed.guard_tripped}" if tripped else "contactor"
            message = None if tripped else observed.error
            self._want_open(reason, message)
        register, read_at = None, None
        if self._has_open_register(observed):
            register, read_at = observed.open_register, observed.open_read_at
        self._end(register, read_at, followed, end_reason=reason, end_message=message)

    def _end_silent(self, followed):
        """End on the last measured register; the link opens the contactor when it hears it again.

        What was drawn after that reading stands under energy outside sessions.
        """
        reason = self.end_reason or "silence"
        if self.state == "charging":
            self._want_open(reason)
        self._end(None, None, followed, end_reason=reason, flag_silent=True)

    def _end_stuck(self, followed):
        """End on the first register after the stop that the contactor did not follow.

        The driver asked to stop; what a welded contactor lets through is not his.
        """
        read_at, register = self._registers_after_stop()[0]
        if followed:
            followed = followed._replace(register=min(followed.register, register))
        self._end(register, read_at, followed, flag_stuck=True)

    def _end(self, register, read_at, followed, **values):
        """End on a register, or without one on the last that was followed.

        Never below what was measured before, never above the limit that the link was given: the
        rest is accounted for outside sessions.
        """
        self._lock()
        start = self.start_register
        last = followed.register if followed else start
        if not self.has_start:
            self._end_without_start(**values)
            return
        if register is not None and register < start:
            self._end_faulted(read_at, flag_register_back=True, **values)
            return
        if register is None or register < last:
            register, read_at = last, followed.read_at if followed else self.start_at
            values["flag_missing_end"] = True
        seconds = max(0, int((read_at - self.start_at).total_seconds()))
        implausible = (register - start) * self.unit_wh > self._plausible_wh(seconds)
        if implausible and start == 0:
            # the meter said zero while it started up: what it has counted in its life is no session
            self.installation_id._forget_accounted()
            self._end_faulted(read_at, flag_implausible=True, **values)
            return
        limit = self.billed_register_limit if self.has_guard else register
        limited = max(start, min(register, limit))
        self.env["acrel.energy.outside"]._account_session(self, limited, register, read_at)
        self._set_state(
            "finished",
            end_register=limited,
            measured_register=register,
            end_at=read_at,
            duration_minutes=seconds // 60,
            energy_wh=(limited - start) * self.unit_wh,
            flag_capped=limited < register,
            flag_implausible=implausible,
            billable=not implausible,
            **values,
        )

    def _end_faulted(self, read_at, **values):
        """End without a trustworthy end: no energy; the next start accounts for what was drawn."""
        self._set_state(
            "faulted",
            end_at=read_at,
            end_register=self.start_register,
            measured_register=self.start_register,
            **values,
        )

    def _end_without_start(self, **values):
        """End a session that never had a start register: it has no energy."""
        self._set_state("faulted" if self.flag_register_back else "cancelled", **values)

    def _plausible_wh(self, seconds):
        """Return the most Wh that this pile can have given in some seconds."""
        parameters = self.env["ir.config_parameter"].sudo()
        percent = int(parameters.get_param("acrel_charging.plausible_percent") or PLAUSIBLE_PERCENT)
        wh = self.pile_id.rated_power_w * seconds * percent // (3600 * 100)
        return wh + PLAUSIBLE_MARGIN_WH
