"""Faults that were asked for: what goes wrong with which request, and how often."""

import fnmatch
import itertools
import threading
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from .messages import Answer, Request

if TYPE_CHECKING:
    from .gateway import Gateway

TRANSPORT = {
    "delay",
    "delay_after",
    "hang",
    "drop",
    "drop_after",
    "status500",
    "status500_after",
    "not_json",
    "not_json_after",
}
"""Kinds that the server makes by itself, whatever the gateway."""
ANSWERS = {
    "error",
    "other_key",
    "forged",
    "missing_signature",
    "unknown_serial",
    "old_timestamp",
    "wrong_amount",
    "wrong_currency",
    "wrong_merchant",
    "wrong_app",
    "wrong_order",
    "changed_body",
}
"""Kinds that a gateway makes where it builds and signs its answer."""
LONGEST_HANG = 60.0


@dataclass
class Fault:
    """One fault; `left` counts down, None lasts until it is cleared."""

    id: int
    path: str
    kind: str
    method: str = ""
    left: int | None = 1
    seconds: float | None = None
    values: dict[str, Any] = field(default_factory=dict)

    def meets(self, method: str, place: str) -> bool:
        """Tell whether such a request is to go wrong."""
        if self.method and self.method != method:
            return False
        if "*" in self.path:
            return fnmatch.fnmatchcase(place, self.path)
        return place.startswith(self.path)


class Faults:
    """The faults asked for, first come first served."""

    def __init__(self, own: frozenset[str] = frozenset()):
        self._known = TRANSPORT | ANSWERS | own
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._faults: list[Fault] = []

    def add(
        self,
        path: str,
        kind: str,
        method: str = "",
        times: int | None = 1,
        seconds: float | None = None,
        values: dict[str, Any] | None = None,
    ) -> Fault:
        """Ask for a fault in requests whose path begins so, or fits where it has a `*`."""
        if kind not in self._known:
            known = ", ".join(sorted(self._known))
            raise ValueError(f"There is no fault {kind!r}; there are {known}.")
        with self._lock:
            fault = Fault(next(self._ids), path, kind, method.upper(), times, seconds, values or {})
            self._faults.append(fault)
        return fault

    def take(self, method: str, place: str) -> Fault | None:
        """Use up one time of the first fault that meets such a request."""
        with self._lock:
            for fault in self._faults:
                if fault.left != 0 and fault.meets(method, place):
                    if fault.left is not None:
                        fault.left -= 1
                    return fault
        return None

    def list(self) -> list[dict[str, Any]]:
        """Show all that were asked for, used up or not."""
        with self._lock:
            return [asdict(fault) for fault in self._faults]

    def clear(self) -> None:
        """Let everything go well again."""
        with self._lock:
            self._faults.clear()


def answer(gateway: "Gateway", request: Request) -> Answer | None:
    """Let the gateway answer, with the fault that the request met; None: hang up instead."""
    fault = gateway.faults.take(request.method, gateway.place_of(request))
    kind = fault.kind if fault else ""
    if kind == "drop":
        return None
    if kind == "hang":
        gateway.stopping.wait(LONGEST_HANG if fault.seconds is None else fault.seconds)
        return None
    if kind == "delay":
        gateway.stopping.wait(1.0 if fault.seconds is None else fault.seconds)
    if kind in ("status500", "not_json"):
        return _page_of_a_proxy(kind)
    if kind not in TRANSPORT:
        request.fault = fault
    given = gateway.answer(request)
    if not kind.endswith("_after"):
        return given
    if given.then:
        given.then()
        given.then = None
    if kind == "delay_after":
        gateway.stopping.wait(1.0 if fault.seconds is None else fault.seconds)
        return given
    return None if kind == "drop_after" else _page_of_a_proxy(kind.removesuffix("_after"))


def _page_of_a_proxy(kind: str) -> Answer:
    status, title = (500, "500 Internal Server Error") if kind == "status500" else (200, "Welcome")
    return Answer.page(
        f"<html><head><title>{title}</title></head><body>{title}</body></html>", status
    )
