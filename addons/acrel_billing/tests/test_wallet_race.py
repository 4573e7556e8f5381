"""Real connections that want the same money at the same time."""

from functools import partial

from psycopg2.errors import LockNotAvailable, SerializationFailure

from odoo import SUPERUSER_ID, api
from odoo.exceptions import UserError
from odoo.service.model import retrying
from odoo.sql_db import db_connect
from odoo.tests import TransactionCase, tagged
from odoo.tools import mute_logger


@tagged("post_install", "-at_install")
class TestWalletRace(TransactionCase):
    """The wallet raced for is committed and removed again; the test's own transaction is empty.

    The connections take their snapshots before any of them changes anything, as requests do that
    arrive together.
    """

    def setUp(self):
        super().setUp()
        with self.connection() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            company = env["res.company"].search([], limit=1)
            partner = env["res.partner"].create({"name": "Racing driver"})
            cr.execute(
                "INSERT INTO acrel_wallet (partner_id, company_id, balance_fen, held_fen)"
                " VALUES (%s, %s, 5000, 0) RETURNING id",
                [partner.id, company.id],
            )
            self.ids = {
                "wallet": cr.fetchone()[0],
                "partner": partner.id,
                "company": company.id,
            }
        self.addCleanup(self.clean)

    def connection(self):
        return db_connect(self.env.cr.dbname).cursor()

    def clean(self):
        with self.connection() as cr:
            for query in (
                "DELETE FROM acrel_wallet_hold WHERE partner_id = %(partner)s",
                "DELETE FROM acrel_wallet_refund WHERE partner_id = %(partner)s",
                "DELETE FROM acrel_wallet WHERE partner_id = %(partner)s",
            ):
                cr.execute(query, self.ids)
            env = api.Environment(cr, SUPERUSER_ID, {})
            env["res.partner"].browse(self.ids["partner"]).unlink()

    def snapshots(self, number):
        """Return environments of connections that have all looked at the wallet already."""
        envs = []
        for _connection in range(number):
            cr = self.connection()
            self.addCleanup(cr.close)
            cr.execute("SELECT balance_fen FROM acrel_wallet WHERE id = %(wallet)s", self.ids)
            envs.append(api.Environment(cr, SUPERUSER_ID, {}))
        return envs

    def totals(self):
        with self.connection() as cr:
            cr.execute(
                "SELECT balance_fen, held_fen FROM acrel_wallet WHERE id = %(wallet)s", self.ids
            )
            return cr.fetchone()

    def ask(self, env, fen):
        wallet = env["acrel.wallet"].browse(self.ids["wallet"])
        return env["acrel.wallet.refund"]._request(wallet, fen, "race").id

    @mute_logger("odoo.sql_db", "odoo.service.model")
    def test_holds_that_do_not_fit_together(self):
        """Whoever comes second sees what the first has taken, although his snapshot is older."""
        first, second, third = self.snapshots(3)
        retrying(partial(self.ask, first, 4000), first)
        for late in (second, third):
            with self.assertRaises(SerializationFailure):
                self.ask(late, 3000)
            late.cr.rollback()
            with self.assertRaisesRegex(UserError, r"10\.00.*30\.00"):
                self.ask(late, 3000)
            late.cr.rollback()
        self.assertEqual(self.totals(), (5000, 4000))

    @mute_logger("odoo.sql_db", "odoo.service.model")
    def test_odoo_repeats_the_one_who_comes_late(self):
        first, second = self.snapshots(2)
        one = retrying(partial(self.ask, first, 3000), first)
        two = retrying(partial(self.ask, second, 2000), second)
        self.assertNotEqual(one, two)
        self.assertEqual(self.totals(), (5000, 5000))

    @mute_logger("odoo.sql_db")
    def test_the_second_waits_for_the_first(self):
        first, second = self.snapshots(2)
        self.ask(first, 4000)
        second.cr.execute("SET LOCAL lock_timeout = '100ms'")
        with self.assertRaises(LockNotAvailable):
            self.ask(second, 1000)
        second.cr.rollback()
        first.cr.rollback()
        self.assertEqual(self.totals(), (5000, 0))

    @mute_logger("odoo.sql_db", "odoo.service.model")
    def test_two_requests_make_one_wallet(self):
        with self.connection() as cr:
            cr.execute("DELETE FROM acrel_wallet WHERE id = %(wallet)s", self.ids)

        # The company of a test database need not keep its books in yuan.
        self.patch(self.env.registry["acrel.wallet"], "_check_books_currency", lambda *_args: None)

        def ensure(env):
            wallets = env["acrel.wallet"]
            partner = env["res.partner"].browse(self.ids["partner"])
            return wallets._ensure(partner, env["res.company"].browse(self.ids["company"])).id

        first, second = self.snapshots(2)
        made = retrying(partial(ensure, first), first)
        self.assertEqual(retrying(partial(ensure, second), second), made)
        self.assertTrue(made)
