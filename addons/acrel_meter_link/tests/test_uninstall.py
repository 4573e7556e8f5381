import re

from odoo.tests import tagged
from odoo.tools import file_open

from odoo.addons.base.models.ir_model import MODULE_UNINSTALL_FLAG

from .. import schema
from ..hooks import uninstall_hook
from .common import LinkCase

SCHEMA = file_open("acrel_meter_link/acrel_link/schema.sql").read()
MADE = re.findall(
    r"CREATE (?:OR REPLACE )?(?:TABLE|SEQUENCE|FUNCTION) (?:IF NOT EXISTS )?(acrel_\w+)", SCHEMA
)
LEFT = """
SELECT relname FROM pg_class
 WHERE relnamespace = 'public'::regnamespace
   AND (relname = ANY(%(made)s) OR starts_with(relname, 'acrel_reading_raw'))
 UNION ALL
SELECT proname FROM pg_proc WHERE proname = ANY(%(made)s)
 UNION ALL
SELECT relname FROM pg_class, aclexplode(relacl) WHERE grantee = to_regrole('acrel_link')
 UNION ALL
SELECT attname FROM pg_attribute, aclexplode(attacl) WHERE grantee = to_regrole('acrel_link')
"""


@tagged("post_install", "-at_install")
class TestUninstall(LinkCase):
    """The hook leaves nothing of the tables outside the ORM, and installing again works."""

    def left(self):
        self.env.cr.execute(LEFT, {"made": MADE})
        return {name for (name,) in self.env.cr.fetchall()}

    def test_nothing_is_left(self):
        self.hear(self.meter, e_forward=1)
        self.output._want("closed", "session 1")
        self.assertLess(set(MADE), self.left(), "with partitions and rights beside")
        uninstall_hook(self.env)
        self.assertEqual(self.left(), set())
        schema.apply(self.env.cr)
        schema.grant(self.env.cr)
        self.assertEqual(self.meter._live(), {})
        self.hear(self.meter, e_forward=2)
        self.assertEqual(self.output._want("closed", "session 2"), 1)

    def test_records_go_after_the_tables(self):
        uninstall_hook(self.env)
        for record in (self.installation, self.output, self.meter, self.link):
            record.with_context(**{MODULE_UNINSTALL_FLAG: True}).unlink()
            self.assertFalse(record.exists())
