"""The wallet, its entries and its holds."""

from psycopg2 import IntegrityError

from odoo import Command
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from .common import BillingCase


@tagged("post_install", "-at_install")
class TestWallet(BillingCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bank = cls.env["account.journal"].search(
            [("type", "=", "bank"), ("company_id", "=", cls.company.id)], limit=1
        )
        cls.other = cls.env["account.account"].search(
            [("account_type", "=", "expense"), ("company_ids", "in", cls.company.ids)], limit=1
        )

    def totals(self, wallet=None):
        wallet = wallet or self.wallet
        self.env.flush_all()
        self.env.invalidate_all()
        return wallet.balance_fen, wallet.held_fen

    # === entries === #

    def test_the_balance_is_the_sum_of_the_entries(self):
        self.top_up(12.34)
        self.wallet._adjust(-1234, self.other, "Wrong transfer")
        self.wallet._adjust(1, self.other, "A fen")
        self.assertEqual(self.totals(), (10001, 0))
        self.assertEqual(sum(self.wallet.entry_ids.mapped("amount_fen")), 10001)
        self.assertEqual(self.wallet.available, 100.01)

    def test_an_entry_is_never_changed_or_deleted(self):
        entry = self.wallet.entry_ids
        with self.assertRaises(UserError):
            entry.note = "changed"
        with self.assertRaises(UserError):
            entry.unlink()
        for query in (
            "UPDATE acrel_wallet_entry SET amount_fen = 1 WHERE id = %s",
            "UPDATE acrel_wallet_entry SET key = 'x' WHERE id = %s",
            "DELETE FROM acrel_wallet_entry WHERE id = %s",
            "TRUNCATE acrel_wallet_entry CASCADE -- %s",
        ):
            with (
                self.subTest(query=query),
                mute_logger("odoo.sql_db"),
                self.assertRaisesRegex(IntegrityError, "never changed or deleted"),
                self.env.cr.savepoint(),
            ):
                self.env.cr.execute(query, [entry.id])
        self.assertEqual(self.totals(), (10000, 0))

    def test_the_total_is_never_set_by_hand(self):
        with self.assertRaises(UserError):
            self.wallet.balance_fen = 1

    def test_the_same_cause_books_once(self):
        move = self.wallet.entry_ids.move_id
        booked = [self.wallet._book("topup", 500, "test,1", move_id=move.id) for _time in range(3)]
        self.assertEqual(len(set(booked)), 1)
        self.assertEqual(self.totals(), (10500, 0))
        with self.assertRaisesRegex(UserError, "already booked"):
            self.wallet._book("topup", 600, "test,1", move_id=move.id)
        with (
            mute_logger("odoo.sql_db"),
            self.assertRaises(IntegrityError),
            self.env.cr.savepoint(),
        ):
            self.env["acrel.wallet.entry"].create(
                {
                    "wallet_id": self.wallet.id,
                    "kind": "topup",
                    "amount_fen": 500,
                    "key": "test,1",
                    "move_id": move.id,
                }
            )

    def test_signs_and_causes(self):
        move = self.wallet.entry_ids.move_id
        wrong = [
            ("topup", -1, {"move_id": move.id}),
            ("refund", 1, {"move_id": move.id}),
            ("adjustment", 0, {"move_id": move.id}),
            ("topup", 1, {}),
            ("charge", -1, {"move_id": move.id}),
        ]
        for number, (kind, fen, cause) in enumerate(wrong):
            with (
                self.subTest(kind=kind, fen=fen, cause=cause),
                mute_logger("odoo.sql_db"),
                self.assertRaises(IntegrityError),
                self.env.cr.savepoint(),
            ):
                self.wallet._book(kind, fen, f"wrong,{number}", **cause)
        self.assertEqual(self.totals(), (10000, 0))

    def test_nothing_takes_what_is_not_there(self):
        with self.assertRaisesRegex(UserError, "less than"):
            self.wallet._adjust(-10001, self.other, "Too much")
        with (
            mute_logger("odoo.sql_db"),
            self.assertRaisesRegex(IntegrityError, "less available"),
            self.env.cr.savepoint(),
        ):
            self.env.cr.execute(
                """
                INSERT INTO acrel_wallet_entry (wallet_id, company_id, kind, amount_fen, key, date,
                                                move_id)
                SELECT wallet_id, company_id, 'refund', -10001, 'by sql', now(), move_id
                  FROM acrel_wallet_entry WHERE wallet_id = %s
                """,
                [self.wallet.id],
            )

    def test_one_wallet_a_driver_and_company(self):
        self.assertEqual(self.env["acrel.wallet"]._ensure(self.partner, self.company), self.wallet)
        stranger = self.env["res.partner"].create({"name": "Stranger"})
        wallet = self.env["acrel.wallet"]._ensure(stranger, self.company)
        self.assertEqual(self.totals(wallet), (0, 0))
        euro = self.env["res.company"].create(
            {"name": "Euro Charging", "currency_id": self.env.ref("base.EUR").id}
        )
        with self.assertRaisesRegex(UserError, "EUR"):
            self.env["acrel.wallet"]._ensure(stranger, euro)

    # === holds === #

    def test_a_session_takes_its_hold_and_the_rest_is_free_after_the_bill(self):
        session = self.start()
        self.assertEqual(session._hold_amount_fen(), 5000)
        self.assertEqual(self.totals(), (10000, 5000))
        self.env.cr.execute("SELECT 1")
        session = self.finish(session)
        bill = session.bill_id
        self.assertGreater(bill.gross_fen, 0)
        self.assertEqual(self.totals(), (10000 - bill.gross_fen, 0))
        hold = session.hold_ids
        self.assertEqual((hold.state, hold.captured_fen), ("captured", bill.gross_fen))
        bill._pay_from_wallet()
        self.assertEqual(self.totals(), (10000 - bill.gross_fen, 0), "paid once")

    def finish(self, session):
        self.link_closes(self.pile, 100_000, self.at(9, 30))
        self.engine_pass()
        session._stop("driver")
        self.link_opens(self.pile, 101_000, self.at(10, 30))
        self.engine_pass()
        return session

    def test_a_cancelled_start_gives_the_hold_back(self):
        session = self.start()
        session._set_state("cancelled", end_reason="start_failed")
        self.assertEqual(session.hold_ids.state, "released")
        self.assertEqual(self.totals(), (10000, 0))
        session._release_hold()
        self.assertEqual(self.totals(), (10000, 0), "released once")

    def test_the_hold_grows_by_steps_while_there_is_more(self):
        session = self.start()
        self.company.acrel_hold_amount = 30.0
        self.assertTrue(session._extend_hold())
        self.assertEqual(session._hold_amount_fen(), 8000)
        self.assertTrue(session._extend_hold())
        self.assertEqual(self.totals(), (10000, 10000))
        self.assertFalse(session._extend_hold())
        self.top_up(5)
        self.assertTrue(session._extend_hold())
        self.assertEqual(self.totals(), (10500, 10500))

    def test_two_sessions_share_a_wallet(self):
        second = self.make_pile("T002", station=self.station)
        self.start()
        self.assertEqual(self.start(second)._hold_amount_fen(), 5000)
        third = self.make_pile("T003", station=self.station)
        with self.assertRaisesRegex(UserError, "at least"):
            self.start(third)
        self.assertEqual(self.totals(), (10000, 10000))

    def test_too_little_to_start(self):
        self.wallet._adjust(-9950, self.other, "Nearly empty")
        with self.assertRaisesRegex(UserError, r"0\.50.*1\.00.*0\.50"):
            self.start()
        self.assertFalse(self.wallet.hold_ids)
        stranger = new_test_user(self.env, "a new driver", groups="base.group_portal").partner_id
        with self.assertRaisesRegex(UserError, "Top up at least"):
            self.pile._start(stranger)

    def test_a_hold_is_never_more_than_what_is_there(self):
        session = self.start()
        for query, message in (
            ("UPDATE acrel_wallet_hold SET amount_fen = 10001 WHERE id = %s", "less available"),
            ("UPDATE acrel_wallet_hold SET amount_fen = 0 WHERE id = %s", "amounts"),
        ):
            with (
                self.subTest(query=query),
                mute_logger("odoo.sql_db"),
                self.assertRaisesRegex(IntegrityError, message),
                self.env.cr.savepoint(),
            ):
                self.env.cr.execute(query, [session.hold_ids.id])
        with (
            mute_logger("odoo.sql_db"),
            self.assertRaises(IntegrityError),
            self.env.cr.savepoint(),
        ):
            self.env["acrel.wallet.hold"]._take(self.wallet, 100, session_id=session.id)
        self.assertEqual(self.totals(), (10000, 5000))

    def test_a_bill_above_its_hold_is_charged_whole(self):
        session = self.start()
        self.wallet._adjust(-5000, self.other, "Only the hold is left")
        bill = self.env["acrel.bill"].create(
            {
                "company_id": self.company.id,
                "currency_id": self.company.currency_id.id,
                "partner_id": self.partner.id,
                "payment_mode": "prepaid",
                "station_id": self.station.id,
                "revenue_date": "2026-01-05",
                "line_ids": [
                    Command.create(
                        {
                            "sequence": 0,
                            "position": 0,
                            "session_id": session.id,
                            "tariff_version_id": self.version.id,
                            "day": "2026-01-05",
                            "start_at": "2026-01-05 01:00:00",
                            "end_at": "2026-01-05 02:00:00",
                            "period_kind": "flat",
                            "fee_kind": "electricity",
                            "start_wh": 0,
                            "end_wh": 50000,
                            "energy_wh": 50000,
                            "price": 1.1,
                            "tax_rate": 13.0,
                            "gross_fen": 5500,
                            "net_fen": 4867,
                            "tax_fen": 633,
                        }
                    )
                ],
            }
        )
        bill._post()
        bill._pay_from_wallet()
        self.assertEqual(self.totals(), (-500, 0))
        with self.assertRaisesRegex(UserError, r"5\.00 short.*6\.00"):
            self.wallet._check_start()
        self.top_up(6)
        self.assertEqual(self.totals(), (100, 0))
        self.wallet._check_start()

    # === access === #

    def test_who_sees_what(self):
        stranger = new_test_user(self.env, "another driver", groups="base.group_portal")
        self.start()
        for model in ("acrel.wallet", "acrel.wallet.entry", "acrel.wallet.hold"):
            records = self.env[model].search([("partner_id", "=", self.partner.id)])
            self.assertTrue(records)
            self.assertEqual(self.env[model].with_user(self.driver).search([]), records)
            self.assertFalse(self.env[model].with_user(stranger).search([]))
            with self.assertRaises(AccessError):
                records.with_user(stranger).check_access("read")
            for user in (self.driver, self.operator):
                for operation in ("create", "write", "unlink"):
                    self.assertFalse(records.with_user(user).has_access(operation))

    def test_companies_are_apart(self):
        other = self.env["res.company"].create(
            {"name": "Other", "currency_id": self.company.currency_id.id}
        )
        clerk = new_test_user(
            self.env,
            "clerk elsewhere",
            groups="account.group_account_manager",
            company_id=other.id,
            company_ids=[Command.set(other.ids)],
        )
        for model in ("acrel.wallet", "acrel.wallet.entry", "acrel.wallet.reconciliation"):
            self.assertTrue(self.env[model].search([("company_id", "=", self.company.id)]))
            self.assertFalse(
                self.env[model].with_user(clerk).search([("company_id", "=", self.company.id)])
            )

    # === staff === #

    def operation(self, user=None, **values):
        wizard = self.env["acrel.wallet.operation"].with_user(user or self.clerk())
        return wizard.create({"partner_id": self.partner.id, "note": "test", **values})

    def clerk(self):
        return new_test_user(self.env, "clerk", groups="account.group_account_invoice")

    def test_staff_top_up_refund_and_adjust(self):
        clerk = self.clerk()
        steps = [
            ({"kind": "topup", "amount": 20, "journal_id": self.bank.id}, 12000),
            ({"kind": "refund", "amount": 5, "journal_id": self.bank.id}, 11500),
            ({"kind": "take", "amount": 1, "account_id": self.other.id}, 11400),
            ({"kind": "add", "amount": 0.01, "account_id": self.other.id}, 11401),
        ]
        for values, balance in steps:
            self.operation(clerk, **values).action_apply()
            self.assertEqual(self.totals(), (balance, 0))
        self.assertEqual(self.wallet.entry_ids.create_uid - self.env.user, clerk)
        self.assertEqual(self.reconcile()["difference_fen"], 0)

    def reconcile(self):
        return self.env["acrel.wallet.reconciliation"]._of(self.company)

    def test_staff_operations_refuse_what_is_wrong(self):
        clerk = self.clerk()
        wrong = [
            {"kind": "topup", "amount": 0, "journal_id": self.bank.id},
            {"kind": "topup", "amount": 10, "journal_id": False},
            {"kind": "refund", "amount": 100.01, "journal_id": self.bank.id},
            {"kind": "take", "amount": 100.01, "account_id": self.other.id},
            {"kind": "add", "amount": 1, "account_id": self.other.id, "note": False},
            {
                "kind": "add",
                "amount": 1,
                "account_id": self.company.acrel_liability_account_id.id,
            },
        ]
        for values in wrong:
            wizard = self.operation(clerk, **values)
            with (
                self.subTest(values=values),
                self.assertRaises(UserError),
                self.env.cr.savepoint(),
            ):
                wizard.action_apply()
        self.assertEqual(self.totals(), (10000, 0))
        with self.assertRaises(AccessError):
            self.operation(self.operator, kind="topup", amount=10, journal_id=self.bank.id)

    def test_booked_entries_stay_in_the_books(self):
        move = self.wallet.entry_ids.move_id
        with self.assertRaisesRegex(UserError, "refund or adjust the wallet"):
            move.button_draft()
        with self.assertRaisesRegex(UserError, "refund or adjust the wallet"):
            move.origin_payment_id.action_draft()
