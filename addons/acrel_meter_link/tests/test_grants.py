from odoo.tests import TransactionCase, tagged

from .. import schema

READ, ADD, CHANGE, DELETE = "SELECT", "INSERT", "UPDATE", "DELETE"
STREAM = {READ, ADD}
STATE = {READ, ADD, CHANGE}
EXPECTED_TABLES = {
    "acrel_schema_version": {READ},
    "acrel_output_wanted": {READ},
    "acrel_read_at": {READ},
    "acrel_reading_raw": STREAM,
    "acrel_meter_snapshot": STREAM,
    "acrel_meter_month": STREAM,
    "acrel_upload_seen": STREAM,
    "acrel_quarter_due": {ADD},
    "acrel_reading_quarantine": STREAM,
    "acrel_meter_live": STATE,
    "acrel_meter_poll": STATE,
    "acrel_link_live": STATE,
    "acrel_output_live": STATE,
    "acrel_link_worker": STATE,
    "acrel_link_candidate": {DELETE},
    "acrel_root_key": STATE,
    "acrel_link_key": STATE,
    "acrel_key_authority": STATE,
    "acrel_link_certificate": STATE,
    "acrel_key_job": STATE,
    "acrel_key_log": STREAM,
}
COMMAND = {
    *("meter_id", "output_id", "kind", "origin", "state", "requested_at", "expires_at"),
    *("sent_at", "done_at", "attempts", "message"),
}
EVENT = {"meter_id", "link_id", "output_id", "kind", "severity", "begin_at", "end_at"}
CANDIDATE = {"serial", "iccid", "peer", "first_seen_at", "last_seen_at", "attempts"}
EXPECTED_COLUMNS = {
    "acrel_link": {
        READ: {
            *("id", "serial", "active", "channel", "address", "company_id"),
            *("suites", "plain_allowed_at"),
        }
    },
    "acrel_meter": {
        READ: {
            *("id", "link_id", "slave_address", "profile", "active", "serial"),
            *("role", "poll_seconds"),
        }
    },
    "acrel_output": {READ: {"id", "meter_id", "number", "feedback_input", "active"}},
    "acrel_command": {
        READ: {"id", "payload"} | COMMAND,
        ADD: COMMAND,
        CHANGE: {"state", "sent_at", "done_at", "attempts", "message"},
    },
    "acrel_event": {READ: {"id"} | EVENT, ADD: EVENT | {"message"}, CHANGE: {"end_at"}},
    "acrel_link_candidate": {
        READ: {"id", "ignored"} | CANDIDATE,
        ADD: CANDIDATE,
        CHANGE: {"iccid", "peer", "last_seen_at", "attempts"},
    },
}
EXPECTED_SEQUENCES = {
    "acrel_reading_id_seq",
    "acrel_change_seq",
    "acrel_link_epoch_seq",
    "acrel_command_id_seq",
    "acrel_event_id_seq",
    "acrel_link_candidate_id_seq",
}


@tagged("post_install", "-at_install")
class TestGrants(TransactionCase):
    """The link's role may do what the link process does, and nothing else in the database."""

    def setUp(self):
        super().setUp()
        if not schema.role_exists(self.env.cr):
            self.env.cr.execute(f"CREATE ROLE {schema.LINK_ROLE}")
        schema.grant(self.env.cr)

    def tables(self):
        """Rights on whole tables and views, by what PostgreSQL says of every one of them."""
        self.env.cr.execute(
            """SELECT c.relname, array_agg(p)
                 FROM pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE',
                                               'REFERENCES', 'TRIGGER']) p
                WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
                  AND has_table_privilege(%s, c.oid, p)
             GROUP BY c.relname""",
            [schema.LINK_ROLE],
        )
        return {name: set(rights) for name, rights in self.env.cr.fetchall()}

    def columns(self):
        """Rights on columns, beyond those of the whole table."""
        self.env.cr.execute(
            """SELECT c.relname, p, array_agg(a.attname)
                 FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
                    , unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) p
                WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
                  AND a.attnum > 0 AND NOT a.attisdropped
                  AND has_column_privilege(%(role)s, c.oid, a.attnum, p)
                  AND NOT has_table_privilege(%(role)s, c.oid, p)
             GROUP BY c.relname, p""",
            {"role": schema.LINK_ROLE},
        )
        rights = {}
        for table, right, names in self.env.cr.fetchall():
            rights.setdefault(table, {})[right] = set(names)
        return rights

    def test_tables(self):
        self.assertEqual(self.tables(), EXPECTED_TABLES)

    def test_columns(self):
        self.assertEqual(self.columns(), EXPECTED_COLUMNS)

    def test_sequences(self):
        self.env.cr.execute(
            """SELECT relname FROM pg_class
                WHERE relnamespace = 'public'::regnamespace AND relkind = 'S'
                  AND (has_sequence_privilege(%(role)s, oid, 'USAGE')
                       OR has_sequence_privilege(%(role)s, oid, 'UPDATE'))""",
            {"role": schema.LINK_ROLE},
        )
        self.assertEqual({name for (name,) in self.env.cr.fetchall()}, EXPECTED_SEQUENCES)

    def test_function(self):
        self.env.cr.execute(
            """SELECT has_function_privilege(%s, oid, 'EXECUTE'), prosecdef,
                      EXISTS (SELECT 1 FROM aclexplode(proacl) WHERE grantee = 0)
                 FROM pg_proc WHERE proname = 'acrel_reading_ensure_partition'""",
            [schema.LINK_ROLE],
        )
        self.assertEqual(self.env.cr.fetchall(), [(True, True, False)])

    def test_function_looks_nothing_up_where_others_create(self):
        self.env.cr.execute(
            "SELECT proconfig FROM pg_proc WHERE proname = 'acrel_reading_ensure_partition'"
        )
        self.assertEqual(self.env.cr.fetchone()[0], ["search_path=pg_catalog, pg_temp"])

    def test_no_power_over_the_cluster(self):
        self.env.cr.execute(
            """SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls OR rolreplication
                 FROM pg_roles WHERE rolname = %s""",
            [schema.LINK_ROLE],
        )
        self.assertEqual(self.env.cr.fetchall(), [(False,)])

    def test_a_right_given_by_hand_is_taken_back(self):
        self.env.cr.execute("GRANT ALL ON acrel_output_wanted, acrel_meter TO acrel_link")
        self.env.cr.execute("GRANT UPDATE (serial) ON acrel_link TO acrel_link")
        schema.grant(self.env.cr)
        self.assertEqual(self.tables(), EXPECTED_TABLES)
        self.assertEqual(self.columns(), EXPECTED_COLUMNS)
