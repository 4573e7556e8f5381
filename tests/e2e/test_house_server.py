"""A database goes when it is dropped, whoever works on it."""

import psycopg
import pytest

from house.cluster import SUPERUSER
from waiting import eventually

DATABASE = "house_drop"
RESTLESS = {
    "autovacuum_naptime": "1s",
    "autovacuum_vacuum_cost_delay": "100ms",
    "autovacuum_vacuum_cost_limit": "1",
}


@pytest.fixture
def superuser(stage):
    """A connection of the superuser, with an autovacuum that comes at once and stays long."""
    with psycopg.connect(
        host=stage.server.host,
        port=stage.server.port,
        user=SUPERUSER,
        dbname="postgres",
        autocommit=True,
    ) as connection:
        for name, value in RESTLESS.items():
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        connection.execute("SELECT pg_reload_conf()")
        yield stage.server, connection
        for name in RESTLESS:
            connection.execute(f"ALTER SYSTEM RESET {name}")
        connection.execute("SELECT pg_reload_conf()")


def vacuuming(connection):
    return connection.execute(
        "SELECT pid FROM pg_stat_activity "
        "WHERE backend_type = 'autovacuum worker' AND datname = %s",
        (DATABASE,),
    ).fetchall()


def test_drop_while_autovacuum_and_we_work_there(superuser):
    server, connection = superuser
    server.drop(DATABASE)
    connection.execute(f"CREATE DATABASE {DATABASE} OWNER {server.user}")
    with server.connect(DATABASE) as work:
        work.execute("CREATE TABLE dead AS SELECT generate_series(1, 200000) AS id")
        work.execute("UPDATE dead SET id = id + 1")
        eventually(lambda: vacuuming(connection), "autovacuum on the database")
        server.drop(DATABASE)
        assert not server.exists(DATABASE)
        with pytest.raises(psycopg.OperationalError):
            work.execute("SELECT 1")
