"""A packed array: PostgreSQL reads what was packed."""

import pytest
from psycopg import sql

from acrel_link.arrays import integers


def arrive(bed, value, kind: str) -> tuple[list, str]:
    cursor = bed.admin.execute(
        sql.SQL("SELECT a, pg_typeof(a)::text FROM (VALUES (%s::{})) AS v (a)").format(
            sql.SQL(kind)
        ),
        [value],
    )
    return cursor.fetchone()


@pytest.mark.parametrize("values", [[0], [1, 2**31 - 1, 7], list(range(3000))])
def test_numbers_arrive(bed, values):
    assert arrive(bed, integers(values), "integer[]") == (values, "integer[]")


def test_a_set_of_numbers_arrives(bed):
    assert sorted(arrive(bed, integers({5, 3, 9}), "integer[]")[0]) == [3, 5, 9]


def test_their_type_needs_no_cast(bed):
    assert bed.one("SELECT sum(id) FROM unnest(%s) AS m (id)", integers([1, 2])) == 3
