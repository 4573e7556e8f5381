from base64 import b64decode
from io import BytesIO

import psycopg2
from PIL import Image

from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import ChargingCase


@tagged("post_install", "-at_install")
class TestPile(ChargingCase):
    def assertState(self, state):
        self.env.invalidate_all()
        self.assertEqual(self.pile.state, state)
        Pile = self.env["acrel.pile"]
        self.assertIn(self.pile, Pile.search([("state", "=", state)]))
        self.assertNotIn(self.pile, Pile.search([("state", "!=", state)]))

    def test_states(self):
        self.assertState("available")
        self.link_online(self.pile, False)
        self.assertState("offline")
        self.link_online(self.pile)
        self.observe(self.pile, state="closed")
        self.assertState("fault")
        self.observe(self.pile, state="open", error="does not answer")
        self.assertState("fault")
        self.observe(self.pile, state="open", error=None)
        session = self.start()
        self.assertState("starting")
        self.link_online(self.pile, False)
        self.assertState("starting")
        self.link_closes(self.pile, 10)
        self.engine_pass()
        self.assertState("charging")
        session._stop("driver")
        self.assertState("stopping")
        self.link_online(self.pile)
        self.link_opens(self.pile, 11)
        self.engine_pass()
        self.assertState("available")
        self.pile.out_of_service = True
        self.assertState("out_of_service")

    def test_start_is_refused_with_a_sentence(self):
        cases = [
            ("out of service", lambda: self.pile.write({"out_of_service": True})),
            ("no meter", lambda: self.pile.write({"installation_id": False, "output_id": False})),
            ("cannot be reached", lambda: self.link_online(self.pile, False)),
            ("fault", lambda: self.observe(self.pile, state="closed")),
            ("switched on by hand", lambda: self.pile.output_id._want("closed", "for a test")),
            ("not valid now", lambda: self.pile.installation_id.write({"date_to": self.now})),
        ]
        for sentence, break_it in cases:
            with self.subTest(sentence), self.env.cr.savepoint() as savepoint:
                break_it()
                self.env.invalidate_all()
                with self.assertRaisesRegex(UserError, sentence):
                    self.start()
                self.assertFalse(self.pile.session_ids)
                savepoint.rollback()
                self.env.invalidate_all(flush=False)
        self.assertEqual(self.start().state, "starting")

    def test_a_refused_authorisation_leaves_nothing(self):
        session_class = self.env.registry["acrel.session"]
        sentence = "not enough money"

        def _authorise(_session):
            raise UserError(sentence)

        self.patch(session_class, "_authorise", _authorise)
        with self.assertRaisesRegex(UserError, sentence), self.env.cr.savepoint():
            self.start()
        self.assertFalse(self.pile.session_ids)
        self.assertIsNone(self.wanted(self.pile))

    def test_code_is_unique_and_fits_an_address(self):
        for code in (self.pile.code, "a/b", "", "x" * 17, "P 1"):
            with (
                self.subTest(code),
                mute_logger("odoo.sql_db"),
                self.assertRaises(psycopg2.IntegrityError),
                self.env.cr.savepoint(),
            ):
                self.env["acrel.pile"].create(
                    {"code": code, "name": "x", "station_id": self.pile.station_id.id}
                )

    def test_one_pile_an_installation(self):
        with (
            mute_logger("odoo.sql_db"),
            self.assertRaises(psycopg2.errors.UniqueViolation),
            self.env.cr.savepoint(),
        ):
            self.env["acrel.pile"].create(
                {
                    "code": "T009",
                    "name": "x",
                    "station_id": self.pile.station_id.id,
                    "installation_id": self.pile.installation_id.id,
                }
            )

    def test_meter_is_not_exchanged_in_a_session(self):
        self.start()
        other = self.make_pile("T009")
        installation = other.installation_id
        other.installation_id = False
        with self.assertRaises(ValidationError):
            self.pile.installation_id = installation

    def test_output_follows_the_installation(self):
        self.assertEqual(self.pile.output_id, self.pile.installation_id.meter_id.output_ids)
        other = self.make_pile("T009")
        with self.assertRaises(ValidationError):
            self.pile.output_id = other.output_id

    def test_rated_power(self):
        self.pile.rated_power_kw = 7.0005
        self.assertEqual(self.pile.rated_power_w, 7001)
        self.assertEqual(self.pile.rated_power_kw, 7.001)

    def test_qr(self):
        self.assertTrue(self.pile.qr_url.endswith("/charging/p/T001"))
        image = Image.open(BytesIO(b64decode(self.pile.qr_image)))
        self.assertEqual(image.format, "PNG")
        html, _type = self.env["ir.actions.report"]._render_qweb_html(
            "acrel_charging.pile_qr_sheet", self.pile.ids
        )
        self.assertIn(self.pile.qr_url.encode(), html)

    def test_silence_default_of_new_piles(self):
        self.env["ir.config_parameter"].set_param("acrel_charging.silence_minutes", "45")
        self.assertEqual(self.make_pile("T010").silence_minutes, 45)

    def test_a_close_by_hand_that_is_over_blocks_no_start(self):
        output = self.pile.output_id
        output.action_close()
        self.link_closes(self.pile, 100)
        self.engine_pass()
        self.assertEqual(self.wanted(self.pile).wanted, "closed")
        with self.assertRaises(UserError) as refused, self.env.cr.savepoint():
            self.start()
        self.assertNotIn(self.env.user.name, str(refused.exception), "drivers read this")
        self.link_opens(self.pile, 110, tripped="time")
        self.engine_pass()
        self.assertEqual(self.wanted(self.pile).wanted, "open")
        self.link_opens(self.pile, 110)
        self.assertEqual(self.start().state, "starting")

    def test_a_close_by_hand_that_was_never_sent_blocks_no_start(self):
        output = self.pile.output_id
        output._want("closed", "by hand", close_before=self.ago(seconds=1))
        self.engine_pass()
        self.assertEqual(self.wanted(self.pile).wanted, "closed", "the link may be writing yet")
        output._want("closed", "by hand", close_before=self.ago(seconds=20))
        self.engine_pass()
        self.assertEqual(self.wanted(self.pile).wanted, "open")
        self.assertEqual(self.start().state, "starting")

    def test_what_a_session_or_a_hold_wants_closed_stays(self):
        session = self.start()
        self.set_columns(session, requested_at=self.ago(seconds=35))
        row = self.wanted(self.pile)
        self.pile.output_id._want("closed", row.reason, close_before=self.ago(seconds=20))
        self.engine_pass()
        self.assertEqual((session.state, self.wanted(self.pile).wanted), ("starting", "closed"))
        other = self.make_pile("T003")
        other.output_id._want("closed", "ship", on_doubt="hold", close_before=self.ago(seconds=20))
        self.engine_pass()
        self.assertEqual(self.wanted(other).wanted, "closed")
