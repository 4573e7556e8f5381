"""A PostgreSQL cluster of these tests' own, and a fresh database with the link's tables a test."""

import os
from collections.abc import Iterator
from itertools import count

import psycopg
import pytest
import uvloop
from psycopg import sql

from house.cluster import PORT, Cluster

from .bed import Bed

TEMPLATE = "link_template"
_numbers = count(1)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    cluster = Cluster(f"unit-{os.getpid()}", print, durable=False)
    try:
        cluster.start()
        with admin(cluster) as connection:
            connection.execute("CREATE ROLE acrel_link LOGIN")
            connection.execute(f"CREATE DATABASE {TEMPLATE}")
        bed = Bed(str(cluster.host), PORT, TEMPLATE)
        bed.create_tables()
        bed.close()
        yield cluster
    finally:
        cluster.remove()


def admin(cluster: Cluster) -> psycopg.Connection:
    return psycopg.connect(
        host=str(cluster.host), port=PORT, user="postgres", dbname="postgres", autocommit=True
    )


@pytest.fixture
def bed(cluster: Cluster) -> Iterator[Bed]:
    name = f"link_{next(_numbers)}"
    with admin(cluster) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(TEMPLATE)
            )
        )
    bed = Bed(str(cluster.host), PORT, name)
    yield bed
    bed.close()
    with admin(cluster) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def pytest_asyncio_loop_factories(config, item):
    """Run on the loop that the process itself runs on."""
    return {"uvloop": uvloop.new_event_loop}
