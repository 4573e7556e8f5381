"""What a person can put right is said in one sentence, and the command ends with exit code 2."""

import sys
from collections.abc import Callable


class Refused(Exception):
    """Something cannot be had or is set wrong; the message says what, where and what to do."""


def exit_code(main: Callable[[], int]) -> int:
    """Run a command's main function; turn a refusal into its sentence and exit code 2."""
    try:
        return main()
    except Refused as refusal:
        print(f"\n{refusal}", file=sys.stderr, flush=True)
        return 2
    except PermissionError as error:
        print(
            f"\n{error.filename} may not be used by this user; where another user made .local/, "
            "start as that user, or remove the folder.",
            file=sys.stderr,
            flush=True,
        )
        return 2
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr, flush=True)
        return 130
