"""What goes over the wire."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message as Headers
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from .faults import Fault


@dataclass
class Request:
    """One request as it came; `target`, its path and query, is still percent-encoded."""

    method: str
    target: str
    headers: Headers
    body: bytes
    fault: "Fault | None" = None

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The target's query."""
        return self.target.partition("?")[2]

    @property
    def params(self) -> dict[str, str]:
        """The query's parameters."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    def wants(self, kind: str) -> bool:
        """Tell whether the answer is to be wrong in that way."""
        return self.fault is not None and self.fault.kind == kind


@dataclass
class Answer:
    """One answer; `then` is done after it was sent."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    then: Callable[[], None] | None = None

    @classmethod
    def json(cls, data: Any, status: int = 200) -> "Answer":
        """Answer with a JSON document."""
        body = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
        return cls(status, body, {"Content-Type": "application/json; charset=utf-8"})

    @classmethod
    def page(cls, html: str, status: int = 200) -> "Answer":
        """Answer with a page for a person."""
        return cls(status, html.encode("utf-8"), {"Content-Type": "text/html; charset=utf-8"})

    @classmethod
    def redirect(cls, url: str) -> "Answer":
        """Lead a browser elsewhere, by GET."""
        return cls(303, b"", {"Location": url})


@dataclass
class Message:
    """A notification ready to be sent, by POST."""

    url: str
    headers: dict[str, str]
    body: bytes
