"""The command `meter-agent`: import, check, run."""

import argparse
import asyncio
import getpass
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from . import VERSION, importing
from .agent import run
from .checking import check
from .config import Config, load
from .errors import AgentError, ConfigError

CONFIG_FILE = Path("/etc/meter-agent.toml")
WRONG = 2  # the exit code for what only a person can correct


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"meter-agent: {message}; --help tells more.")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="meter-agent",
        description="Connect unchanged Modbus meters to the metering server, encrypted.",
    )
    parser.add_argument("--config", type=Path, default=CONFIG_FILE, metavar="FILE")
    parser.add_argument("--log-level", choices=("debug", "info", "warning"), default="info")
    parser.add_argument("--version", action="version", version=VERSION)
    actions = parser.add_subparsers(dest="action", required=True)
    bring = actions.add_parser("import", help="take a provisioning package or a PKCS#12")
    bring.add_argument("package", type=Path, metavar="FILE")
    bring.add_argument("--passphrase-file", type=Path, metavar="FILE", help="default: typed")
    bring.add_argument(
        "--private-key-file",
        type=Path,
        metavar="FILE",
        help="the installer's, as odoo meter_keys recipient wrote it",
    )
    actions.add_parser("check", help="tell what works and what does not")
    actions.add_parser("run", help="run until stopped")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one action; return the exit code."""
    mask = os.umask(0o077)  # whatever is written is for this user alone
    try:
        told = _parser().parse_args(arguments)
        logging.basicConfig(
            level=told.log_level.upper(), format="%(levelname)s %(name)s: %(message)s"
        )
        # what goes wrong on a bus is told by the agent, once and as a sentence
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
        config = load(told.config)
        if told.action == "import":
            print(_import(config, told))
        elif told.action == "check":
            return 0 if asyncio.run(check(config)) else 1
        else:
            importing.import_credentials(config)
            asyncio.run(run(config))
    except AgentError as error:
        print(error, file=sys.stderr)
        return WRONG
    finally:
        os.umask(mask)
    return 0


def _import(config: Config, told: argparse.Namespace) -> str:
    if told.private_key_file is not None:
        try:
            key = bytes.fromhex(_read(told.private_key_file))
        except ValueError:
            # the cause would show the content in a traceback
            raise AgentError(f"{told.private_key_file} holds no private key.") from None
        return importing.import_file(config, told.package, None, key)
    if told.passphrase_file is not None:
        passphrase = _read(told.passphrase_file)
    else:
        passphrase = getpass.getpass("Passphrase of the package: ")
    return importing.import_file(config, told.package, passphrase, None)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise AgentError(f"{file} cannot be read: {error}.") from error
