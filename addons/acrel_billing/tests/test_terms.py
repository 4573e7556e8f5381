from odoo.exceptions import UserError
from odoo.tests import tagged

from .common import DAY, BillingCase


@tagged("post_install", "-at_install")
class TestTerms(BillingCase):
    def test_terms_are_frozen_at_the_start(self):
        session = self.start()
        self.assertRecordValues(
            session,
            [
                {
                    "payer_id": self.partner.id,
                    "payment_mode": "prepaid",
                    "tariff_version_id": self.version.id,
                    "price_tz": "Asia/Shanghai",
                    "settlement_state": "none",
                }
            ],
        )

    def test_a_later_change_of_tariff_or_clock_does_not_move_a_session(self):
        session = self.start()
        self.link_closes(self.pile, 100_000, self.at(9, 30))
        self.engine_pass()
        self.station.tariff_id = self.make_tariff([(0, 1440, "flat", 9.0, 9.0)])
        self.station.tz = "America/New_York"
        session._stop("driver")
        self.link_opens(self.pile, 102_000, self.at(10, 30))
        self.engine_pass()
        self.assertEqual(session.bill_id.gross_fen, 689 + 400 + 1205 + 400)

    def test_no_price_no_start(self):
        self.station.tariff_id = False
        with self.assertRaisesRegex(UserError, "no price in force"):
            self.start()
        self.station.tariff_id = self.make_tariff(DAY, activate=False)
        with self.assertRaisesRegex(UserError, "no price in force"):
            self.start()
        self.assertFalse(self.env["acrel.session"].search([("pile_id", "=", self.pile.id)]))

    def test_staff_run_sessions_that_nobody_pays(self):
        self.station.tariff_id = False
        session = self.pile._start()
        self.link_closes(self.pile, 10)
        self.engine_pass()
        session._stop("staff")
        self.link_opens(self.pile, 30)
        self.engine_pass()
        self.assertRecordValues(
            session,
            [
                {
                    "state": "finished",
                    "energy_wh": 200,
                    "settlement_state": "not_billable",
                    "payment_mode": False,
                    "bill_id": False,
                }
            ],
        )
        self.assertNotIn("amount", session._live_payload())
