import json

from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from ..acrel_link.events import KINDS
from ..models.event import KIND_LABELS
from .common import LinkCase


@tagged("post_install", "-at_install")
class TestEvent(LinkCase):
    """Events reach the people of the company concerned, once, and are acknowledged by them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.elsewhere = cls.env["res.company"].create({"name": "Elsewhere"})
        group = "acrel_meter_link.group_operator"
        cls.operator = new_test_user(cls.env, "op", group, lang="en_US")
        cls.stranger = new_test_user(
            cls.env,
            "stranger",
            group,
            company_id=cls.elsewhere.id,
            company_ids=[(6, 0, cls.elsewhere.ids)],
        )
        cls.viewer = new_test_user(cls.env, "viewer", "acrel_meter_link.group_viewer")
        cls.env["acrel.event"]._announce()

    def happen(self, kind="close_failed", severity="alarm", **subject):
        """Insert an event as the link process does."""
        subject = subject or {"meter_id": self.meter.id}
        self.env.cr.execute(
            """INSERT INTO acrel_event
                      (kind, severity, meter_id, link_id, output_id, begin_at, message)
               VALUES (%s, %s, %s, %s, %s, now() AT TIME ZONE 'UTC', 'no read-back')
            RETURNING id""",
            [kind, severity, *map(subject.get, ("meter_id", "link_id", "output_id"))],
        )
        return self.env["acrel.event"].browse(self.env.cr.fetchone()[0])

    def announce(self):
        """Announce, and return what was sent to whom: (channel, message type, payload)."""
        Bus = self.env["bus.bus"]
        before = Bus.search([], order="id desc", limit=1).id
        self.env["acrel.event"]._announce()
        self.env.cr.precommit.run()
        sent = [
            (tuple(json.loads(row.channel)[1:]), *json.loads(row.message).values())
            for row in Bus.search([("id", ">", before)], order="id")
        ]
        # Odoo says other things to new users in the same moment
        return [one for one in sent if one[1] in ("acrel_event", "simple_notification")]

    def partner(self, user):
        return ("res.partner", user.partner_id.id)

    def test_operators_of_the_company_are_told_once(self):
        event = self.happen()
        sent = self.announce()
        mine = [one[1:] for one in sent if one[0] == self.partner(self.operator)]
        self.assertEqual([kind for kind, _payload in mine], ["acrel_event", "simple_notification"])
        self.assertEqual(mine[0][1]["id"], event.id)
        self.assertEqual(mine[0][1]["title"], "Closing failed")
        channels = {one[0] for one in sent}
        self.assertNotIn(self.partner(self.stranger), channels)
        self.assertNotIn(self.partner(self.viewer), channels)
        self.assertEqual(self.announce(), [])

    def test_in_the_language_of_the_reader(self):
        self.env["res.lang"]._activate_lang("zh_CN")
        self.env["ir.module.module"].search(
            [("name", "=", "acrel_meter_link")]
        )._update_translations(["zh_CN"])
        self.operator.lang = "zh_CN"
        self.happen()
        mine = [one for one in self.announce() if one[0] == self.partner(self.operator)]
        self.assertEqual(mine[0][2]["title"], "合闸失败")

    def test_information_is_not_announced(self):
        event = self.happen("guard_tripped", "info")
        self.assertEqual(self.announce(), [])
        self.assertTrue(event.announced)

    def test_warning_opens_no_box(self):
        self.happen("meter_silent", "warning", link_id=self.link.id)
        mine = [one[1] for one in self.announce() if one[0] == self.partner(self.operator)]
        self.assertEqual(mine, ["acrel_event"])

    def test_acknowledge(self):
        event = self.happen()
        with self.assertRaises(AccessError):
            event.with_user(self.viewer).action_acknowledge()
        with self.assertRaises(AccessError):
            event.with_user(self.stranger).action_acknowledge()
        event.with_user(self.operator).action_acknowledge()
        self.assertEqual(event.acknowledged_by_id, self.operator)
        since = event.acknowledged_at
        self.assertTrue(since)
        event.with_user(self.env.ref("base.user_admin")).action_acknowledge()
        self.assertEqual(event.acknowledged_by_id, self.operator)

    def test_count_on_the_meter(self):
        self.happen()
        self.happen("guard_tripped", "info")
        self.assertEqual(self.meter.event_count, 1)

    def test_every_kind_has_words(self):
        self.assertEqual(set(KINDS) - set(KIND_LABELS), set())
