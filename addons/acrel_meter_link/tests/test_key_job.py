import re

from odoo.exceptions import UserError
from odoo.service.model import call_kw
from odoo.tests import tagged

from ..acrel_link.keys.jobs import ACTIONS as JOB_ACTIONS
from ..acrel_link.keys.package import PackageError, open_with_passphrase, open_with_private_key
from ..models.key_log import ACTIONS
from .key_case import PASSPHRASE, KeyCase


@tagged("post_install", "-at_install")
class TestKeyJob(KeyCase):
    """Orders: what the wizard takes, what the job keeps, and the package that is fetched once."""

    def test_an_order_is_a_job_that_tells_who_and_what(self):
        job = self.order()
        self.assertEqual((job.kind, job.state), ("issue", "queued"))
        self.assertEqual(job.link_ids, self.link)
        self.assertEqual(job.requested_by_id, self.officer)
        self.assertIn("officer", job.actor)
        self.assertEqual(job.company_id, self.company)
        self.assertTrue(job.stuck, "no link process runs")
        self.connect_link(self.link)
        self.env.cr.execute("UPDATE acrel_link_worker SET roots = 'abc', seen_at = now() + '1 h'")
        job.invalidate_recordset()
        self.assertFalse(job.stuck)

    def test_every_kind_can_be_ordered_and_carried_out(self):
        kinds = {kind for kind, _ in self.env["acrel.key.job"]._fields["kind"].selection}
        self.assertEqual(kinds, set(JOB_ACTIONS))
        offered = {kind for kind, _ in self.env["acrel.key.request"]._fields["kind"].selection}
        self.assertLess(offered, kinds)

    def test_a_listener_is_certified_by_its_names_and_without_a_link(self):
        job = self.order_under_passphrase(
            "listener_certificate", names="meters.example, 192.0.2.7", days=90
        )
        row = self.job_row(job)
        self.assertEqual(row["link_ids"], [])
        self.assertEqual(row["parameters"], {"names": ["meters.example", "192.0.2.7"], "days": 90})
        with self.assertRaisesRegex(UserError, "Type the name or address"):
            self.order_under_passphrase("listener_certificate", names=" , ")

    def test_buttons_above_the_lists_order_with_nothing_selected(self):
        for model, button, kind in (
            ("acrel.key.authority", "action_make", "authority"),
            ("acrel.key.authority", "action_replace", "authority"),
            ("acrel.key.authority", "action_revocation_list", "revocation_list"),
            ("acrel.root.key", "action_roll", "roll"),
        ):
            with self.subTest(button=button):
                action = call_kw(self.env[model].with_user(self.officer), button, [[]], {})
                job = self.env["acrel.key.job"].browse(action["res_id"])
                self.assertEqual((job.kind, job.state), (kind, "queued"))

    def test_every_line_of_the_log_has_its_words(self):
        self.assertLessEqual({f"{kind}_refused" for kind in JOB_ACTIONS}, set(ACTIONS))

    def test_the_passphrase_is_nowhere(self):
        job = self.order_under_passphrase()
        wizard = self.env["acrel.key.request"].search([], limit=1)
        self.assertTrue(wizard.recipient["salt"])
        self.assertFalse(wizard.passphrase)
        self.assertFalse(wizard.passphrase_again)
        for table in ("acrel_key_request", "acrel_key_job", "acrel_key_log"):
            self.env.cr.execute(f"SELECT string_agg(t::text, '') FROM {table} t")
            self.assertNotIn(PASSPHRASE, self.env.cr.fetchone()[0] or "")
        self.finish(job)
        package = bytes(self.job_row(job)["result"])
        with self.assertRaises(PackageError):
            open_with_private_key(package, bytes(32))

    def test_only_the_passphrase_opens_the_package(self):
        job = self.order_under_passphrase()
        payload = self.finish(job)
        package = bytes(self.job_row(job)["result"])
        self.assertEqual(open_with_passphrase(package, PASSPHRASE), payload)
        with self.assertRaises(PackageError):
            open_with_passphrase(package, PASSPHRASE + "!")
        self.assertNotIn(payload.links[0].key.hex(), package.decode())

    def test_wrong_words_are_refused_with_a_sentence(self):
        for values, sentence in (
            ({"passphrase_again": "another passphrase"}, "two passphrases differ"),
            ({"passphrase": "short", "passphrase_again": "short"}, "at least 12"),
            ({"passphrase": False, "passphrase_again": False}, "Type a passphrase"),
        ):
            with self.subTest(values=values), self.assertRaisesRegex(UserError, sentence):
                self.order_under_passphrase(**values)
        with self.assertRaisesRegex(UserError, "no X25519 public key"):
            self.order(public_key="nonsense")
        self.assertFalse(self.env["acrel.key.job"].search([("state", "=", "queued")]))

    def test_nothing_secret_is_asked_where_nothing_is_handed_over(self):
        job = self.order("revoke", reason="stolen van")
        row = self.job_row(job)
        self.assertIsNone(row["recipient"])
        self.assertEqual(row["parameters"], {"reason": "stolen van"})

    def test_a_package_is_fetched_once(self):
        job = self.order()
        self.finish(job)
        self.assertTrue(job.to_fetch)
        ticket = job.action_fetch()["url"].rsplit("/", 1)[1]
        self.assertIsNone(job._fetch(ticket[:-1] + "!"))
        name, package = job._fetch(ticket)
        self.assertEqual(name, "keys.json")
        self.assertTrue(open_with_private_key(package, self.installer.private_bytes_raw()).links)
        self.assertIsNone(job._fetch(ticket))
        self.assertIsNone(self.job_row(job)["result"])
        self.assertFalse(job.to_fetch)
        self.assertIn("officer", job.fetched_by)
        with self.assertRaisesRegex(UserError, "fetched once"):
            job.action_fetch()
        logged = self.env["acrel.key.log"].search([("job_id", "=", job.id)])
        self.assertEqual(logged.mapped("action"), ["fetched"])

    def test_a_ticket_ends(self):
        job = self.order()
        self.finish(job)
        ticket = job.action_fetch()["url"].rsplit("/", 1)[1]
        self.env.cr.execute(
            "UPDATE acrel_key_job SET ticket_until = ticket_until - interval '2 min'"
        )
        self.assertIsNone(job._fetch(ticket))
        self.assertTrue(job.to_fetch, "the package waits for another ticket")

    def test_a_ticket_is_not_in_the_row(self):
        job = self.order()
        self.finish(job)
        ticket = job.action_fetch()["url"].rsplit("/", 1)[1]
        self.assertNotIn(ticket, str(self.job_row(job)))
        self.assertTrue(re.fullmatch(r"[\w-]{40,}", ticket))

    def test_a_queued_job_is_cancelled_and_a_done_one_is_not(self):
        queued, done = self.order(), self.order("hand_over")
        self.finish(done)
        (queued | done).action_cancel()
        self.assertEqual((queued.state, done.state), ("cancelled", "done"))
        self.assertIsNone(self.job_row(queued)["recipient"])
