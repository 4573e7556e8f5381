"""Keys as the link process leaves them, for tests."""

import json
import os

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from odoo.tests import new_test_user

from ..acrel_link.keys.check import check_value
from ..acrel_link.keys.package import LinkKey, Payload, Recipient, seal
from .common import LinkCase

PASSPHRASE = "correct horse battery staple"


class KeyCase(LinkCase):
    """A key officer, one who manages everything else, and rows as the link process writes them."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.officer = new_test_user(
            cls.env, "officer", "acrel_meter_link.group_key_officer", password="officer-password"
        )
        cls.manager = new_test_user(
            cls.env, "manager", "acrel_meter_link.group_manager", password="manager-password"
        )
        cls.installer = X25519PrivateKey.generate()
        public_key = cls.installer.public_key().public_bytes_raw()
        cls.public_key = Recipient(public_key).as_record()["public_key"]
        cls.elsewhere = cls.env["res.company"].create({"name": "Elsewhere"})

    def order(self, kind="issue", **values):
        """Order through the wizard as an officer, for the installer; return the job."""
        values = {
            "kind": kind,
            "link_ids": self.link.ids,
            "opened_by": "public_key",
            "public_key": self.public_key,
            **values,
        }
        order = self.env["acrel.key.request"].with_user(self.officer).create(values)
        action = order.action_order()
        return self.env["acrel.key.job"].with_user(self.officer).browse(action["res_id"])

    def order_under_passphrase(self, kind="issue", **values):
        """Order what a passphrase opens; return the job."""
        words = {"passphrase": PASSPHRASE, "passphrase_again": PASSPHRASE}
        return self.order(kind, opened_by="passphrase", **words | values)

    def give_key(self, link, version=1, state="current", **row):
        """Store a key of a link; return the row's id."""
        self.env.cr.execute(
            """INSERT INTO acrel_root_key (root_id, sentinel, state, made_at)
               SELECT 'test', 'x', 'current', now()
                WHERE NOT EXISTS (SELECT FROM acrel_root_key WHERE state = 'current')
               ON CONFLICT DO NOTHING"""
        )
        usable = state in ("current", "next", "lab")
        row = {"made_at": self.now, "over_air": False, "boot_counter": 0, **row}
        self.env.cr.execute(
            """INSERT INTO acrel_link_key (link_id, serial, version, state, over_air, root_id,
                      wrapped, made_at, since, boot_counter)
               SELECT %s, %s, %s, %s, %s, CASE WHEN %s THEN root_id END,
                      CASE WHEN %s THEN 'wrapped'::bytea END, %s, %s, %s
                 FROM acrel_root_key WHERE state = 'current' RETURNING id""",
            (
                *(link.id, link.serial, version, state, row["over_air"], usable, usable),
                *(row["made_at"], self.now, row["boot_counter"]),
            ),
        )
        link.invalidate_recordset()
        return self.env.cr.fetchone()[0]

    def job_row(self, job, columns="*"):
        """Return what stands in a job's row."""
        self.env.cr.execute(f"SELECT {columns} FROM acrel_key_job WHERE id = %s", (job.id,))
        return self.env.cr.dictfetchone()

    def finish(self, job, payload=None):
        """End a job as the link process does, with a package for its recipient.

        :return: the payload
        """
        if payload is None:
            key = os.urandom(32)
            serial = self.link.serial
            payload = Payload(
                links=(LinkKey(serial, "", "adw300", 1, key, check_value(key, serial)),)
            )
        told = self.job_row(job, "recipient")["recipient"]
        recipient = Recipient.of_record(told if isinstance(told, dict) else json.loads(told))
        self.env.cr.execute(
            """UPDATE acrel_key_job SET state = 'done', message = 'done', recipient = NULL,
                      result = %s, result_name = 'keys.json',
                      finished_at = now() AT TIME ZONE 'UTC' WHERE id = %s""",
            (seal(payload, recipient), job.id),
        )
        job.invalidate_recordset()
        return payload
