"""A bill that is credited while somebody else makes its invoice."""

from psycopg2.errors import SerializationFailure

from odoo import SUPERUSER_ID, api, fields
from odoo.sql_db import db_connect
from odoo.tests import TransactionCase, tagged
from odoo.tools import mute_logger


@tagged("post_install", "-at_install")
class TestInvoiceRace(TransactionCase):
    """The bill raced for is committed and removed again; the test's own transaction is empty."""

    def setUp(self):
        super().setUp()
        with self.connection() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            company = env["res.company"].search([], limit=1)
            self.partner_id = env["res.partner"].create({"name": "Racing payer"}).id
            self.station_id = (
                env["acrel.station"]
                .create({"name": "Racing station", "code": "RACE", "company_id": company.id})
                .id
            )
            bill = env["acrel.bill"].create(
                {
                    "partner_id": self.partner_id,
                    "company_id": company.id,
                    "currency_id": company.currency_id.id,
                    "payment_mode": "prepaid",
                    "station_id": self.station_id,
                    "revenue_date": fields.Date.today(),
                }
            )
            env.flush_all()
            self.bill_id = bill.id
            cr.execute("UPDATE acrel_bill SET state = 'posted' WHERE id = %s", [bill.id])
        self.addCleanup(self.clean)

    def connection(self):
        return db_connect(self.env.cr.dbname).cursor()

    def clean(self):
        with self.connection() as cr:
            cr.execute("DELETE FROM acrel_bill WHERE id = %s", [self.bill_id])
            env = api.Environment(cr, SUPERUSER_ID, {})
            env["acrel.station"].browse(self.station_id).unlink()
            env["res.partner"].browse(self.partner_id).unlink()

    @mute_logger("odoo.sql_db")
    def test_an_older_snapshot_makes_no_invoice(self):
        late = self.connection()
        self.addCleanup(late.close)
        bill = api.Environment(late, SUPERUSER_ID, {})["acrel.bill"].browse(self.bill_id)
        self.assertEqual(bill.state, "posted")
        with self.connection() as cr:
            cr.execute("UPDATE acrel_bill SET state = 'credited' WHERE id = %s", [self.bill_id])
        with self.assertRaises(SerializationFailure):
            bill._make_invoice()
        late.rollback()
