"""What the command line of keys takes, and its sentences."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import psycopg

from ..database import CONNECT
from . import command, root
from .errors import KeysError

DSN = "ACREL_LINK_DSN"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise KeysError(f"{message}; {self.prog} --help lists what can be given.")


def main(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    program: str = "python -m acrel_link.keys",
) -> int:
    """Do one action and return the exit code."""
    try:
        options = _parser(program).parse_args(arguments)
        if options.alone:
            print(options.act(options))
            return 0
        with _bench(options, environment) as connection:
            roots = root.load(options.root_key_file or environment.get(root.VARIABLE, ""))
            print(options.act(command.Bench(connection, roots), options))
    except KeysError as error:
        print(f"meter_keys: {error}", file=sys.stderr)
        return 2
    return 0


def _bench(options: argparse.Namespace, environment: Mapping[str, str]) -> psycopg.Connection:
    dsn = options.dsn or environment.get(DSN, "")
    if not dsn:
        raise KeysError(
            f"No database is named: give --dsn or {DSN}, for example 'host=127.0.0.1 "
            "dbname=acrel user=acrel_link'."
        )
    try:
        connection = psycopg.connect(dsn, **CONNECT, application_name="acrel_link meter_keys")
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        raise KeysError(f"The database cannot be reached: {reason}") from error
    if connection.execute("SELECT to_regclass('acrel_key_job')").fetchone()[0] is None:
        connection.close()
        raise KeysError("The database has no table acrel_key_job: install acrel_meter_link there.")
    return connection


def _parser(program: str) -> argparse.ArgumentParser:
    parser = _Parser(prog=program, description="Keys and certificates of links.")
    parser.add_argument("--dsn", help=f"libpq connection string of the role acrel_link ({DSN})")
    parser.add_argument(
        "--root-key-file", metavar="FILES", help=f"root key files, ':' between ({root.VARIABLE})"
    )
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")

    one = _action(actions, "make-root", command.make_root, "make a root key in a file", alone=True)
    _out(one)
    one.add_argument("--add", action="store_true", help="add a second one to the file, for a roll")

    one = _action(
        actions, "recipient", command.recipient_key, "make an installer's key pair", alone=True
    )
    _out(one)

    one = _action(actions, "issue", command.issue, "make keys and a package with them")
    _links(one, every=True)
    _package(one)
    one.add_argument("--reissue", action="store_true", help="revoke what the links have before")
    one.add_argument("--lab", action="store_true", help="version 0, for a laboratory's listener")

    one = _action(actions, "hand-over", command.hand_over, "package keys that nobody has yet")
    _links(one, every=True)
    _package(one)

    one = _action(actions, "rotate", command.rotate, "send new keys over the links themselves")
    _links(one, every=True)

    one = _action(actions, "revoke", command.revoke, "refuse keys and certificates from now on")
    _links(one)
    one.add_argument("--version", type=int, help="only the key of this version")
    one.add_argument("--reason", help="for the log")

    one = _action(actions, "roll", command.roll, "wrap all keys under another root key")
    one.add_argument("--root-id", help="which; default the last one loaded")

    one = _action(
        actions, "start-over", command.start_over, "the root key is lost: revoke all under it"
    )
    one.add_argument("--root-key-is-lost", action="store_true", required=True)

    one = _action(actions, "authority", command.authority, "make the authority of certificates")
    _out(one)
    one.add_argument("--name", help="its common name")
    one.add_argument("--replace", action="store_true", help="instead of the one there is")

    one = _action(actions, "certificate", command.certificate, "certify a link, as PKCS#12")
    _links(one)
    _passphrase(one)
    _out(one)
    _days(one)

    one = _action(
        actions, "listener-certificate", command.listener_certificate, "certify a listener, as PEM"
    )
    one.add_argument("--name", action="append", required=True, help="name or address it is at")
    one.add_argument("--certificate-out", type=Path, required=True, metavar="FILE")
    one.add_argument("--key-out", type=Path, required=True, metavar="FILE")
    _days(one)

    one = _action(
        actions, "revoke-certificate", command.revoke_certificate, "refuse certificates of links"
    )
    _links(one)
    one.add_argument("--number", help="only the one of this serial number, hexadecimal")
    one.add_argument("--reason", help="for the log")

    one = _action(actions, "crl", command.revocation_list, "export the list of revoked ones")
    _out(one)

    one = _action(actions, "log", command.show_log, "show what was done with keys")
    one.add_argument("--serial", action="append", help="of one link only")
    one.add_argument("--lines", type=int, default=100, help="how many at most")

    one = _action(actions, "open", command.open_package, "look into a package", alone=True)
    one.add_argument("--package", type=Path, required=True, metavar="FILE")
    one.add_argument("--private-key", type=Path, metavar="FILE", help="as `recipient` made it")
    one.add_argument("--passphrase-file", type=Path, metavar="FILE")
    one.add_argument("--p12", type=Path, metavar="FILE", help="write its certificate as PKCS#12")
    one.add_argument("--p12-passphrase-file", type=Path, metavar="FILE")
    return parser


def _action(actions, name, act, told, alone=False) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=told, description=told)
    parser.set_defaults(act=act, alone=alone)
    return parser


def _links(parser, every=False) -> None:
    parser.add_argument("--serial", action="append", help="of a link; may be given several times")
    if every:
        parser.add_argument("--all", action="store_true", help="all links of the channel sealed")


def _package(parser) -> None:
    parser.add_argument("--recipient", metavar="BASE64", help="the installer's public key")
    _passphrase(parser)
    _out(parser)


def _passphrase(parser) -> None:
    parser.add_argument("--passphrase-file", type=Path, metavar="FILE", help="asked for if absent")


def _out(parser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")


def _days(parser) -> None:
    parser.add_argument("--days", type=int, help="how long it is valid")
