import re

from odoo.tests import tagged
from odoo.tools import file_open

from odoo.addons.acrel_meter_link import schema
from odoo.addons.acrel_meter_link.hooks import uninstall_hook

from .common import LinkCase

LEFT = """
SELECT relname FROM pg_class
 WHERE relnamespace = 'public'::regnamespace
   AND (relname = ANY(%(names)s) OR starts_with(relname, 'acrel_reading_raw'))
 UNION ALL
SELECT proname FROM pg_proc WHERE proname || '(date)' = ANY(%(names)s)
 UNION ALL
SELECT relname FROM pg_class, aclexplode(relacl) WHERE grantee = to_regrole('acrel_link')
 UNION ALL
SELECT attname FROM pg_attribute, aclexplode(attacl) WHERE grantee = to_regrole('acrel_link')
"""
NAMES = [*schema.TABLES, *schema.SEQUENCES, *schema.FUNCTIONS]


@tagged("post_install", "-at_install")
class TestUninstall(LinkCase):
    """The hook leaves nothing of the tables outside the ORM, and installing again works."""

    def left(self):
        self.env.cr.execute(LEFT, {"names": NAMES})
        return {name for (name,) in self.env.cr.fetchall()}

    def test_everything_of_the_schema_is_named(self):
        made = re.findall(
            r"CREATE (?:OR REPLACE )?(TABLE|SEQUENCE|FUNCTION) (?:IF NOT EXISTS )?(\w+)",
            file_open("acrel_meter_link/acrel_link/schema.sql").read(),
        )
        self.assertGreater(len(made), 10)
        self.assertEqual({name for _kind, name in made}, {name.partition("(")[0] for name in NAMES})

    def test_nothing_is_left(self):
        self.hear(self.meter, e_forward=1)
        self.output._want("closed", "session 1")
        self.assertIn("acrel_reading_raw", self.left())
        self.assertIn("acrel_reading_ensure_partition", self.left())
        uninstall_hook(self.env)
        self.assertEqual(self.left(), set())
        schema.apply(self.env.cr)
        schema.grant(self.env.cr)
        self.assertEqual(self.meter._live(), {})
        self.hear(self.meter, e_forward=2)
        self.assertEqual(self.output._want("closed", "session 2"), 1)
