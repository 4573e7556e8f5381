"""Work that mostly waits, done beside other work."""

import threading
from collections.abc import Callable, Sequence


def do_all(work: Sequence[Callable[[], None]]) -> None:
    """Do several things at the same time; raise what the first that failed raised.

    The threads are daemons: when a signal ends the command, the processes that they wait for are
    ended, and nobody waits for the threads themselves.
    """
    failures: list[BaseException] = []

    def do(one: Callable[[], None]) -> None:
        try:
            one()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=do, args=(one,), daemon=True) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
