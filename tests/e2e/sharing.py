"""Which tests go together where several processes share the work."""

from xdist.scheduler import LoadScopeScheduling

FOLDER = "tests/e2e/"
#: Begun first, so that none of them is what all others have to wait for in the end.
LONGEST = (
    "test_uninstall.py",
    "payments",
    "test_guard.py",
    "test_chaos.py",
    "test_upgrade.py",
    "test_silence.py",
    "test_hold.py",
    "secured",
    "test_backup.py",
    "test_processes.py",
    "test_journey.py",
    "test_wakeups.py",
    "test_named_server.py",
)


def company_of(test: str) -> str:
    """Name the tests with which one shares a database and its processes: its file or folder."""
    return test.removeprefix(FOLDER).partition("::")[0].partition("/")[0]


def rank(test: str) -> int:
    """Say when a test's turn is."""
    company = company_of(test)
    return LONGEST.index(company) if company in LONGEST else len(LONGEST)


class Together(LoadScopeScheduling):
    """Gives a process all tests that share something, in the order in which they were collected."""

    def __init__(self, config, log=None):
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return company_of(nodeid)
