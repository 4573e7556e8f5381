"""What a person can set wrong is one sentence and exit code 2."""

import socket

import pytest

from house.settings import LOOPBACK
from project_copy import Copy


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    return Copy(tmp_path_factory.mktemp("settings") / "project")


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("ACREL_HTTP_PORT", "abc", "ACREL_HTTP_PORT is 'abc'"),
        ("ACREL_DB", "No", "ACREL_DB is 'No'"),
        ("ODOO_HOME", "/usr/share", "name another folder by ODOO_HOME, or unset it"),
        ("PGHOST", "/nowhere", "check odoo.conf or PGHOST, PGPORT, PGUSER and PGPASSWORD"),
    ],
)
def test_wrong_settings_are_a_sentence(copy, name, value, sentence):
    assert sentence in copy.refuses(**{name: value})


def test_a_taken_port_is_a_sentence(copy):
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"Port {port}, meant for Odoo's pages" in copy.refuses(ACREL_HTTP_PORT=str(port))
        assert f"Port {port}, meant for the meters" in copy.refuses(ACREL_LINK_PORT=str(port))


def test_a_server_named_in_odoo_conf_is_tried(copy):
    conf = copy.folder / "odoo.conf"
    text = conf.read_text()
    try:
        conf.write_text(text + "db_host = /nowhere\ndb_user = somebody\n")
        said = copy.refuses()
    finally:
        conf.write_text(text)
    assert "at /nowhere:5432 does not let the user somebody" in said
