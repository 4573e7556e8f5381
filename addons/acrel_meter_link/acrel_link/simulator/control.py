"""A local socket through which a simulator in another process is observed and disturbed.

One JSON object a line in, one out: `{"do": "fault", "serial": "99000000000001", "name": "vanish",
"value": 5}` is answered by `{"ok": true, "result": null}`, or by `{"ok": false, "error": "…"}`.
"""

import asyncio
import json

from .faults import FaultError
from .fleet import Fleet, FleetError

MAX_LINE = 1 << 16
_ARGUMENTS = {
    # do: (required, optional) arguments of the fleet's method of that name
    "serials": ((), ()),
    "totals": ((), ()),
    "acknowledgement_times": ((), ()),
    "state": (("serial",), ()),
    "set_load": (("serial", "watts"), ()),
    "plug": (("serial",), ("plugged",)),
    "show": (("serial", "register", "value"), ()),
    "fault": (("serial", "name"), ("value",)),
    "clear": (("serial",), ("name",)),
    "upload": (("serial",), ()),
    "pause": (("serial",), ("paused",)),
}


class ControlError(Exception):
    """A line that is no command."""


def carry_out(fleet: Fleet, line: bytes) -> dict:
    """Return the answer to one line."""
    try:
        command = json.loads(line)
        if not isinstance(command, dict) or command.get("do") not in _ARGUMENTS:
            raise ControlError(f'"do" must be one of {", ".join(_ARGUMENTS)}.')
        required, optional = _ARGUMENTS[command["do"]]
        arguments = {name: value for name, value in command.items() if name != "do"}
        missing = set(required) - set(arguments)
        unknown = set(arguments) - {*required, *optional}
        if missing or unknown:
            raise ControlError(
                f"{command['do']} takes {', '.join((*required, *optional)) or 'nothing'};"
                f" missing: {', '.join(sorted(missing)) or 'none'},"
                f" unknown: {', '.join(sorted(unknown)) or 'none'}."
            )
        result = getattr(fleet, command["do"])(**arguments)
    except (ControlError, FleetError, FaultError) as error:
        return {"ok": False, "error": str(error)}
    except ValueError as error:
        return {"ok": False, "error": f"The line is no JSON: {error}."}
    return {"ok": True, "result": result}


async def serve_control(fleet: Fleet, port: int) -> asyncio.Server:
    """Listen on 127.0.0.1 for commands to a fleet."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(carry_out(fleet, line)).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError) as error:
            # gone, or a line beyond MAX_LINE, which readline refuses
            if isinstance(error, ValueError):
                writer.write(b'{"ok": false, "error": "The line is too long."}\n')
        finally:
            writer.close()

    return await asyncio.start_server(talk, "127.0.0.1", port, limit=MAX_LINE)
