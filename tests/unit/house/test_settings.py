"""Wrong settings are one sentence that names the variable."""

import socket

import pytest

from house import settings
from house.errors import Refused


def test_defaults():
    chosen = settings.read({})
    assert (chosen.database, chosen.link_port) == ("acrel", 8450)


def test_environment_decides():
    chosen = settings.read(
        {"ACREL_DB": "port_42", "ACREL_HTTP_PORT": "8181", "ACREL_LINK_PORT": "8182"}
    )
    assert chosen == settings.Settings("port_42", 8181, 8182)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ACREL_HTTP_PORT", "http"),
        ("ACREL_HTTP_PORT", "0"),
        ("ACREL_LINK_PORT", "65536"),
        ("ACREL_LINK_PORT", "-1"),
        ("ACREL_DB", "Big"),
        ("ACREL_DB", "a b"),
        ("ACREL_DB", "postgres"),
        ("ACREL_DB", "a" * 41),
    ],
)
def test_names_what_is_wrong(name, value):
    with pytest.raises(Refused, match=f"{name} is '{value}'"):
        settings.read({name: value})


def test_refuses_one_port_for_two():
    with pytest.raises(Refused, match="ACREL_HTTP_PORT and ACREL_LINK_PORT are both 9000"):
        settings.read({"ACREL_HTTP_PORT": "9000", "ACREL_LINK_PORT": "9000"})


def test_refuses_a_port_in_use():
    with socket.socket() as taken:
        taken.bind((settings.LOOPBACK, 0))
        taken.listen()
        with pytest.raises(Refused, match="set ACREL_HTTP_PORT to another port"):
            settings.check_free(taken.getsockname()[1], "ACREL_HTTP_PORT", "Odoo's pages")


def test_pghost_names_a_server():
    server = settings.named_server({"PGHOST": "db.example", "PGPORT": "5433", "PGUSER": "me"})
    assert (server.host, server.port, server.user) == ("db.example", 5433, "me")


def test_no_server_is_named_by_default():
    assert settings.named_server({}) is None


def test_says_which_port_of_the_server_is_wrong():
    with pytest.raises(Refused, match="PGPORT is 'x'"):
        settings.named_server({"PGHOST": "db.example", "PGPORT": "x"})
