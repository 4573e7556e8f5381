"""Run a simulator in the foreground until it is told to stop."""

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Sequence

from .control import serve_control
from .fleet import Fleet
from .options import Options, OptionsError, parse

log = logging.getLogger(__name__)

WRONG_OPTIONS = 2
COLLECT_AFTER = 50_000  # more objects than frames under way hold; reference counts free the rest


async def simulate(options: Options) -> None:
    """Run meters until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    fleet = Fleet(options)
    server = None
    if options.control is not None:
        server = await serve_control(fleet, options.control)
        log.info("Commands are taken on 127.0.0.1:%d", server.sockets[0].getsockname()[1])
    serials = fleet.serials()
    does, where = ("call", options.connect) if options.modbus is None else ("are", options.modbus)
    log.info("%d meters, %s to %s, %s %s:%d", len(serials), serials[0], serials[-1], does, *where)
    async with fleet:
        # the meters stay: a sixth of the work on uploads was looking through them for garbage
        gc.freeze()
        gc.set_threshold(COLLECT_AFTER)
        await stop.wait()
    if server is not None:
        server.close()
    log.info("Stopped")


def main(arguments: Sequence[str], prog: str) -> int:
    """Run a simulator as its arguments say; return the exit code."""
    try:
        options = parse(arguments, prog)
    except OptionsError as error:
        print(error, file=sys.stderr)
        return WRONG_OPTIONS
    try:
        import uvloop
    except ImportError:
        factory = None
    else:
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        try:
            runner.run(simulate(options))
        except OptionsError as error:
            print(error, file=sys.stderr)
            return WRONG_OPTIONS
        except OSError as error:
            print(f"A port or the state file cannot be used: {error}.", file=sys.stderr)
            return WRONG_OPTIONS
    return 0
