"""The PostgreSQL server in use, private or named, seen from a client."""

import dataclasses
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from . import paths
from .cluster import PORT, SUPERUSER, Cluster
from .errors import Refused
from .settings import NamedServer

LINK_ROLE = "acrel_link"


@dataclasses.dataclass(frozen=True)
class Server:
    """Where the databases are, and as whom Odoo and the link log in."""

    host: str
    port: int
    user: str
    password: str | None = None
    link_password: str | None = None

    def env(self) -> dict[str, str]:
        """Give the variables by which Odoo, libpq and their children find the server."""
        values = {"PGHOST": self.host, "PGPORT": str(self.port), "PGUSER": self.user}
        if self.password:
            values["PGPASSWORD"] = self.password
        return values

    def link_dsn(self, database: str) -> str:
        """Give the connection string of the link's own role."""
        password = {"password": self.link_password} if self.link_password else {}
        return make_conninfo(
            host=self.host, port=self.port, user=LINK_ROLE, dbname=database, **password
        )

    @contextmanager
    def connect(self, database: str = "postgres") -> Iterator[psycopg.Connection]:
        """Open a connection on which each statement is its own transaction."""
        try:
            connection = psycopg.connect(
                host=self.host,
                port=self.port,
                user=self.user,
                password=self.password,
                dbname=database,
                autocommit=True,
                connect_timeout=10,
            )
        except psycopg.OperationalError as error:
            words = str(error).strip().splitlines()[-1]
            raise Refused(
                f"The PostgreSQL server at {self.host}:{self.port} does not let the user "
                f"{self.user} into the database {database} ({words}); check odoo.conf or PGHOST, "
                "PGPORT, PGUSER and PGPASSWORD."
            ) from error
        with connection:
            yield connection

    def set_parameter(self, database: str, key: str, value: str) -> None:
        """Set one of Odoo's parameters while no Odoo that caches it runs on the database."""
        with self.connect(database) as connection:
            connection.execute(
                "INSERT INTO ir_config_parameter (key, value) VALUES (%s, %s) "
                "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (key, value),
            )

    def parameter(self, database: str, key: str) -> str | None:
        """Give one of Odoo's parameters."""
        with self.connect(database) as connection:
            row = connection.execute(
                "SELECT value FROM ir_config_parameter WHERE key = %s", (key,)
            ).fetchone()
        return row[0] if row else None

    def exists(self, database: str) -> bool:
        """Say whether a database is there."""
        with self.connect() as connection:
            found = connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", (database,)
            ).fetchone()
        return bool(found)

    def create(self, database: str) -> None:
        """Make an empty database, as Odoo makes its own."""
        with self.connect() as connection:
            statement = "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C'"
            connection.execute(sql.SQL(statement).format(sql.Identifier(database)))

    def drop(self, database: str) -> None:
        """Drop a database with our sessions that are still on it.

        Not `WITH (FORCE)`: it fails for an ordinary role whenever autovacuum, which is the
        superuser's, happens to work there; the plain statement ends autovacuum by itself.
        """
        with self.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = %s AND usename = current_user",
                (database,),
            )
            name = sql.Identifier(database)
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(name))

    def rename(self, old: str, new: str) -> None:
        """Give a database its final name."""
        with self.connect() as connection:
            statement = sql.SQL("ALTER DATABASE {} RENAME TO {}")
            connection.execute(statement.format(sql.Identifier(old), sql.Identifier(new)))

    def clone(self, template: str, database: str) -> None:
        """Copy a database on which nobody works.

        From version 15 PostgreSQL copies through its log by default. A sequence copied so does not
        log its next 32 values, and a server that is killed then gives them out twice; the older
        way, which ends in a checkpoint, does not have that fault.
        """
        with self.connect() as connection:
            statement = "CREATE DATABASE {} TEMPLATE {}"
            if connection.info.server_version >= 150000:
                statement += " STRATEGY file_copy"
            connection.execute(
                sql.SQL(statement).format(sql.Identifier(database), sql.Identifier(template))
            )


def of_cluster(cluster: Cluster) -> Server:
    """Make the roles of a running private cluster and give it as a server."""
    host = str(cluster.host)
    with Server(host, PORT, SUPERUSER).connect() as connection:
        present = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles")}
        if "odoo" not in present:
            connection.execute("CREATE ROLE odoo LOGIN CREATEDB")
        if LINK_ROLE not in present:
            connection.execute(f"CREATE ROLE {LINK_ROLE} LOGIN")
        if not cluster.durable:
            # Tests try what a role without rights, or without a free connection, meets.
            connection.execute("ALTER ROLE odoo CREATEROLE")
    return Server(host, PORT, "odoo")


def of_named(named: NamedServer) -> Server:
    """Check a named server and see to the link's role on it."""
    if named.user == "postgres":
        raise Refused(
            "Odoo does not run as PostgreSQL's user postgres; create a role of your own with "
            "CREATEDB and name it by PGUSER or db_user in odoo.conf."
        )
    server = Server(named.host, named.port, named.user, named.password)
    kept = paths.LOCAL / "run" / "link_password"
    password = os.environ.get("ACREL_LINK_DB_PASSWORD") or (
        kept.read_text().strip() if kept.exists() else None
    )
    with server.connect() as connection:
        if connection.info.server_version < 140000:
            raise Refused(
                f"The PostgreSQL server at {named.host} has version "
                f"{connection.info.server_version // 10000}; 14 or newer is needed."
            )
        role = connection.execute(
            "SELECT rolcreatedb OR rolsuper, rolcreaterole OR rolsuper FROM pg_roles "
            "WHERE rolname = current_user"
        ).fetchone()
        has_link_role = connection.execute(
            "SELECT 1 FROM pg_roles WHERE rolname = %s", (LINK_ROLE,)
        ).fetchone()
        if not has_link_role:
            if not role[1]:
                raise Refused(
                    f"The PostgreSQL server at {named.host} has no role {LINK_ROLE}, and "
                    f"{named.user} may not create it; create it with LOGIN and a password, "
                    "and start again with ACREL_LINK_DB_PASSWORD set to that password."
                )
            password = password or secrets.token_urlsafe(24)
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                    sql.Identifier(LINK_ROLE), sql.Literal(password)
                )
            )
            _keep(kept, password)
    return dataclasses.replace(server, link_password=password)


def _keep(file: Path, secret: str) -> None:
    paths.make(file.parent)
    file.touch(mode=0o600)
    file.write_text(secret)
