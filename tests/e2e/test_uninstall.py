"""Each add-on is uninstalled from a used database and installed again; posted accounting stays."""

import pytest

from network import Network
from people import driver_with
from sessions import check_money, grows

#: From the highest to the lowest: each is removed when nothing of ours stands on it any more.
ADDONS = (
    "payment_wechatpay",
    "payment_alipay_cn",
    "acrel_shore_power",
    "acrel_billing",
    "acrel_charging",
    "acrel_meter_link",
)

# Whatever add-ons may leave in a database, by kind and name.
TRACES = """
SELECT 'relation', relname FROM pg_class
 WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S', 'i')
UNION ALL
SELECT 'column', attrelid::regclass || '.' || attname
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
   AND attnum > 0 AND NOT attisdropped
UNION ALL
SELECT 'function', proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
UNION ALL
SELECT 'trigger', tgrelid::regclass || '.' || tgname FROM pg_trigger WHERE NOT tgisinternal
UNION ALL
SELECT 'cron', cron_name FROM ir_cron
UNION ALL
SELECT 'parameter', key FROM ir_config_parameter
UNION ALL
SELECT 'model', model FROM ir_model
UNION ALL
SELECT 'field', model || '.' || name FROM ir_model_fields
UNION ALL
SELECT 'sequence', code FROM ir_sequence WHERE code LIKE 'acrel%%'
UNION ALL
SELECT 'lock', objid::text FROM pg_locks l JOIN pg_database d ON d.oid = l.database
 WHERE locktype = 'advisory' AND datname = current_database()
UNION ALL
SELECT 'right of the link', relname FROM pg_class, aclexplode(relacl)
 WHERE grantee = to_regrole('acrel_link')
"""
#: What its owner set, or Odoo itself remembers of the past.
KEPT = {("parameter", name) for name in ("acrel.house_stamp", "web.base.url")}

LEDGER = """
SELECT a.code_store ->> l.company_id::text, sum(l.debit), sum(l.credit), count(*)
  FROM account_move_line l JOIN account_account a ON a.id = l.account_id
 WHERE l.parent_state = 'posted' GROUP BY 1 ORDER BY 1
"""


@pytest.fixture
def used(network: Network):
    """A database with a billed session and posted entries, on which nothing runs any more."""
    driver = driver_with(network, "leaver", 50_000)
    session = driver.start("P001")
    grows(network, session)
    driver.stop(session)
    assert check_money(network, session) > 0
    network.client("accountant").call("acrel.bill.posting", "action_post_now")
    network.stack.stop()
    return network


def traces(network: Network, database: str) -> set[tuple]:
    """List what is in a database."""
    with network.stage.server.connect(database) as connection:
        return set(connection.execute(TRACES).fetchall())


def manage(network: Network, *words: str) -> None:
    """Run `odoo module …`, as an administrator does."""
    odoo = network.stage.odoo
    odoo.run(
        "module",
        *words,
        "-d",
        network.name,
        log=network.stage.logs / "module.log",
        fails=f"odoo module {words[0]} failed",
    )


@pytest.mark.timeout(900, func_only=True)
def test_each_addon_goes_without_a_trace_and_comes_back(used):
    ledger = used.rows(LEDGER)
    assert any(code.startswith("6001") for code, *_ in ledger), "revenue was posted"

    for addon in ADDONS:
        manage(used, "uninstall", addon)
        # A partner whom posted entries name stays with them.
        left = used.rows(
            "SELECT model, name FROM ir_model_data WHERE module = %s AND model <> 'res.partner'",
            addon,
        )
        assert not left, f"records of {addon}"
        assert used.rows(LEDGER) == ledger, f"the books after {addon} went"
    assert not traces(used, used.name) - traces(used, used.stage.base()) - KEPT

    manage(used, "install", *ADDONS)
    assert used.rows(LEDGER) == ledger
    assert used.value("SELECT count(*) FROM ir_module_module WHERE state LIKE 'to %%'") == 0
    used.stack.start_odoo()
    used.stack.start_link()
    admin = used.client("admin")
    for model in ("acrel.meter", "acrel.session", "acrel.bill", "acrel.shore.outlet"):
        assert admin.search(model, []) == [], "they begin anew"
