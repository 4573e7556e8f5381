"""`python -m acrel_link.keys` and `odoo meter_keys`: keys for a bench without a screen.

Each action is the same job that Odoo's buttons order, carried out here at once; a link process
that runs is woken by it.
"""

import argparse
import getpass
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from . import files, pkcs12, root
from .errors import KeysError, RootKeyError
from .jobs import TAKE_TURNS, carry_out
from .package import (
    Payload,
    Recipient,
    open_with_passphrase,
    open_with_private_key,
)
from .requests import ask
from .work import NO_ROOT

FIND = "SELECT id FROM acrel_link WHERE active AND serial = %s"
ALL = "SELECT id FROM acrel_link WHERE active AND channel = 'sealed' ORDER BY serial"
FETCH = """
UPDATE acrel_key_job j SET result = NULL, fetched_at = clock_timestamp(), fetched_by = j.actor
  FROM acrel_key_job old WHERE j.id = %s AND old.id = j.id
RETURNING old.state, old.message, old.result
"""
LOG = """
SELECT at, actor, action, serial, version, detail FROM acrel_key_log
 WHERE %(serial)s::text IS NULL OR serial = %(serial)s ORDER BY id DESC LIMIT %(most)s
"""


@dataclass
class Bench:
    """The database and the root keys that an action works with."""

    connection: psycopg.Connection
    roots: root.RootKeys

    def links(self, options: argparse.Namespace) -> list[int]:
        """Return the links that are named."""
        if getattr(options, "all", False):
            return [row[0] for row in self.connection.execute(ALL)]
        found = []
        for serial in options.serial or ():
            row = self.connection.execute(FIND, [serial]).fetchone()
            if row is None:
                raise KeysError(f"There is no active link with serial number {serial}.")
            found.append(row[0])
        if not found:
            raise KeysError("No link is named: give --serial, once for each.")
        return found

    def do(
        self,
        kind: str,
        links: Sequence[int] = (),
        keep: Callable[[bytes], None] = lambda result: None,
        **order: Any,
    ) -> str:
        """Order an action, carry it out and take its result, all or nothing.

        :param keep: takes what is handed over, before it is final: when it fails, nothing was done
        :return: what the action says
        """
        with self.connection.transaction():
            self.connection.execute(TAKE_TURNS)
            statement, arguments = ask(kind, _actor(), links, **order)
            job_id = self.connection.execute(statement, arguments).fetchone()[0]
            if carry_out(self.connection, self.roots, job_id=job_id) is None:
                raise RootKeyError(NO_ROOT)
            state, message, result = self.connection.execute(FETCH, [job_id]).fetchone()
            if result is not None:
                keep(result)
        if state != "done":
            raise KeysError(message)
        return message


def _actor() -> str:
    return f"command line, {getpass.getuser()} on {socket.gethostname()}"


# === ACTIONS === #


def make_root(options: argparse.Namespace) -> str:
    """Make a root key, or add one to a file."""
    made = root.make(options.out, options.add)
    return (
        f"Root key {made.id} is in {options.out}. Keep a copy at another place: without it every "
        "device key is lost."
    )


def recipient_key(options: argparse.Namespace) -> str:
    """Make an installer's key pair; show the public half."""
    private = X25519PrivateKey.generate()
    files.write_secret(options.out, private.private_bytes_raw().hex().encode() + b"\n")
    public = Recipient(private.public_key().public_bytes_raw()).as_record()["public_key"]
    return f"{public}\nThis is your public key; the private one is in {options.out}."


def _recipient(options: argparse.Namespace) -> Recipient:
    if options.recipient:
        return Recipient.from_public_key(options.recipient)
    return Recipient.from_passphrase(files.passphrase(options.passphrase_file, twice=True))


def issue(bench: Bench, options: argparse.Namespace) -> str:
    """Make keys and write the package with them."""
    kind = "reissue" if options.reissue else "issue"
    return _hand_over(bench, options, kind, {"lab": options.lab})


def hand_over(bench: Bench, options: argparse.Namespace) -> str:
    """Write a package with the keys that were not handed over yet."""
    return _hand_over(bench, options, "hand_over", {})


def _hand_over(bench: Bench, options: argparse.Namespace, kind: str, told: dict) -> str:
    files.check_new(options.out)
    return bench.do(
        kind,
        bench.links(options),
        partial(files.write_secret, options.out),
        recipient=_recipient(options),
        parameters=_given(told),
    )


def rotate(bench: Bench, options: argparse.Namespace) -> str:
    """Order that the links' meters get new keys."""
    return bench.do("rotate", bench.links(options))


def revoke(bench: Bench, options: argparse.Namespace) -> str:
    """Revoke keys, and certificates where no version is given."""
    told = {"version": options.version, "reason": options.reason}
    return bench.do("revoke", bench.links(options), parameters=_given(told))


def roll(bench: Bench, options: argparse.Namespace) -> str:
    """Wrap everything under another root key."""
    return bench.do("roll", parameters=_given({"root_id": options.root_id}))


def start_over(bench: Bench, options: argparse.Namespace) -> str:
    """Give up a lost root key with everything under it."""
    return bench.do("start_over")


def authority(bench: Bench, options: argparse.Namespace) -> str:
    """Make the authority and write its certificate."""
    files.check_new(options.out)
    told = {"name": options.name, "replace": options.replace}
    message = bench.do(
        "authority", keep=partial(files.write_secret, options.out), parameters=_given(told)
    )
    return f"{message} Its certificate is in {options.out}."


def certificate(bench: Bench, options: argparse.Namespace) -> str:
    """Certify a link and write a PKCS#12 file."""
    files.check_new(options.out)
    links = bench.links(options)
    if len(links) != 1:
        raise KeysError("A PKCS#12 file is of one link: give one --serial.")
    passphrase = files.passphrase(options.passphrase_file, twice=True)

    def keep(package: bytes) -> None:
        [handed] = open_with_passphrase(package, passphrase).certificates
        files.write_secret(options.out, pkcs12.encode(handed, passphrase))

    bench.do(
        "certificate",
        links,
        keep,
        recipient=Recipient.from_passphrase(passphrase),
        parameters=_given({"days": options.days}),
    )
    return f"Certificate, private key and authority are in {options.out}."


def listener_certificate(bench: Bench, options: argparse.Namespace) -> str:
    """Certify a listener and write PEM files."""
    for path in (options.certificate_out, options.key_out):
        files.check_new(path)
    told = {"names": options.name, "days": options.days}
    private = X25519PrivateKey.generate()
    recipient = Recipient(private.public_key().public_bytes_raw())

    def keep(package: bytes) -> None:
        [handed] = open_with_private_key(package, private.private_bytes_raw()).certificates
        files.write_secret(options.key_out, handed.private_key.encode())
        chain = handed.certificate + handed.authority
        files.write_secret(options.certificate_out, chain.encode())

    bench.do("listener_certificate", keep=keep, recipient=recipient, parameters=_given(told))
    return f"The certificate is in {options.certificate_out}, its key in {options.key_out}."


def revoke_certificate(bench: Bench, options: argparse.Namespace) -> str:
    """Revoke certificates of links."""
    told = {"number": options.number, "reason": options.reason}
    return bench.do("revoke_certificate", bench.links(options), parameters=_given(told))


def revocation_list(bench: Bench, options: argparse.Namespace) -> str:
    """Write the list of revoked certificates."""
    files.check_new(options.out)
    return bench.do("revocation_list", keep=partial(files.write_secret, options.out))


def show_log(bench: Bench, options: argparse.Namespace) -> str:
    """Show the log's newest lines, oldest first."""
    lines = []
    told = {"serial": (options.serial or [None])[0], "most": options.lines}
    for at, actor, action, serial, version, detail in bench.connection.execute(LOG, told):
        what = [f"{at:%Y-%m-%d %H:%M:%S}", action, serial or ""]
        what += [f"version {version}" if version is not None else "", detail or "", f"({actor})"]
        lines.append(" ".join(filter(None, what)))
    return "\n".join(reversed(lines)) or "Nothing was done with keys yet."


def open_package(options: argparse.Namespace) -> str:
    """Say what is in a package; write its certificate as PKCS#12."""
    payload = _opened(options)
    told = []
    for link in payload.links:
        told.append(f"{link.serial}: key version {link.key_version}, {link.model or 'no model'}")
    for handed in payload.certificates:
        told.append(f"{handed.serial}: certificate")
    if options.p12:
        if len(payload.certificates) != 1:
            raise KeysError("A PKCS#12 file is of one certificate, and the package has not one.")
        passphrase = files.passphrase(options.p12_passphrase_file, twice=True)
        files.write_secret(options.p12, pkcs12.encode(payload.certificates[0], passphrase))
    return "\n".join(told)


def _opened(options: argparse.Namespace) -> Payload:
    data = files.read(options.package)
    if options.private_key is None:
        return open_with_passphrase(data, files.passphrase(options.passphrase_file))
    try:
        private = bytes.fromhex(files.read(options.private_key).decode().strip())
    except ValueError:
        private = b""
    if len(private) != 32:
        raise KeysError(f"{options.private_key} is no private key as `recipient` writes it.")
    return open_with_private_key(data, private)


def _given(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if value is not None and value is not False}
