"""What a running session costs so far, and how far its hold still reaches."""

from datetime import timedelta
from typing import NamedTuple

from odoo import fields, models
from odoo.tools import SQL

from odoo.addons.acrel_charging.guard import Guard

from .. import acrel_pricing as pricing
from ..money import FEN

# While the limit is this far away, no new one is worked out and the link is not troubled.
NEAR_MINUTES = 10
# A session stops when what is left would last shorter than this, or is a tenth of what was given.
LAST_MINUTES = 1
LAST_SHARE = 10
# The link opens at the time limit; the register of a meter that is silent then may come later.
LATE_END = timedelta(days=1)


class Spent(NamedTuple):
    """Energy and cost of a running session up to its last reading, both as they will be billed."""

    wh: int
    fen: int


class AcrelSession(models.Model):
    """A prepaid session: limited by what its hold still pays for."""

    _inherit = "acrel.session"

    def _guard(self):
        """Limit the energy to what the hold pays for."""
        guard = super()._guard()
        if not self._has_money_guard():
            return guard
        return guard.tighten(Guard(energy_wh=self._affordable_wh(guard.until)))

    def _should_stop(self):
        """Stop a prepaid session that has nearly used up its hold, when the wallet has no more."""
        reason = super()._should_stop()
        if reason or not self._has_money_guard():
            return reason
        affordable = self._affordable_wh(self.guard_until)
        if affordable is None:
            return False
        last = min(self._rated_wh(LAST_MINUTES), affordable // LAST_SHARE)
        return "credit" if affordable - self._spent_wh() <= last else False

    def _has_money_guard(self):
        """Whether money limits the session."""
        self.ensure_one()
        return self.payment_mode == "prepaid" and bool(self.tariff_version_id)

    def _rated_wh(self, minutes):
        """Return the energy of some minutes at the pile's rated power."""
        return self.pile_id.rated_power_w * minutes // 60

    def _affordable_wh(self, until):
        """Return the Wh since the start that the hold pays for; None when nothing has a price.

        A limit that was given stays paid for: what is left is priced at the day's dearest kWh, so
        as long as it is far away it stays, and a new one is never below it. Near the limit the
        hold is extended from the wallet.
        """
        given = self.guard_energy_wh if self.has_guard else 0
        near = self._rated_wh(NEAR_MINUTES)
        if given - self._spent_wh() > near:
            return given
        spent = self._spent()
        left = self._left_wh(spent, until)
        while left is not None and left <= near and self._extend_hold():
            left = self._left_wh(spent, until)
        return None if left is None else max(given, spent.wh + left)

    def _left_wh(self, spent, until):
        """Return the Wh that may still flow until a moment before the hold is used up."""
        return pricing.guard_energy(
            self._hold_amount_fen() - spent.fen,
            fields.Datetime.now(),
            until + LATE_END,
            self.tariff_version_id._priced(),
            self._zone(),
        )

    def _spent_wh(self):
        """Return the energy so far, capped as it will be billed."""
        return self.live_wh

    def _spent(self):
        """Return energy and cost so far, as rounded on the lines of the bill."""
        curve = self._price_curve()
        if not curve:
            return Spent(0, 0)
        cost = pricing.cost_so_far(
            curve, self.unit_wh, self.tariff_version_id._priced(), self._zone()
        )
        return Spent((curve[-1][1] - curve[0][1]) * self.unit_wh, cost)

    def _price_curve(self):
        """Return the few points of the curve that decide the price: ends and period boundaries.

        The whole curve of a long session is read at its settlement only; while it runs, about
        once a second, each boundary needs the readings next to it.
        """
        self.ensure_one()
        if not self.is_live or not self.has_start:
            return self._curve()
        end_at, end = self._curve_end()
        moments = pricing.boundaries(
            self.start_at, end_at, self.tariff_version_id._priced(), self._zone()
        )
        curve = [(self.start_at, self.start_register)]
        for read_at, register in self._readings_around(moments, end_at):
            curve.append((read_at, min(max(register, curve[-1][1]), end)))
        return [*curve, (end_at, end)]

    def _readings_around(self, moments, end_at):
        """Return the stored readings just before and just after each of some moments."""
        if not moments:
            return []
        around = SQL(
            """
            SELECT received_at, id, e_forward FROM unnest(%(moments)s::timestamp[]) AS boundary
             CROSS JOIN LATERAL (
                (SELECT received_at, id, e_forward FROM acrel_reading_raw
                  WHERE meter_id = %(meter)s AND e_forward IS NOT NULL
                    AND received_at > %(start)s AND received_at <= boundary
                  ORDER BY received_at DESC, id DESC LIMIT 1)
                UNION ALL
                (SELECT received_at, id, e_forward FROM acrel_reading_raw
                  WHERE meter_id = %(meter)s AND e_forward IS NOT NULL
                    AND received_at > boundary AND received_at < %(end)s
                  ORDER BY received_at, id LIMIT 1)
             ) AS neighbour
            """,
            moments=[moment.replace(tzinfo=None) for moment in moments],
            meter=self.meter_id.id,
            start=self.start_at,
            end=end_at,
        )
        rows = self.env.execute_query(
            SQL(
                "SELECT DISTINCT received_at, e_forward, id FROM (%s) AS near ORDER BY 1, 3", around
            )
        )
        return [(received_at, register) for received_at, register, _id in rows]

    def _live_payload(self):
        """Add the money to what an open page shows."""
        payload = super()._live_payload()
        version = self.tariff_version_id
        if not version:
            return payload
        bill = self.env["acrel.bill"] if self.is_live else self.sudo().bill_id
        fen = bill.gross_fen if bill else self._spent().fen
        period = pricing.period_of(fields.Datetime.now(), version._priced(), self._zone())
        kind = self.env["acrel.tariff.period"]._fields["kind"]
        kinds = dict(kind._description_selection(self.env))
        payload |= {
            "amount": f"{fen * FEN:.2f}",
            "price": f"{period.total:.4f}",
            "period": kinds[period.kind],
        }
        if self.payment_mode == "prepaid" and self.is_live:
            payload["hold_left"] = f"{max(0, self._hold_amount_fen() - fen) * FEN:.2f}"
        return payload
