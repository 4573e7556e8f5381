"""What WeChat Pay answers when it refuses: status, code and message as its documents list them."""

from typing import Any

from ..messages import Answer


class RefusalError(Exception):
    """A request that is refused; `detail` says which field was wrong and how."""

    def __init__(self, status: int, code: str, message: str, detail: dict[str, Any] | None = None):
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.detail = detail

    def answer(self) -> Answer:
        """Write the refusal down."""
        document: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.detail:
            document["detail"] = self.detail
        return Answer.json(document, self.status)


def wrong_field(field: str, value: Any, issue: str, location: str = "body") -> RefusalError:
    """Refuse a value that breaks a field's rule."""
    detail = {"field": f"/{field}", "value": value, "issue": issue, "location": location}
    return RefusalError(400, "PARAM_ERROR", f"参数错误：{field} {issue}", detail)


def against_the_rules(message: str) -> RefusalError:
    """Refuse what is well formed but not allowed."""
    return RefusalError(400, "INVALID_REQUEST", message)


def wrong_signature(message: str, detail: dict[str, Any] | None = None) -> RefusalError:
    """Refuse a request whose sender is not proven."""
    return RefusalError(401, "SIGN_ERROR", message, detail)


def no_such_order() -> RefusalError:
    """Refuse a question about an order that nobody made."""
    return RefusalError(404, "ORDER_NOT_EXIST", "订单不存在")


def no_such_resource(message: str) -> RefusalError:
    """Refuse a refund or its query for lack of what it is about."""
    return RefusalError(404, "RESOURCE_NOT_EXISTS", message)
