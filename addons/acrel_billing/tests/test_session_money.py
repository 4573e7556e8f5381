from datetime import UTC, datetime, timedelta

from odoo.tests import tagged

from odoo.addons.acrel_billing import acrel_pricing as pricing

from .common import BillingCase


@tagged("post_install", "-at_install")
class TestSessionMoney(BillingCase):
    rich = 60.0

    def test_the_guard_is_what_the_hold_pays_at_the_dearest_price(self):
        session = self.start()
        self.assertEqual(session._hold_amount_fen(), 5000)
        guard = session._guard()
        # 50.00 less a small reserve for rounding, at 1.6050 a kWh
        self.assertLessEqual(guard.energy_wh, 50_000 * 10_000 // 16_050)
        self.assertGreater(guard.energy_wh, 49_800 * 10_000 // 16_050)
        self.assertEqual(self.wanted(self.pile).guard_energy, guard.energy_wh // 10)
        self.assertEqual(guard.until, session.requested_at + timedelta(hours=24))

    def test_the_hold_grows_from_the_wallet_before_it_is_used_up(self):
        # all of it in the dearest period, so that the limit is what the hold pays for
        session = self.charge(0, at=self.at(10))
        limit = session.guard_energy_wh
        self.hear(limit // 10 - 400, self.at(11, 30))
        self.assertEqual(session.state, "charging")
        self.assertEqual(session._hold_amount_fen(), 5000)
        self.assertEqual(session.guard_energy_wh, limit, "far from its limit nothing moves")
        self.hear(limit // 10 - 300, self.at(11, 50))
        self.assertEqual(session._hold_amount_fen(), 6000)
        self.assertGreater(session.guard_energy_wh, limit)
        self.assertEqual(self.wanted(self.pile).guard_energy, session.guard_energy_wh // 10)

    def test_a_session_stops_when_hold_and_wallet_are_used_up(self):
        session = self.charge(0, at=self.at(9))
        register, moment = 0, self.at(9)
        while session.state == "charging":
            register, moment = register + 60, moment + timedelta(minutes=2)
            self.assertLess(moment, self.at(20), "money must end the session")
            self.hear(register, moment)
        self.assertEqual((session.state, session.end_reason), ("stopping", "credit"))
        self.assertEqual(self.wanted(self.pile).wanted, "open")
        self.link_opens(self.pile, register + 2, moment + timedelta(seconds=20))
        self.engine_pass()
        bill = session.bill_id
        self.assertEqual(session.settlement_state, "settled")
        self.assertLessEqual(bill.gross_fen, 6000)
        self.assertGreater(bill.gross_fen, 5700)
        self.assertEqual(self.wallet.balance_fen, 6000 - bill.gross_fen)

    def test_a_guard_never_shrinks_below_what_was_given(self):
        session = self.charge(0, at=self.at(9))
        given = session.guard_energy_wh
        for minute, register in ((5, 100), (40, 1500), (55, 2600), (61, 2900)):
            self.hear(register, self.at(9, minute))
            self.assertGreaterEqual(session._guard().energy_wh, given)
            given = session._guard().energy_wh

    def test_money_on_the_page(self):
        session = self.charge(100_000, at=self.at(9, 30))
        payload = session._live_payload()
        self.assertEqual((payload["amount"], payload["hold_left"]), ("0.00", "50.00"))
        self.hear(100_500, self.at(9, 45))
        payload = session._live_payload()
        # 5 kWh at 0.6888 + 0.4000
        self.assertEqual((payload["amount"], payload["hold_left"]), ("5.44", "44.56"))
        now = pricing.period_of(datetime.now(UTC), self.version._priced(), self.pile._zone())
        self.assertEqual(payload["price"], f"{now.total:.4f}")
        session._stop("driver")
        self.link_opens(self.pile, 101_000, self.at(9, 50))
        self.engine_pass()
        payload = session._live_payload()
        self.assertEqual(payload["amount"], "10.89")
        self.assertNotIn("hold_left", payload)

    def test_the_page_shows_what_the_bill_will_say(self):
        """The few readings around boundaries price a running session as all of them do."""
        session = self.charge(50_000, at=self.at(6, 30))
        register = 50_000
        for minutes in range(7, 330, 7):
            register += (minutes * 13) % 17
            self.hear(register, self.at(6, 30) + timedelta(minutes=minutes))
            whole = pricing.cost_so_far(
                session._curve(), session.unit_wh, self.version._priced(), session._zone()
            )
            self.assertEqual(session._spent().fen, whole)
        self.assertLess(len(session._price_curve()), 10)
        session._stop("driver")
        self.link_opens(self.pile, register, self.at(6, 30) + timedelta(minutes=330))
        self.engine_pass()
        self.assertEqual(session.bill_id.gross_fen, whole)

    def test_postpaid_knows_no_money_limit(self):
        self.patch(self.env.registry["acrel.pile"], "_payment_mode", lambda pile: "postpaid")
        session = self.charge(0, at=self.at(9))
        self.assertEqual(session.payment_mode, "postpaid")
        self.assertIsNone(session._guard().energy_wh)
        self.assertFalse(session.hold_ids)
        self.hear(20_000, self.at(12))
        self.assertEqual(session.state, "charging")
        session._stop("driver")
        self.link_opens(self.pile, 20_000, self.at(19))
        self.engine_pass()
        self.assertEqual(session.bill_id.payment_mode, "postpaid")
        self.assertEqual(self.wallet.balance_fen, 6000)

    def test_free_energy_has_no_limit(self):
        self.station.tariff_id = self.make_tariff([(0, 1440, "flat", 0, 0)])
        session = self.session_with((self.at(9), 0), (self.at(10), 1000))
        self.assertFalse(session.has_guard)
        self.assertEqual((session.bill_id.gross_fen, session.bill_id.energy_wh), (0, 10_000))
        self.assertEqual((self.wallet.held_fen, self.wallet.balance_fen), (0, 6000))
