"""The command line: keys and certificates on a bench without a screen."""

import os
import sys
from subprocess import run

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import pkcs12

from acrel_link.keys.check import check_value
from acrel_link.keys.package import Recipient, open_with_passphrase

from .bed import ADDON
from .key_bench import PASSPHRASE, KeyBench

SERIAL, OTHER = "99000000000001", "99000000000002"


@pytest.fixture
def bench(bed, tmp_path) -> KeyBench:
    return KeyBench(bed, tmp_path)


@pytest.fixture
def link(bed) -> int:
    return bed.add_link(SERIAL)[0]


def test_issue_makes_a_package_that_opens_with_the_passphrase(bench, bed, link):
    bed.admin.execute(
        "INSERT INTO acrel_link_live (link_id, epoch, online, bound_iccid)"
        " VALUES (%s, 1, false, '8986')",
        [link],
    )
    path = bench.file()
    said = bench.do(
        "issue", "--serial", SERIAL, "--out", path, "--passphrase-file", bench.passphrase_file
    )
    assert "1 key in a package" in said
    assert path.stat().st_mode & 0o777 == 0o600
    [handed] = open_with_passphrase(path.read_bytes(), PASSPHRASE).links
    assert (handed.serial, handed.iccid, handed.model) == (SERIAL, "8986", "adw300")
    assert handed.key_version == 1
    assert handed.check_value == check_value(handed.key, SERIAL)
    assert bench.keys(link) == [(1, "current")]
    assert bench.logged() == ["issued", "handed_over"]
    assert bed.one("SELECT result FROM acrel_key_job") is None


def test_key_is_handed_over_once(bench, link):
    first = bench.issue(SERIAL)
    said = bench.refused(
        *("hand-over", "--serial", SERIAL, "--out", bench.file()),
        *("--passphrase-file", bench.passphrase_file),
    )
    assert "each is handed over once" in said
    again = bench.issue(SERIAL, words=["--reissue"])
    assert again.links[0].key_version == 2
    assert again.links[0].key != first.links[0].key
    assert bench.keys(link) == [(1, "revoked"), (2, "current")]


def test_many_links_in_one_package(bench, bed, link):
    bed.add_link(OTHER)
    handed = bench.issue(SERIAL, OTHER).links
    assert [link.serial for link in handed] == [SERIAL, OTHER]
    assert handed[0].key != handed[1].key


def test_all_are_those_of_the_channel_sealed(bench, bed, link):
    bed.add_link(OTHER)
    bed.admin.execute("UPDATE acrel_link SET channel = 'sealed' WHERE serial = %s", [OTHER])
    path = bench.file()
    bench.do("issue", "--all", "--out", path, "--passphrase-file", bench.passphrase_file)
    handed = open_with_passphrase(path.read_bytes(), PASSPHRASE).links
    assert [one.serial for one in handed] == [OTHER]


def test_nothing_is_done_when_one_link_cannot(bench, bed, link):
    other = bed.add_link(OTHER)[0]
    bench.issue(OTHER)
    bench.issue(OTHER)
    said = bench.refused(
        *("issue", "--serial", SERIAL, "--serial", OTHER, "--out", bench.file()),
        *("--passphrase-file", bench.passphrase_file),
    )
    assert "already has a next key" in said
    assert bench.keys(link) == []
    assert bench.keys(other) == [(1, "current"), (2, "next")]


def test_nothing_is_done_when_the_package_cannot_be_written(bench, link):
    missing = bench.folder / "missing" / "package.json"
    words = ("issue", "--serial", SERIAL, "--passphrase-file", bench.passphrase_file)
    assert "cannot be written" in bench.refused(*words, "--out", missing)
    taken = bench.file()
    taken.write_text("mine")
    assert "is not overwritten" in bench.refused(*words, "--out", taken)
    assert taken.read_text() == "mine"
    assert bench.keys(link) == []


def test_rotate_and_revoke(bench, link):
    assert "could be rotated" in bench.refused("rotate", "--serial", SERIAL)
    bench.issue(SERIAL)
    bench.do("rotate", "--serial", SERIAL)
    assert bench.keys(link) == [(1, "current"), (2, "next")]
    assert "already has a next key" in bench.refused("rotate", "--serial", SERIAL)
    bench.do("revoke", "--serial", SERIAL, "--version", 2)
    assert bench.keys(link) == [(1, "current"), (2, "revoked")]
    bench.do("rotate", "--serial", SERIAL)
    assert bench.keys(link)[-1] == (3, "next"), "greater than every one before"
    bench.do("revoke", "--serial", SERIAL, "--reason", "stolen van")
    assert {state for _, state in bench.keys(link)} == {"revoked"}
    assert "Nothing was there" in bench.refused("revoke", "--serial", SERIAL)
    assert "stolen van" in bench.do("log", "--serial", SERIAL)


def test_revoked_key_is_erased(bench, bed, link):
    bench.issue(SERIAL)
    bench.do("revoke", "--serial", SERIAL)
    assert bed.all("SELECT wrapped, root_id FROM acrel_link_key") == [(None, None)]


def test_test_range_is_version_zero(bench, link):
    assert bench.issue(SERIAL, words=["--lab"]).links[0].key_version == 0
    assert bench.issue(SERIAL).links[0].key_version == 1
    assert bench.keys(link) == [(0, "lab"), (1, "current")]
    bench.do("revoke", "--serial", SERIAL, "--version", 0)
    assert bench.issue(SERIAL, words=["--lab"]).links[0].key_version == 0


def test_versions_end(bench, bed, link):
    bench.issue(SERIAL)
    bed.admin.execute("UPDATE acrel_link_key SET version = 65535")
    said = bench.refused("rotate", "--serial", SERIAL)
    assert "used up all 65535" in said


def test_wrong_root_key_is_refused(bench, bed, link, tmp_path):
    bench.issue(SERIAL)
    other = tmp_path / "other.key"
    bench.do("make-root", "--out", other)
    words = ("rotate", "--serial", SERIAL)
    assert f"wrapped under root key {bench.root_id}" in bench.refused(*words, roots=other)
    assert "make one with odoo meter_keys make-root" in bench.refused(*words, roots="")
    bed.admin.execute("UPDATE acrel_root_key SET sentinel = sentinel || '\\x00'")
    assert "sentinel" in bench.refused(*words)
    assert bench.keys(link) == [(1, "current")]


def test_revocation_needs_no_root_key(bench, link):
    bench.issue(SERIAL)
    assert bench.run("revoke", "--serial", SERIAL, roots="")[0] == 0
    assert bench.keys(link) == [(1, "revoked")]


def test_roll(bench, bed, link):
    bench.issue(SERIAL)
    bench.do("authority", "--out", bench.file())
    assert "no other root key" in bench.refused("roll")
    bench.do("make-root", "--add", "--out", bench.root_file)
    said = bench.do("roll")
    [(new,)] = bed.all("SELECT root_id FROM acrel_root_key WHERE state = 'current'")
    assert new != bench.root_id and new in said
    assert bed.all(
        "SELECT root_id FROM acrel_link_key UNION SELECT root_id FROM acrel_key_authority"
    ) == [(new,)]
    lines = bench.root_file.read_text().splitlines()
    bench.root_file.write_text(lines[1] + "\n")
    bench.do("rotate", "--serial", SERIAL)
    bench.do("crl", "--out", bench.file())


def test_a_lost_root_key_is_given_up(bench, bed, link, tmp_path):
    bench.issue(SERIAL)
    bench.do("authority", "--out", bench.file())
    bench.do(
        *("certificate", "--serial", SERIAL, "--out", bench.file()),
        *("--passphrase-file", bench.passphrase_file),
    )
    lost = ("start-over", "--root-key-is-lost")
    assert "is not lost, it is loaded" in bench.refused(*lost)
    other = tmp_path / "other.key"
    bench.do("make-root", "--out", other)
    assert "1 keys and 1 certificates are revoked" in bench.do(*lost, roots=other)
    assert bench.keys(link) == [(1, "revoked")]
    assert bed.all("SELECT state, wrapped FROM acrel_key_authority") == [("retired", None)]
    bench.root_file = other
    assert bench.issue(SERIAL).links[0].key_version == 2
    bench.do("authority", "--out", bench.file())
    bench.do("make-root", "--add", "--out", other)
    bench.do("roll")


def test_roll_waits_for_every_link_process(bench, bed, link):
    bench.issue(SERIAL)
    bench.do("make-root", "--add", "--out", bench.root_file)
    bed.admin.execute(
        "INSERT INTO acrel_link_worker (name, host, pid, listen, started_at, seen_at, roots)"
        " VALUES ('link 7', 'north', 7, '', now(), now() + interval '1 h', %s)",
        [bench.root_id],
    )
    assert "link 7 on north" in bench.refused("roll")
    bed.admin.execute("UPDATE acrel_link_worker SET stopped_at = now()")
    bench.do("roll")


def test_certificate_as_pkcs12(bench, bed, link):
    words = ("--passphrase-file", bench.passphrase_file, "--serial", SERIAL)
    assert "make one first" in bench.refused("certificate", *words, "--out", bench.file())
    ca = bench.file()
    bench.do("authority", "--name", "Port of North", "--out", ca)
    assert "already" in bench.refused("authority", "--out", bench.file())
    path = bench.file()
    bench.do("certificate", *words, "--out", path, "--days", 30)
    key, certificate, [authority] = pkcs12.load_key_and_certificates(
        path.read_bytes(), PASSPHRASE.encode()
    )
    with pytest.raises(ValueError, match="password"):
        pkcs12.load_key_and_certificates(path.read_bytes(), b"another passphrase")
    assert authority == x509.load_pem_x509_certificate(ca.read_bytes())
    certificate.verify_directly_issued_by(authority)
    assert key.public_key() == certificate.public_key()
    assert certificate.subject.rfc4514_string() == f"CN={SERIAL}"
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [SERIAL]
    assert bed.all("SELECT link_id, fingerprint, state FROM acrel_link_certificate") == [
        (link, certificate.fingerprint(SHA256()), "valid")
    ]


def test_revoked_certificate_is_in_the_list(bench, bed, link):
    ca, listed = bench.file(), bench.file()
    bench.do("authority", "--out", ca)
    words = ("--passphrase-file", bench.passphrase_file, "--serial", SERIAL)
    for _ in range(2):
        bench.do("certificate", *words, "--out", bench.file())
    [(first,), (second,)] = bed.all("SELECT number FROM acrel_link_certificate ORDER BY id")
    bench.do("revoke-certificate", "--serial", SERIAL, "--number", first)
    bench.do("crl", "--out", listed)
    crl = x509.load_pem_x509_crl(listed.read_bytes())
    public_key = x509.load_pem_x509_certificate(ca.read_bytes()).public_key()
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    assert crl.is_signature_valid(public_key)
    assert [f"{entry.serial_number:x}" for entry in crl] == [first]
    bench.do("revoke", "--serial", SERIAL)
    assert set(bed.all("SELECT number FROM acrel_link_certificate WHERE state = 'revoked'")) == {
        (first,),
        (second,),
    }


def test_listener_s_certificate(bench, bed):
    ca, certificate_path, key_path = bench.file(), bench.file(), bench.file()
    bench.do("authority", "--out", ca)
    bench.do(
        *("listener-certificate", "--name", "meters.example", "--name", "127.0.0.1"),
        *("--certificate-out", certificate_path, "--key-out", key_path),
    )
    certificate, authority = x509.load_pem_x509_certificates(certificate_path.read_bytes())
    certificate.verify_directly_issued_by(authority)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["meters.example", "127.0.0.1"]
    assert key_path.stat().st_mode & 0o777 == 0o600


def test_package_of_a_certificate_becomes_pkcs12_on_the_bench(bench, bed, link):
    bench.do("authority", "--out", bench.file())
    private, public = bench.installer()
    job = bench.ask("certificate", link, recipient=Recipient.from_public_key(public))
    assert bench.carry_out() == (job, True)
    package, key, out = bench.file(), bench.file(), bench.file()
    package.write_bytes(bench.job(job)["result"])
    key.write_text(private.hex())
    words = ("open", "--package", package, "--private-key", key)
    assert f"{SERIAL}: certificate" in bench.do(*words)
    bench.do(*words, "--p12", out, "--p12-passphrase-file", bench.passphrase_file)
    found, _, _ = pkcs12.load_key_and_certificates(out.read_bytes(), PASSPHRASE.encode())
    assert found is not None


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "are required"),
        (("fly",), "invalid choice"),
        (("issue", "--out", "/x"), "No link is named"),
        (("issue", "--serial", "nobody", "--out", "{out}"), "no active link with serial number"),
        (("rotate", "--serial"), "expected one argument"),
        (("certificate", "--serial", SERIAL, "--out", "{out}", "--days", "a"), "invalid int"),
        (("--dsn", "nonsense", "log"), "cannot be reached"),
        (("open", "--package", "/nowhere"), "cannot be read"),
    ],
)
def test_wrong_input_is_one_sentence_and_code_2(bench, link, words, sentence):
    said = bench.refused(*(word.format(out=bench.file()) for word in words))
    assert sentence in said


def test_it_runs_as_a_program(bench, link):
    environment = {
        **os.environ,
        "PYTHONPATH": str(ADDON),
        "ACREL_LINK_DSN": bench.bed.dsn,
        "ACREL_LINK_ROOT_KEY_FILE": str(bench.root_file),
    }
    command = [sys.executable, "-m", "acrel_link.keys"]
    words = ["issue", "--serial", SERIAL, "--out", str(bench.file())]
    words += ["--passphrase-file", str(bench.passphrase_file)]
    done = run([*command, *words], env=environment, capture_output=True, text=True, check=True)
    assert "1 key in a package" in done.stdout
    refused = run([*command, *words], env=environment, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
