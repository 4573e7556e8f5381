"""A device key on its way from a key officer's order to the bench, through the real processes."""

import subprocess

import pytest

from acrel_link.keys.package import open_with_passphrase
from odoo_client import OdooClient
from waiting import eventually

NAME = "e2e_keys"
PASSPHRASE = "correct horse battery staple"


@pytest.fixture(scope="module")
def stack(stage, tmp_path_factory):
    """Odoo and a link process with a root key, without meters."""
    root_key = tmp_path_factory.mktemp("keys") / "root.key"
    stack = stage.stack(NAME)
    subprocess.run(
        stage.odoo.line("meter_keys", "make-root", "--out", str(root_key)),
        env=stage.odoo.env(),
        cwd=stage.odoo.folder,
        check=True,
        capture_output=True,
    )
    with stack:
        stack.start_odoo()
        stack.start_link(env={"ACREL_LINK_ROOT_KEY_FILE": str(root_key)})
        yield stack
    stage.databases.drop(NAME)


@pytest.fixture
def officer(stack):
    """The administrator, whom the demonstration makes a key officer."""
    client = OdooClient(stack.url, NAME, "admin", "admin")
    yield client
    client.close()


def test_a_key_is_ordered_made_and_fetched_once(stage, stack, officer):
    [link] = officer.search("acrel.link", [], limit=1)
    [serial] = [row["serial"] for row in officer.read("acrel.link", [link], "serial")]
    [order] = officer.call(
        "acrel.key.request",
        "web_save",
        [],
        {
            "kind": "issue",
            "link_ids": [[6, 0, [link]]],
            "passphrase": PASSPHRASE,
            "passphrase_again": PASSPHRASE,
        },
        specification={"passphrase": {}, "passphrase_again": {}},
    )
    assert not order["passphrase"] and not order["passphrase_again"], "it is not even sent back"
    job = officer.call("acrel.key.request", "action_order", [order["id"]])["res_id"]

    def done() -> dict | None:
        [row] = officer.read("acrel.key.job", [job], "state", "message", "to_fetch")
        return None if row["state"] == "queued" else row

    assert eventually(done, "the link process carries it out")["to_fetch"]
    address = officer.call("acrel.key.job", "action_fetch", [job])["url"]
    answer = officer.page(address)
    assert answer.status_code == 200
    [handed] = open_with_passphrase(answer.content, PASSPHRASE).links
    assert (handed.serial, handed.key_version) == (serial, 1)
    assert officer.page(address).status_code == 404

    [known] = officer.call("acrel.link.key", "search_read", [["link_id", "=", link]])
    assert known["state"] == "current" and known["handed_over_at"]
    actions = [
        row["action"] for row in officer.call("acrel.key.log", "search_read", [], order="id")
    ]
    assert actions == ["issued", "handed_over", "fetched"]
    _check_nothing_tells(stage, stack, PASSPHRASE, handed.key.hex())


def _check_nothing_tells(stage, stack, *secrets: str) -> None:
    """Look for secrets in every log and in every table."""
    places = {path.name: path.read_text() for path in stack.logs.glob(f"*-{NAME}.log")}
    assert len(places) == 2
    with stage.server.connect(NAME) as connection:
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE 'acrel\\_%'"
            " OR relname IN ('mail_message', 'ir_logging', 'ir_attachment')"
        ).fetchall()
        for (table,) in tables:
            rows = connection.execute(f"SELECT t::text FROM {table} t").fetchall()
            places[table] = "\n".join(row[0] for row in rows)
    assert "acrel_key_job" in places and "acrel_key_request" in places
    for where, text in places.items():
        for secret in secrets:
            assert secret not in text, where
