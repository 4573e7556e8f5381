from datetime import timedelta

from odoo.exceptions import UserError
from odoo.tests import tagged

from .common import LinkCase


@tagged("post_install", "-at_install")
class TestRewire(LinkCase):
    """The way to a closed contactor is not cut: nothing would guard it any more."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other_link, cls.other_meter, *_ = cls.make_meter("T0000000000002")

    def changes(self):
        """Return what would make the link process let go of the contactor."""
        return (
            (self.link, {"active": False}),
            (self.link, {"serial": "T0000000000003"}),
            (self.meter, {"active": False}),
            (self.meter, {"link_id": self.other_link.id}),
            (self.meter, {"link_id": False}),
            (self.meter, {"slave_address": 7}),
            (self.output, {"active": False}),
            (self.output, {"number": 2}),
            (self.output, {"meter_id": self.other_meter.id}),
        )

    def assert_kept(self):
        for record, values in self.changes():
            with (
                self.subTest(record=record, values=values),
                self.assertRaisesRegex(UserError, "stop its session"),
            ):
                record.write(values)
        for record in (self.output, self.meter):
            with self.subTest(deleted=record), self.assertRaisesRegex(UserError, "stop its"):
                record.unlink()

    def test_wanted_closed(self):
        self.output._want("closed", "session 1")
        self.assert_kept()

    def test_observed_closed(self):
        self.output._want("open", "session 1 ended")
        self.observe(self.output, state="closed")
        self.connect_link(self.link)
        self.assert_kept()

    def test_open_is_free(self):
        self.output._want("closed", "session 1")
        self.output._want("open", "session 1 ended")
        self.observe(self.output, state="open")
        self.connect_link(self.link)
        self.output.number = 2
        self.output.active = False
        self.meter.slave_address = 7
        self.meter.active = False
        self.link.serial = "T0000000000003"
        self.link.active = False

    def test_what_does_not_lead_elsewhere_is_free(self):
        self.output._want("closed", "session 1")
        self.link.write({"name": "Berth 1", "serial": self.link.serial, "active": True})
        self.meter.write({"name": "Berth 1", "link_id": self.link.id, "slave_address": 1})
        self.output.write({"number": 1, "meter_id": self.meter.id, "active": True})

    def test_another_contactor_is_free(self):
        self.output._want("closed", "session 1")
        self.other_meter.active = False
        self.other_link.active = False

    def test_broken_meter_is_free_after_a_day(self):
        """A meter that burned while it was closed is closed in its live row for ever."""
        self.output._want("open", "session 1 ended")
        self.observe(self.output, state="closed")
        self.connect_link(self.link, online=False, seen_at=self.now - timedelta(hours=25))
        self.meter.active = False
        self.link.active = False
