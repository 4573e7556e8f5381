from datetime import timedelta

import psycopg2

from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from .common import BillingCase


@tagged("post_install", "-at_install")
class TestSettle(BillingCase):
    def test_readings_are_kept_until_the_bill_is_made(self):
        readings = self.env["acrel.reading"]
        session = self.morning()
        begin = self.midnight - timedelta(days=1000)
        session.start_at = begin
        self.assertEqual(session.settlement_state, "settled")
        self.assertNotEqual(readings._reading_floor(), begin)
        for state in ("pending", "refused"):
            session.settlement_state = state
            self.assertEqual(readings._reading_floor(), begin)

    def test_a_bill_by_hand(self):
        session = self.morning()
        bill = session.bill_id
        self.assertRecordValues(
            bill,
            [
                {
                    "state": "posted",
                    "kind": "charging",
                    "partner_id": self.partner.id,
                    "session_id": session.id,
                    "station_id": self.station.id,
                    "payment_mode": "prepaid",
                    "revenue_date": self.at(10, 30).date(),
                    "energy_wh": 20_000,
                    "gross_fen": 2694,
                    # 26.94 at 13 % holds 3.0993
                    "tax_fen": 310,
                    "net_fen": 2384,
                    "amount_gross": 26.94,
                }
            ],
        )
        self.assertRegex(bill.name, r"^CB/\d{4}/\d{6}$")
        self.assertRecordValues(
            bill.line_ids,
            [
                {
                    "period_kind": kind,
                    "fee_kind": fee,
                    "start_wh": start,
                    "end_wh": start + 10_000,
                    "energy_wh": 10_000,
                    "price": price,
                    "gross_fen": gross,
                    "tax_fen": tax,
                    "tax_rate": 13,
                    "is_live": True,
                }
                for kind, fee, start, price, gross, tax in (
                    ("flat", "electricity", 1_000_000, 0.6888, 689, 79),
                    ("flat", "service", 1_000_000, 0.4, 400, 46),
                    ("sharp", "electricity", 1_010_000, 1.205, 1205, 139),
                    ("sharp", "service", 1_010_000, 0.4, 400, 46),
                )
            ],
        )
        self.assertEqual(bill.line_ids.mapped("start_at")[0], self.at(9, 30))
        self.assertEqual(bill.line_ids.mapped("end_at")[0], self.at(10))
        self.assertEqual(session.settlement_state, "settled")

    def test_the_wallet_pays_the_bill_and_the_rest_of_the_hold_is_free(self):
        session = self.morning()
        self.assertEqual(self.wallet.balance_fen, 10_000 - 2694)
        self.assertEqual(self.wallet.held_fen, 0)
        self.assertEqual(session.hold_ids.state, "captured")
        self.assertEqual(session.hold_ids.captured_fen, 2694)

    def test_settled_once_whatever_comes_again(self):
        session = self.morning()
        bill = session.bill_id
        session._on_state("stopping")
        session._settle()
        with self.assertRaisesRegex(UserError, "settled already"):
            session.action_settle()
        with self.assertRaisesRegex(UserError, "settled already"):
            self.env["acrel.bill"]._settle(session)
        self.env.cr.execute(
            "DELETE FROM acrel_engine_meter_mark; DELETE FROM acrel_engine_output_mark"
        )
        self.engine_pass()
        self.assertEqual(session.bill_line_ids.bill_id, bill)
        self.assertEqual(self.wallet.balance_fen, 10_000 - 2694)

    def test_the_database_keeps_a_second_line_set_out(self):
        session = self.morning()
        self.env.cr.execute(
            "UPDATE acrel_session SET settlement_state = 'none' WHERE id = %s", [session.id]
        )
        session.invalidate_recordset()
        with (
            mute_logger("odoo.sql_db"),
            self.assertRaises(psycopg2.errors.UniqueViolation),
            self.env.cr.savepoint(),
        ):
            self.env["acrel.bill"]._settle(session)

    def test_no_energy_no_bill_and_the_hold_is_released(self):
        session = self.session_with((self.at(9), 500), (self.at(9, 5), 500))
        self.assertEqual(session.state, "finished")
        self.assertEqual(session.settlement_state, "settled")
        self.assertFalse(session.bill_id)
        self.assertEqual((self.wallet.held_fen, self.wallet.balance_fen), (0, 10_000))

    def test_cancelled_and_faulted_sessions_release_the_hold(self):
        session = self.start()
        self.assertGreater(self.wallet.held_fen, 0)
        self.set_columns(session, requested_at=session.requested_at - timedelta(minutes=2))
        self.engine_pass()
        self.assertEqual((session.state, session.settlement_state), ("cancelled", "settled"))
        self.assertEqual(self.wallet.held_fen, 0)
        session = self.session_with((self.at(9), 500), (self.at(9, 5), 400))
        self.assertEqual((session.state, session.settlement_state), ("faulted", "settled"))
        self.assertEqual((self.wallet.held_fen, self.wallet.balance_fen), (0, 10_000))

    def test_energy_above_the_limit_is_not_billed(self):
        session = self.start()
        limit = self.wanted(self.pile).guard_energy
        self.link_closes(self.pile, 1000, self.at(9))
        self.engine_pass()
        self.link_opens(self.pile, 1000 + limit + 7, self.at(11), tripped="energy")
        self.engine_pass()
        self.assertEqual(session.energy_wh, limit * 10)
        self.assertEqual(session.bill_id.energy_wh, limit * 10)
        self.assertLessEqual(session.bill_id.gross_fen, session.hold_ids.amount_fen)
        self.assertEqual(sum(session.outside_ids.mapped("wh")), 70)

    def test_implausible_energy_waits_for_a_person(self):
        self.top_up(5000)
        self.company.acrel_hold_amount = 5000
        session = self.session_with((self.at(9), 1000), (self.at(9, 10), 201_000))
        self.assertFalse(session.billable)
        self.assertEqual(session.settlement_state, "pending")
        self.assertFalse(session.bill_id)
        self.assertGreater(self.wallet.held_fen, 0)
        session.with_user(self.operator).action_confirm_energy()
        self.assertEqual(session.settlement_state, "settled")
        self.assertEqual(session.bill_id.energy_wh, session.energy_wh)

    def test_what_cannot_be_billed_says_why_and_the_session_still_ends(self):
        session = self.start()
        self.link_closes(self.pile, 0, self.at(9))
        self.engine_pass()
        self.env.cr.execute(
            "UPDATE acrel_session SET tariff_version_id = NULL WHERE id = %s", [session.id]
        )
        session.invalidate_recordset()
        session._stop("driver")
        self.link_opens(self.pile, 100, self.at(9, 30))
        self.engine_pass()
        self.assertEqual((session.state, session.settlement_state), ("finished", "refused"))
        self.assertIn("without a tariff", session.settlement_message)
        session.tariff_version_id = self.version
        session.action_settle()
        self.assertEqual(session.settlement_state, "settled")
        self.assertEqual(session.bill_id.energy_wh, 1000)

    def test_over_midnight_lines_stand_by_day(self):
        session = self.session_with((self.at(23), 0), (self.at(25), 1000))
        lines = session.bill_id.line_ids.filtered(lambda line: line.fee_kind == "electricity")
        self.assertEqual(
            lines.mapped(lambda line: (line.day, line.period_kind, line.energy_wh)),
            [
                (self.midnight.date(), "flat", 5000),
                (self.midnight.date() + timedelta(days=1), "valley", 5000),
            ],
        )
        self.assertEqual(session.bill_id.revenue_date, self.midnight.date() + timedelta(days=1))

    def test_a_replay_comes_to_the_same_fen_and_finds_a_changed_reading(self):
        session = self.morning()
        bill = session.bill_id
        self.assertEqual(bill._replay(), [])
        self.assertEqual(bill.action_replay()["params"]["type"], "success")
        # the same energy, taken earlier: more of it in the cheap period
        self.env.cr.execute(
            "UPDATE acrel_reading_raw SET e_forward = e_forward + 300"
            " WHERE meter_id = %s AND e_forward = 100500",
            [self.pile.meter_id.id],
        )
        with self.assertRaisesRegex(UserError, "Line 1: "):
            bill.action_replay()

    def test_a_posted_bill_is_never_edited(self):
        bill = self.morning().bill_id
        line = bill.line_ids[0]
        for change in (
            lambda: bill.write({"partner_id": self.operator.partner_id.id}),
            lambda: bill.write({"state": "draft"}),
            lambda: bill.write({"state": "credited"}),
            lambda: bill.write({"revenue_date": "2026-01-01"}),
            lambda: bill.write({"line_ids": [Command.delete(line.id)]}),
            lambda: line.write({"gross_fen": 1}),
            lambda: line.unlink(),
            lambda: line.copy(),
            lambda: bill.unlink(),
        ):
            with self.assertRaises(UserError), self.env.cr.savepoint():
                change()
        bill.message_post(body="A note is no edit")
        self.assertEqual(bill.gross_fen, 2694)

    def test_a_credit_gives_everything_back_once(self):
        session = self.morning()
        bill = session.bill_id
        credit = bill._credit("wrong tariff")
        self.assertRecordValues(
            credit,
            [
                {
                    "state": "posted",
                    "is_credit": True,
                    "reverses_id": bill.id,
                    "gross_fen": -2694,
                    "net_fen": -2384,
                    "tax_fen": -310,
                    "energy_wh": -20_000,
                }
            ],
        )
        self.assertEqual(bill.state, "credited")
        self.assertEqual(bill.gross_fen, 2694)
        self.assertFalse(session.bill_id)
        self.assertEqual(session.settlement_state, "pending")
        self.assertEqual(self.wallet.balance_fen, 10_000)
        with self.assertRaisesRegex(UserError, "cannot be credited"):
            bill._credit("again")
        with self.assertRaisesRegex(UserError, "cannot be credited"):
            credit._credit("of the credit")

    def test_credit_and_bill_again_by_other_prices(self):
        session = self.morning()
        bill = session.bill_id
        cheap = self.make_tariff([(0, 1440, "flat", 0.5, 0)]).version_ids
        accountant = new_test_user(
            self.env,
            "charging accountant",
            groups="base.group_user,account.group_account_invoice",
        )
        wizard = (
            self.env["acrel.bill.credit"]
            .with_user(accountant)
            .create(
                {
                    "bill_id": bill.id,
                    "reason": "promised price",
                    "bill_again": True,
                    "tariff_version_id": cheap.id,
                }
            )
        )
        again = self.env["acrel.bill"].browse(wizard.action_credit()["res_id"])
        self.assertEqual(session.bill_id, again)
        self.assertEqual(again.gross_fen, 1000)
        self.assertEqual(again.line_ids.tariff_version_id, cheap)
        self.assertEqual(again._replay(), [])
        self.assertEqual(bill._replay(), [])
        self.assertEqual(self.wallet.balance_fen, 10_000 - 1000)
        self.assertEqual(session.settlement_state, "settled")

    def test_several_sessions_on_one_bill(self):
        """As an add-on above bills them: one payer, one station, tax shared over all lines."""
        session_class = self.env.registry["acrel.session"]
        self.patch(session_class, "_settles_alone", lambda session: False)
        first = self.morning()
        second = self.session_with((self.at(11), 102_000), (self.at(11, 30), 102_333))
        self.assertEqual(set((first | second).mapped("settlement_state")), {"pending"})
        bill = self.env["acrel.bill"]._settle(first | second)
        self.assertEqual(bill.session_ids, first | second)
        self.assertFalse(bill.session_id)
        self.assertEqual(bill.energy_wh, 20_000 + 3_330)
        self.assertEqual(bill.tax_fen, round(bill.gross_fen * 13 / 113))
        self.assertEqual(bill._replay(), [])
        self.assertEqual(self.wallet.balance_fen, 10_000 - bill.gross_fen)
        self.assertEqual(self.wallet.held_fen, 0)

    def test_sessions_of_two_payers_make_no_common_bill(self):
        self.patch(self.env.registry["acrel.session"], "_settles_alone", lambda session: False)
        first = self.morning()
        second = self.session_with((self.at(11), 102_000), (self.at(11, 30), 102_333))
        second.payer_id = self.operator.partner_id
        with self.assertRaisesRegex(UserError, "cannot stand on one bill: Payer differs"):
            self.env["acrel.bill"]._settle(first | second)

    def test_who_sees_a_bill(self):
        bill = self.morning().bill_id
        stranger = new_test_user(self.env, "other driver", groups="base.group_portal")
        self.assertEqual(bill.with_user(self.driver).amount_gross, 26.94)
        self.assertTrue(bill.line_ids.with_user(self.driver).mapped("gross"))
        with self.assertRaises(AccessError):
            bill.with_user(stranger).read(["amount_gross"])
        with self.assertRaises(AccessError):
            bill.line_ids.with_user(stranger).read(["gross"])
        for user in (self.driver, self.operator):
            with self.assertRaises(UserError):
                bill.with_user(user).write({"partner_id": user.partner_id.id})
        with self.assertRaises(AccessError):
            self.env["acrel.bill.credit"].with_user(self.operator).create({"bill_id": bill.id})
        with self.assertRaises(AccessError):
            bill.session_id.with_user(self.operator).action_settle()

    def test_sessions_of_other_companies_are_not_settled(self):
        session = self.morning()
        session.bill_id._credit("Wrong price")
        other = self.env["res.company"].create({"name": "Other"})
        clerk = new_test_user(
            self.env,
            "clerk",
            groups="account.group_account_invoice",
            company_id=other.id,
            company_ids=[Command.set(other.ids)],
        )
        with self.assertRaises(AccessError):
            session.with_user(clerk).action_settle()
        self.assertEqual(session.settlement_state, "pending")

    def test_other_companies_do_not_see_it(self):
        bill = self.morning().bill_id
        other = self.env["res.company"].create({"name": "Other"})
        self.operator.write({"company_ids": [Command.link(other.id)]})
        there = bill.with_user(self.operator).with_context(allowed_company_ids=other.ids)
        self.assertFalse(there.search([("id", "=", bill.id)]))
        self.assertTrue(bill.with_user(self.operator).search([("id", "=", bill.id)]))

    def test_the_report_shows_each_line(self):
        bill = self.morning().bill_id
        html, _kind = self.env["ir.actions.report"]._render_qweb_html(
            "acrel_billing.action_report_bill", bill.ids
        )
        text = html.decode()
        for expected in (bill.name, "0.6888", "1.2050", "26.94", "1000.000", "1020.000"):
            self.assertIn(expected, text)
