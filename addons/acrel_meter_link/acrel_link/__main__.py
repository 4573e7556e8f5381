"""``python -m acrel_link``: the link process; wrong settings are one sentence and exit code 2."""

import asyncio
import os
import sys

import uvloop

from . import logs
from .database import SchemaChangedError
from .process import run
from .settings import SettingsError, read_settings

EXIT_RESTART = 75
"""Exit code that asks for a new process at once; Python does not reload changed code."""


def main() -> int:
    """Read the settings, run, and return the exit code."""
    try:
        settings = read_settings(sys.argv[1:], os.environ)
        logs.start(settings.log_level, settings.log_format)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run(settings))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except SchemaChangedError as error:
        print(error, file=sys.stderr)
        return EXIT_RESTART
    return 0


if __name__ == "__main__":
    sys.exit(main())
