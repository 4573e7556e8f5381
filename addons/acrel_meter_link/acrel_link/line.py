"""What every way to meters has in common: the units behind a link, and the proof of owning it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .context import Context
from .master import LinkSpec
from .unit import Unit

if TYPE_CHECKING:
    from .server import Server


def units_of(line, link: LinkSpec, server: Server, context: Context) -> dict[int, Unit]:
    """Return the meters behind a link by slave address, on this line."""
    return {
        spec.slave: Unit(
            line, spec, [server.output(spec.id, output) for output in spec.outputs], context
        )
        for spec in link.meters
    }


async def owns(line, context: Context) -> bool:
    """Ask the database whether this line still owns its link."""
    rows = await context.control.fetch(
        "SELECT epoch FROM acrel_link_live WHERE link_id = %s", [line.link.id]
    )
    return not rows or line.epoch is None or rows[0][0] == line.epoch
