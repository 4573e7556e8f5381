"""A device key on its way from a key officer's order to the bench, through the real processes."""

from acrel_link.keys.package import open_with_passphrase
from house import site
from waiting import eventually

PASSPHRASE = "correct horse battery staple"


def test_a_key_is_ordered_made_and_fetched_once(network, officer):
    [link] = officer.search("acrel.link", [("serial", "!=", site.SERIAL)], limit=1)
    [serial] = [row["serial"] for row in officer.read("acrel.link", [link], "serial")]
    before = max(officer.search("acrel.key.log", []), default=0)
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
        row["action"]
        for row in officer.call("acrel.key.log", "search_read", [["id", ">", before]], order="id")
    ]
    assert actions == ["issued", "handed_over", "fetched"]
    _check_nothing_tells(network, PASSPHRASE, handed.key.hex())


def _check_nothing_tells(network, *secrets: str) -> None:
    """Look for secrets in every log and in every table."""
    places = {
        path.name: path.read_text() for path in network.stack.logs.glob(f"*-{network.name}.log")
    }
    assert len(places) == 4
    with network.stage.server.connect(network.name) as connection:
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
