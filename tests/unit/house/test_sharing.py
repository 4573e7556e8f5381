"""How the tests end to end are shared among processes."""

import pytest

import sharing
from house import paths


@pytest.mark.parametrize(
    ("test", "company"),
    [
        ("tests/e2e/test_guard.py::test_a[x/y::z]", "test_guard.py"),
        ("tests/e2e/payments/test_wallet.py::test_b", "payments"),
    ],
)
def test_a_folder_s_files_stay_together(test, company):
    assert sharing.company_of(test) == company


def test_the_longest_come_first_and_are_there():
    ranks = [sharing.rank(f"tests/e2e/{name}::test_a") for name in (*sharing.LONGEST, "test_x.py")]
    assert ranks == sorted(set(ranks))
    assert all((paths.ROOT / sharing.FOLDER / name).exists() for name in sharing.LONGEST)
