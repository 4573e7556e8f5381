"""The machine's apt sources, in both formats, as the isolated configuration takes them over."""

import pytest

from house import apt_sources
from house.errors import Refused

DEB822 = """\
# the release
Types: deb deb-src
URIs: http://mirror.example/debian http://second.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Trusted: yes
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main
Enabled: no

Types: deb-src
URIs: http://source.example/debian
Suites: bookworm
Components: main
"""
ONE_LINE = """\
# deb http://comment.example/debian bookworm main
deb [arch=amd64 trusted=yes signed-by=/etc/keys/a.gpg] http://mirror.example/debian bookworm main
deb http://plain.example/debian bookworm-security main non-free # why
deb-src http://source.example/debian bookworm main
deb https://other.example/apt nodistro main
"""


def test_reads_the_deb822_format():
    stanzas = apt_sources._deb822(DEB822)
    assert [stanza.uri for stanza in stanzas] == [
        "http://mirror.example/debian",
        "http://second.example/debian",
    ]
    assert stanzas[0].suites == ("bookworm", "bookworm-updates")
    assert stanzas[0].signed_by == "/usr/share/keyrings/debian-archive-keyring.gpg"


def test_reads_an_embedded_key():
    text = "Types: deb\nURIs: http://m.example/debian\nSuites: bookworm\nComponents: main\n"
    key = "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n"
    (stanza,) = apt_sources._deb822(text + key)
    assert "\n .\n abc" in stanza.text()


def test_reads_the_one_line_format():
    stanzas = apt_sources._one_line(ONE_LINE)
    assert [(stanza.uri, stanza.suites, stanza.signed_by) for stanza in stanzas] == [
        ("http://mirror.example/debian", ("bookworm",), "/etc/keys/a.gpg"),
        ("http://plain.example/debian", ("bookworm-security",), None),
        ("https://other.example/apt", ("nodistro",), None),
    ]


def test_never_trusts_without_a_signature():
    for stanza in [*apt_sources._deb822(DEB822), *apt_sources._one_line(ONE_LINE)]:
        assert "trusted" not in stanza.text().lower()


def test_keeps_only_the_distribution_and_its_main_part():
    own = apt_sources.own(apt_sources._one_line(ONE_LINE), "bookworm")
    assert [stanza.uri for stanza in own] == [
        "http://mirror.example/debian",
        "http://plain.example/debian",
    ]
    assert own[1].components == ("main",)


def test_takes_another_suite_from_the_release_mirror():
    own = apt_sources.own(apt_sources._one_line(ONE_LINE), "bookworm")
    sid = apt_sources.elsewhere(own, "unstable")
    assert (sid.uri, sid.suites) == ("http://mirror.example/debian", ("unstable",))
    assert sid.signed_by == "/etc/keys/a.gpg"


def test_says_what_to_do_without_a_mirror():
    with pytest.raises(Refused, match="apt sources name no mirror of trixie"):
        apt_sources.own(apt_sources._one_line(ONE_LINE), "trixie")
