from urllib.parse import urlsplit

from odoo import http
from odoo.tests import HttpCase, new_test_user, tagged

from .common import LinkRows


@tagged("post_install", "-at_install")
class TestPortal(LinkRows, HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.hurry()
        # one language, whatever the database was made with
        cls.env["res.lang"]._activate_lang("en_US")
        cls.env["ir.default"].set("res.partner", "lang", "en_US")
        cls.pile = cls.make_pile()
        cls.station = cls.pile.station_id
        cls.driver = new_test_user(
            cls.env, "portal driver", groups="base.group_portal", lang="en_US"
        )
        cls.stranger = new_test_user(
            cls.env, "portal stranger", groups="base.group_portal", lang="en_US"
        )

    def post(self, url, **data):
        """Send a form as the page does."""
        if not self.session:
            self.authenticate(None, None)
        return self.url_open(
            url, data={"csrf_token": http.Request.csrf_token(self), **data}, allow_redirects=False
        )

    def running(self):
        """Let the driver's session run."""
        session = self.pile._start(self.driver.partner_id)
        self.link_closes(self.pile, 100)
        self.meter_says(self.pile, 223)
        self.engine_pass()
        return session

    def test_stations_without_a_log_in(self):
        page = self.url_open("/charging")
        self.assertEqual(page.status_code, 200)
        self.assertIn(self.station.name, page.text)
        self.assertIn(self.station.name, self.url_open("/charging?search=T001").text)
        page = self.url_open("/charging?search=nowhere")
        self.assertNotIn(self.station.name, page.text)
        self.assertIn("No station was found", page.text)
        page = self.url_open(f"/charging/station/{self.station.id}")
        self.assertIn("/charging/p/T001", page.text)

    def test_map_link(self):
        self.station.write({"latitude": 31.25, "longitude": 121.5})
        page = self.url_open(f"/charging/station/{self.station.id}")
        self.assertIn("position=121.500000,31.250000", page.text)

    def test_hidden_and_forged_addresses(self):
        self.station.portal_published = False
        for url in (
            f"/charging/station/{self.station.id}",
            "/charging/station/99999999",
            "/charging/p/T001",
            "/charging/p/%27%20OR%201=1",
        ):
            with self.subTest(url):
                page = self.url_open(url)
                self.assertEqual(page.status_code, 404)
                self.assertRegex(page.text, "does not exist|no pile with this code")
        self.assertNotIn(self.station.name, self.url_open("/charging").text)

    def test_pile_logged_out_leads_back_here(self):
        page = self.url_open("/charging/p/T001")
        self.assertEqual(page.status_code, 200)
        self.assertIn("/web/signup?redirect=/charging/p/T001", page.text)
        self.assertIn("/web/login?redirect=/charging/p/T001", page.text)
        self.assertNotIn("/charging/p/T001/start", page.text)

    def test_start_logged_out_is_refused(self):
        reply = self.post("/charging/p/T001/start")
        self.assertIn("/web/login", reply.headers.get("Location", ""))
        self.assertFalse(self.pile.session_ids)

    def test_start_without_csrf_is_refused(self):
        self.authenticate(self.driver.login, self.driver.login)
        with self.assertLogs("odoo.http", "WARNING"):
            reply = self.url_open("/charging/p/T001/start", data={"x": "1"})
        self.assertEqual(reply.status_code, 400)
        self.assertFalse(self.pile.session_ids)

    def test_start_by_get_is_refused(self):
        self.authenticate(self.driver.login, self.driver.login)
        self.assertEqual(self.url_open("/charging/p/T001/start").status_code, 405)
        self.assertFalse(self.pile.session_ids)

    def test_start_and_stop(self):
        self.authenticate(self.driver.login, self.driver.login)
        self.assertIn("/charging/p/T001/start", self.url_open("/charging/p/T001").text)
        reply = self.post("/charging/p/T001/start")
        self.assertEqual(reply.status_code, 303)
        session = self.pile.session_ids
        self.assertEqual(urlsplit(reply.headers["Location"]).path, f"/my/charging/{session.id}")
        self.assertEqual((session.driver_id, session.state), (self.driver.partner_id, "starting"))
        self.assertEqual(session.started_by_id, self.driver)
        self.assertEqual(self.wanted(self.pile).wanted, "closed")

        reply = self.post("/charging/p/T001/start")
        self.assertEqual(reply.status_code, 422)
        self.assertIn("going on at pile", reply.text)
        self.assertEqual(self.pile.session_ids, session)

        reply = self.post(f"/my/charging/{session.id}/stop")
        self.assertEqual(reply.status_code, 303)
        self.assertEqual((session.state, session.end_reason), ("stopping", "driver"))
        self.assertEqual(self.post(f"/my/charging/{session.id}/stop").status_code, 303)

    def test_offline_pile_says_so(self):
        self.link_online(self.pile, False)
        self.authenticate(self.driver.login, self.driver.login)
        page = self.url_open("/charging/p/T001")
        self.assertIn("cannot be reached", page.text)
        self.assertNotIn("/charging/p/T001/start", page.text)
        reply = self.post("/charging/p/T001/start")
        self.assertEqual(reply.status_code, 422)
        self.assertFalse(self.pile.session_ids)

    def test_live_page_and_fallback(self):
        session = self.running()
        self.authenticate(self.driver.login, self.driver.login)
        page = self.url_open(f"/my/charging/{session.id}")
        self.assertEqual(page.status_code, 200)
        self.assertIn('data-acrel="kwh"', page.text)
        self.assertIn("1.23", page.text)
        live = self.url_open(f"/my/charging/{session.id}/live").json()
        self.assertEqual((live["kwh"], live["state"], live["ended"]), ("1.23", "charging", False))
        curve = self.url_open(f"/my/charging/{session.id}/curve").json()
        self.assertEqual([watts for _at, watts in curve], [7000])
        self.assertIn(session.pile_id.code, self.url_open("/my/charging").text)

    def test_end_is_explained(self):
        session = self.running()
        session._stop("driver")
        self.link_opens(self.pile, 300)
        self.engine_pass()
        self.authenticate(self.driver.login, self.driver.login)
        page = self.url_open(f"/my/charging/{session.id}")
        self.assertIn("Stopped by the driver", page.text)
        self.assertIn("o_acrel_after_stop", page.text)
        self.assertNotIn(f"/my/charging/{session.id}/stop", page.text)

    def test_another_drivers_session_does_not_exist(self):
        session = self.running()
        self.authenticate(self.stranger.login, self.stranger.login)
        for url in (
            f"/my/charging/{session.id}",
            f"/my/charging/{session.id}/live",
            f"/my/charging/{session.id}/curve",
            "/my/charging/99999999",
        ):
            with self.subTest(url):
                self.assertEqual(self.url_open(url).status_code, 404)
        self.assertEqual(self.post(f"/my/charging/{session.id}/stop").status_code, 404)
        self.assertEqual(session.state, "charging")
        self.assertNotIn(session.pile_id.code, self.url_open("/my/charging").text)
        self.assertIn("No charging session here yet", self.url_open("/my/charging").text)

    def test_filters_of_my_sessions(self):
        session = self.running()
        self.authenticate(self.driver.login, self.driver.login)
        link = f"/my/charging/{session.id}"
        self.assertIn(link, self.url_open("/my/charging?filterby=live").text)
        self.assertNotIn(link, self.url_open("/my/charging?filterby=done").text)
        self.assertIn(link, self.url_open("/my/charging?filterby=forged").text)

    def test_home_card(self):
        self.running()
        self.authenticate(self.driver.login, self.driver.login)
        self.assertIn("/my/charging", self.url_open("/my").text)
        counters = self.make_jsonrpc_request(
            "/my/counters", {"counters": ["charging_session_count"]}
        )
        self.assertEqual(counters["charging_session_count"], 1)

    def test_sign_up_is_open_and_returns_to_the_pile(self):
        page = self.url_open("/web/signup?redirect=/charging/p/T001")
        self.assertEqual(page.status_code, 200)
        reply = self.post(
            "/web/signup?redirect=/charging/p/T001",
            login="new.driver@example.com",
            name="New Driver",
            password="Long-enough-1",
            confirm_password="Long-enough-1",
            redirect="/charging/p/T001",
        )
        self.assertEqual(reply.status_code, 303)
        self.assertEqual(urlsplit(reply.headers["Location"]).path, "/charging/p/T001")
