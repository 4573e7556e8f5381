from datetime import UTC, timedelta

from odoo.exceptions import UserError
from odoo.tests import tagged

from .common import LinkCase


@tagged("post_install", "-at_install")
class TestWant(LinkCase):
    """The wanted state of an output: revisions, guards, expiry, refusals."""

    def wanted(self):
        return self.output._wanted()[self.output.id]

    def test_first_close(self):
        self.assertEqual(self.output._wanted(), {})
        self.assertEqual(self.output._want("closed", "session 1"), 1)
        row = self.wanted()
        self.assertEqual((row.wanted, row.reason, row.on_doubt), ("closed", "session 1", "open"))
        self.assertEqual((row.guard_energy, row.guard_until), (None, None))
        self.assertEqual(row.close_before, row.wanted_at + timedelta(seconds=30))

    def test_every_change_of_state_is_a_revision(self):
        revisions = [
            self.output._want(wanted, "because")
            for wanted in ("closed", "open", "open", "closed", "closed", "open")
        ]
        self.assertEqual(revisions, [1, 2, 2, 3, 3, 4])

    def test_guard_moves_within_its_revision(self):
        until = self.now + timedelta(hours=8)
        self.output._want("closed", "session 1", guard_energy=500, guard_until=until)
        before = self.wanted()
        self.assertEqual(self.output._want("closed", "session 1", guard_energy=700), 1)
        after = self.wanted()
        self.assertEqual((after.guard_energy, after.guard_until), (700, None))
        self.assertGreater(after.change, before.change)
        self.assertEqual(after.wanted_at, before.wanted_at)

    def test_repetition_writes_nothing(self):
        self.output._want("closed", "session 1", guard_energy=500)
        before = self.wanted()
        self.output._want("closed", "session 1", guard_energy=500)
        self.assertEqual(self.wanted(), before)

    def test_moving_guard_does_not_revive_an_expired_close(self):
        expired = self.now - timedelta(minutes=5)
        self.output._want("closed", "session 1", guard_energy=1, close_before=expired)
        self.output._want("closed", "session 1", guard_energy=2)
        self.assertEqual(self.wanted().close_before, expired)

    def test_opening_takes_guard_and_expiry_away(self):
        self.output._want(
            "closed", "session 1", guard_energy=5, guard_until=self.now, on_doubt="hold"
        )
        self.output._want("open", "session 1 ended")
        row = self.wanted()
        self.assertEqual(
            (row.guard_energy, row.guard_until, row.close_before, row.on_doubt),
            (None, None, None, "open"),
        )

    def test_nonsense_is_refused_and_changes_nothing(self):
        aware = self.now.replace(tzinfo=UTC)
        for arguments in (
            ("shut", "because"),
            ("closed", " "),
            ("closed", None),
            ("closed", "because", 1.5),
            ("closed", "because", -1),
            ("closed", "because", True),
            ("closed", "because", None, "tomorrow"),
            ("closed", "because", None, aware),
            ("closed", "because", None, None, "maybe"),
            ("closed", "because", None, None, "open", aware),
            ("open", "because", 10),
            ("open", "because", None, self.now),
        ):
            with self.subTest(arguments=arguments), self.assertRaises(ValueError):
                self.output._want(*arguments)
        self.assertEqual(self.output._wanted(), {})

    def test_nothing_closes_behind_an_archived_link(self):
        self.meter.active = False
        self.link.active = False
        self.assertEqual(self.output._want("open", "session 1 ended"), 1)
        with self.assertRaisesRegex(UserError, "archived"):
            self.output._want("closed", "session 2")
        self.assertEqual(self.wanted().wanted, "open")

    def test_shown_state(self):
        self.assertFalse(self.output.wanted)
        self.output._want("closed", "session 1", guard_energy=2**33)
        self.assertEqual(self.output.wanted, "closed")
        self.assertEqual(self.output.guard_energy, 2**33)
        self.assertFalse(self.output.reached)
        self.observe(self.output, state="closed", confirmed_revision=1)
        self.assertTrue(self.output.reached)
        self.output._want("open", "session 1 ended")
        self.assertFalse(self.output.reached)
