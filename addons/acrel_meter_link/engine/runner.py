"""The engine's loop: one leader, woken or sweeping, one transaction a batch of records."""

import contextlib
import logging
import os
import random
import select
import signal
import threading
import time
from functools import partial

import psycopg2

from odoo import SUPERUSER_ID, api
from odoo.modules.registry import Registry
from odoo.service.model import PG_CONCURRENCY_EXCEPTIONS_TO_RETRY

from ..models.engine import WORK
from .listener import Listener

_logger = logging.getLogger(__name__)

SWEEP_SECONDS = 5.0
# Passes begin at most this often, so that open screens are told about once a second.
PASS_SECONDS = 1.0
# So long a sweep rolls readings up at most.
ROLL_UP_SECONDS = 1.0
# Waits after a lost database.
RECONNECT_FIRST, RECONNECT_LAST = 0.5, 10.0
TRIES = 5

EXIT_STOPPED = 0
EXIT_SETTINGS = 2
EXIT_RESTART = 75
"""Exit code that asks for a new process, since Python does not reload changed code."""

LOST = (psycopg2.OperationalError, psycopg2.InterfaceError)


class Engine:
    """Turns what the link process wrote into effects, until it is told to stop."""

    def __init__(self, db_name):
        self._db_name = db_name
        self._waker, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        self._stopping = False
        self._registry = None

    # === LIFE === #

    def stop(self, *_signal):
        """Finish the running batch and end; usable as a signal handler."""
        self._stopping = True
        with contextlib.suppress(BlockingIOError):
            os.write(self._wake, b"x")

    def run(self):
        """Run until stopped.

        :return: exit code
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.stop)
        threading.current_thread().dbname = self._db_name
        wait = RECONNECT_FIRST
        while not self._stopping:
            try:
                listener = Listener(self._db_name, self._waker)
                with contextlib.closing(listener):
                    wait = RECONNECT_FIRST
                    code = self._serve(listener)
                    if code is not None:
                        return code
            except LOST as error:
                _logger.warning(
                    "Database %s is lost; next try in %.1f s: %s",
                    self._db_name,
                    wait,
                    " ".join(str(error).split()),
                )
                self._pause(wait)
                wait = min(wait * 2, RECONNECT_LAST)
        return EXIT_STOPPED

    def _pause(self, seconds):
        select.select([self._waker], [], [], seconds)

    # === LOOP === #

    def _serve(self, listener):
        """Do passes over one connection.

        :return: exit code, or None to connect anew
        """
        waiting = False
        while not self._stopping:
            if listener.lead():
                break
            if not waiting:
                _logger.info("Another engine leads database %s; waiting", self._db_name)
                waiting = True
            self._pause(SWEEP_SECONDS)
        listener.listen()
        paused, prepared, next_sweep = False, False, 0.0
        while not self._stopping:
            begin = time.monotonic()
            state, changing = listener.modules()
            if changing:
                if not paused:
                    _logger.info("Modules are about to change; the engine pauses")
                paused = True
                self._pause(PASS_SECONDS)
                continue
            if state != "installed":
                _logger.error(
                    "The module acrel_meter_link is not installed in database %s.", self._db_name
                )
                return EXIT_SETTINGS
            if self._stale():
                _logger.info("Modules have changed; the engine begins anew")
                return EXIT_RESTART
            if not prepared:
                _logger.info("The engine leads database %s", self._db_name)
                self._attempt(lambda env: env["acrel.reading"]._cron_maintain(), "maintenance")
                prepared = True
            sweep = begin >= next_sweep
            self._pass(sweep)
            if sweep:
                self._roll_up()
                next_sweep = begin + SWEEP_SECONDS
            listener.wait(begin + PASS_SECONDS - time.monotonic(), heed=False)
            listener.wait(next_sweep - time.monotonic())
        return EXIT_STOPPED

    def _stale(self):
        """Whether the registry, and perhaps the code behind it, is another than at the start."""
        registry = Registry(self._db_name).check_signaling()
        if self._registry is None:
            self._registry = registry
        return registry is not self._registry

    def _pass(self, sweep):
        """Do one pass, a transaction a batch."""
        for work in WORK:
            pending = self._attempt(
                lambda env, work=work: env["acrel.engine"]._pending(work, sweep), work
            )
            for ids in pending or ():
                if self._stopping:
                    return
                self._attempt(
                    lambda env, work=work, ids=ids: env["acrel.engine"]._handle(work, ids), work
                )
        self._attempt(lambda env: env["acrel.engine"]._tick(), "tick")

    def _roll_up(self):
        """Roll readings up, a transaction a quarter hour, and leave the rest to the next sweep."""
        until = time.monotonic() + ROLL_UP_SECONDS
        while not self._stopping and time.monotonic() < until:
            if not self._attempt(lambda env: env["acrel.reading.quarter"]._roll_up(), "roll-up"):
                return

    # === TRANSACTIONS === #

    def _attempt(self, function, what):
        """Run a function of an environment in its own transaction, and go on without it.

        A failure is logged: marks stay where they are, so that the next sweep tries again.
        """
        try:
            return self._transaction(partial(function))
        except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY as error:
            _logger.warning("Pass %s gave way to other transactions: %s", what, error)
        except LOST:
            raise
        except Exception:
            _logger.exception("Pass %s failed; the next sweep tries again", what)
        return None

    def _transaction(self, function):
        """Run a function in a transaction, again when another one came between."""
        registry = self._registry
        for number in range(1, TRIES + 1):
            try:
                with registry.cursor() as cr:
                    result = function(api.Environment(cr, SUPERUSER_ID, {}))
                registry.signal_changes()
                return result
            except PG_CONCURRENCY_EXCEPTIONS_TO_RETRY:
                registry.reset_changes()
                if number == TRIES:
                    raise
                time.sleep(random.uniform(0, 0.05 * 2**number))
            except Exception:
                registry.reset_changes()
                raise
        raise AssertionError("unreachable")
