"""What a person may set: by environment, or in `odoo.conf`; checked before anything starts."""

import configparser
import dataclasses
import re
import socket
from collections.abc import Mapping
from pathlib import Path

from . import paths
from .errors import Refused

LOOPBACK = "127.0.0.1"


@dataclasses.dataclass(frozen=True)
class Settings:
    """Settings of `scripts/run`."""

    database: str = "acrel"
    http_port: int = 8069
    link_port: int = 8450
    wechatpay_port: int = 8451
    alipay_port: int = 8452

    def ports(self) -> dict[str, int]:
        """Give each port by the variable that sets it."""
        return {
            "ACREL_HTTP_PORT": self.http_port,
            "ACREL_LINK_PORT": self.link_port,
            "ACREL_WECHATPAY_PORT": self.wechatpay_port,
            "ACREL_ALIPAY_PORT": self.alipay_port,
        }


@dataclasses.dataclass(frozen=True)
class NamedServer:
    """A PostgreSQL server that a person named, instead of the private one."""

    host: str
    port: int
    user: str
    password: str | None


def read(environment: Mapping[str, str]) -> Settings:
    """Read and check the settings of `scripts/run`."""
    conf = odoo_conf()
    default = Settings()
    settings = Settings(
        database=_database(environment, "ACREL_DB", default.database),
        http_port=_whole(
            environment, "ACREL_HTTP_PORT", conf.get("http_port", str(default.http_port)), 1, 65535
        ),
        link_port=_port(environment, "ACREL_LINK_PORT", default.link_port),
        wechatpay_port=_port(environment, "ACREL_WECHATPAY_PORT", default.wechatpay_port),
        alipay_port=_port(environment, "ACREL_ALIPAY_PORT", default.alipay_port),
    )
    held: dict[int, str] = {}
    for name, port in settings.ports().items():
        if port in held:
            raise Refused(f"{held[port]} and {name} are both {port}; give them different ports.")
        held[port] = name
    return settings


def odoo_conf() -> dict[str, str]:
    """Read the section `[options]` of the project's odoo.conf."""
    return read_conf(paths.ROOT / "odoo.conf")


def read_conf(file: Path) -> dict[str, str]:
    """Read the section `[options]` of one of Odoo's configuration files."""
    parser = configparser.RawConfigParser()
    try:
        with open(file, encoding="utf-8") as text:
            parser.read_file(text)
        return dict(parser["options"])
    except (OSError, configparser.Error, KeyError) as error:
        raise Refused(f"{file} cannot be read as Odoo's configuration: {error}") from error


def named_server(environment: Mapping[str, str]) -> NamedServer | None:
    """Give the server named by odoo.conf or by PGHOST, or None for the private one."""
    conf = {
        name: value
        for name, value in odoo_conf().items()
        if value and value.lower() not in ("false", "none")
    }
    host = environment.get("PGHOST") or conf.get("db_host")
    if not host:
        return None
    return NamedServer(
        host=host,
        port=_whole(environment, "PGPORT", conf.get("db_port", "5432"), 1, 65535),
        user=environment.get("PGUSER") or conf.get("db_user") or "odoo",
        password=environment.get("PGPASSWORD") or conf.get("db_password"),
    )


def check_free(port: int, variable: str, what: str) -> None:
    """Refuse a port that another program holds."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise Refused(
                f"Port {port}, meant for {what}, cannot be used ({error.strerror}); "
                f"stop the program that holds it or set {variable} to another port."
            ) from error


def free_port() -> int:
    """Find a port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


def _port(environment: Mapping[str, str], name: str, default: int) -> int:
    return _whole(environment, name, str(default), 1, 65535)


def _whole(environment: Mapping[str, str], name: str, default: str, least: int, most: int) -> int:
    text = environment.get(name) or default
    if not re.fullmatch(r"\d{1,6}", text.strip()) or not least <= int(text) <= most:
        raise Refused(f"{name} is {text!r}; it must be a whole number from {least} to {most}.")
    return int(text)


def _database(environment: Mapping[str, str], name: str, default: str) -> str:
    text = environment.get(name) or default
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", text) or text in (
        "postgres",
        "template0",
        "template1",
    ):
        raise Refused(
            f"{name} is {text!r}; a database name here is 1 to 40 lower-case letters, digits and "
            "_, begins with a letter, and is none of PostgreSQL's own."
        )
    return text
