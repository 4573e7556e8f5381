"""The control API: what a test, a bench or the demo asks of the simulator, JSON in and out.

Everything lies under `/_control`. Money is an integer of fen, moments are seconds since the epoch.
An error is `{"error": "a sentence"}` with 400 (wrong values), 404 (not found) or 409 (the state
does not allow it).
"""

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from .book import NotFoundError, Notice, OrderState, Refund, RefundState
from .gateway import Gateway, StateError
from .messages import Answer, Request

PREFIX = "/_control/"

Values = dict[str, Any]
Handler = Callable[..., Any]
_ROUTES: list[tuple[str, re.Pattern[str], Handler]] = []


def answer(gateway: Gateway, request: Request) -> Answer:
    """Do what was asked."""
    path = request.path.removeprefix(PREFIX)
    try:
        values = request.params | _body(request)
        for method, pattern, handler in _ROUTES:
            found = pattern.fullmatch(path)
            if found and method == request.method:
                names = [unquote(name) for name in found.groups()]
                return Answer.json(handler(gateway, values, *names))
        special = gateway.extra_control(request, path, values)
        if special is not None:
            return Answer.json(special)
    except NotFoundError as error:
        return Answer.json({"error": str(error)}, 404)
    except StateError as error:
        return Answer.json({"error": str(error)}, 409)
    except KeyError as error:
        return Answer.json({"error": f"The value {error} is missing."}, 400)
    except (TypeError, ValueError) as error:
        return Answer.json({"error": str(error)}, 400)
    return Answer.json({"error": f"{request.method} {request.path} does nothing here."}, 404)


def _body(request: Request) -> Values:
    values = json.loads(request.body) if request.body else {}
    if not isinstance(values, dict):
        raise ValueError("The body must be a JSON object.")
    return values


def _route(method: str, pattern: str) -> Callable[[Handler], Handler]:
    def add(handler: Handler) -> Handler:
        _ROUTES.append((method, re.compile(pattern), handler))
        return handler

    return add


@_route("POST", "merchants")
def _register(gateway: Gateway, values: Values) -> Values:
    with gateway.book.changing():
        merchant = gateway.register(values)
        gateway.book.merchants[merchant.id] = merchant
        return gateway.merchant_view(merchant)


@_route("GET", "merchants/([^/]+)")
def _merchant(gateway: Gateway, values: Values, name: str) -> Values:
    return gateway.merchant_view(gateway.book.find_merchant(name))


@_route("POST", "merchants/([^/]+)/keys")
def _rotate(gateway: Gateway, values: Values, name: str) -> Values:
    with gateway.book.changing():
        merchant = gateway.book.find_merchant(name)
        gateway.rotate(merchant, values)
        return gateway.merchant_view(merchant)


@_route("GET", "orders")
def _orders(gateway: Gateway, values: Values) -> Values:
    with gateway.book.lock:
        views = [gateway.order_view(order) for order in gateway.book.orders.values()]
    merchant, state = values.get("merchant", ""), values.get("state", "")
    return {
        "orders": [
            view
            for view in views
            if merchant in ("", view["merchant"]) and state in ("", view["state"])
        ]
    }


@_route("GET", "orders/([^/]+)")
def _order(gateway: Gateway, values: Values, name: str) -> Values:
    return gateway.order_view(gateway.order(name, values.get("merchant", "")))


@_route("POST", "orders/([^/]+)/pay")
def _pay(gateway: Gateway, values: Values, name: str) -> Values:
    order = gateway.order(name, values.get("merchant", ""))
    amount = values.get("amount")
    if amount is not None and (type(amount) is not int or amount < 1):
        raise ValueError("The amount must be a whole number of fen above 0.")
    gateway.pay(order, amount, values.get("payer", ""), values.get("notify", True))
    return gateway.order_view(order)


@_route("POST", "orders/([^/]+)/close")
def _close(gateway: Gateway, values: Values, name: str) -> Values:
    order = gateway.order(name, values.get("merchant", ""))
    gateway.close(order)
    return gateway.order_view(order)


@_route("POST", "refunds/policy")
def _refund_policy(gateway: Gateway, values: Values) -> Values:
    gateway.refunds_by_themselves = bool(values["automatic"])
    return {"automatic": gateway.refunds_by_themselves}


@_route("GET", "refunds/([^/]+)")
def _refund(gateway: Gateway, values: Values, name: str) -> Values:
    return asdict(_refund_named(gateway, values, name))


@_route("POST", "refunds/([^/]+)/finish")
def _finish(gateway: Gateway, values: Values, name: str) -> Values:
    refund = _refund_named(gateway, values, name)
    state = RefundState(values.get("status", RefundState.SUCCESS))
    gateway.finish_refund(refund, state, values.get("notify", True))
    return asdict(refund)


@_route("GET", "notifications")
def _notifications(gateway: Gateway, values: Values) -> Values:
    return gateway.notifier.view(values.get("order", ""), values.get("refund", ""))


@_route("POST", "notifications/mode")
def _mode(gateway: Gateway, values: Values) -> Values:
    notifier = gateway.notifier
    if values.get("speed", 1.0) <= 0 or values.get("delay", 0) < 0 or values.get("repeat", 1) < 1:
        raise ValueError("The speed must be above 0, the delay not below 0, repeat 1 or more.")
    notifier.speed = values.get("speed", notifier.speed)
    notifier.delay = values.get("delay", notifier.delay)
    notifier.repeat = values.get("repeat", notifier.repeat)
    notifier.headers = values.get("headers", notifier.headers)
    notifier.set_mode(values.get("mode", notifier.mode))
    return {
        "mode": notifier.mode,
        "speed": notifier.speed,
        "delay": notifier.delay,
        "repeat": notifier.repeat,
    }


@_route("POST", "notifications/deliver")
def _deliver(gateway: Gateway, values: Values) -> Values:
    deliveries = gateway.notifier.deliver(
        _notices(gateway, values),
        _mutations(gateway, values),
        values.get("times", 1),
        values.get("connections", 1),
        values.get("headers"),
    )
    return {"deliveries": [asdict(delivery) for delivery in deliveries]}


@_route("POST", "notifications/make")
def _make(gateway: Gateway, values: Values) -> Values:
    mutations = _mutations(gateway, values)
    messages = [
        gateway.notification(notice, mutations)
        for _ in range(values.get("count", 1))
        for notice in _notices(gateway, values)
    ]
    return {
        "notifications": [
            {
                "url": message.url,
                "headers": message.headers,
                "body": message.body.decode("utf-8"),
            }
            for message in messages
        ]
    }


@_route("POST", "notifications/drop")
def _drop(gateway: Gateway, values: Values) -> Values:
    dropped = gateway.notifier.forget(values.get("order", ""), values.get("refund", ""))
    return {"dropped": dropped}


@_route("POST", "bills")
def _bill(gateway: Gateway, values: Values) -> Values:
    lines = values.get("lines", 0)
    if type(lines) is not int or lines < 0:
        raise ValueError("A bill has a whole number of lines, 0 or more.")
    day = datetime.strptime(values.get("day") or gateway.clock.today(), "%Y-%m-%d").date()
    merchant = gateway.book.find_merchant(values["merchant"])
    return gateway.fill_bill(merchant, day.isoformat(), lines)


@_route("POST", "faults")
def _add_fault(gateway: Gateway, values: Values) -> Values:
    known = ("path", "kind", "method", "times", "seconds", "values")
    fault = gateway.faults.add(**{name: values[name] for name in known if name in values})
    return {"id": fault.id}


@_route("GET", "faults")
def _faults(gateway: Gateway, values: Values) -> Values:
    return {"faults": gateway.faults.list()}


@_route("DELETE", "faults")
def _clear_faults(gateway: Gateway, values: Values) -> Values:
    gateway.faults.clear()
    return {"faults": []}


@_route("GET", "requests")
def _requests(gateway: Gateway, values: Values) -> Values:
    return {"requests": list(gateway.requests)}


@_route("POST", "requests/clear")
def _clear_requests(gateway: Gateway, values: Values) -> Values:
    gateway.requests.clear()
    return {"requests": []}


@_route("GET", "clock")
def _clock(gateway: Gateway, values: Values) -> Values:
    return {"offset_seconds": gateway.clock.offset, "now": gateway.clock.now()}


@_route("POST", "clock")
def _set_clock(gateway: Gateway, values: Values) -> Values:
    gateway.clock.offset = float(values["offset_seconds"])
    return _clock(gateway, values)


def _mutations(gateway: Gateway, values: Values) -> frozenset[str]:
    named = frozenset(values.get("mutations") or ())
    unknown = named - gateway.mutations
    if unknown:
        raise ValueError(
            f"There is no mutation {', '.join(sorted(unknown))}; "
            f"there are {', '.join(sorted(gateway.mutations))}."
        )
    return named


def _notices(gateway: Gateway, values: Values) -> list[Notice]:
    """Find the notices meant; make one where an order or a refund has none that waits."""
    if "ids" in values:
        with gateway.book.lock:
            known = gateway.book.notices
            missing = [id_ for id_ in values["ids"] if id_ not in known]
            if missing:
                raise NotFoundError(f"No notice waits with the id {', '.join(missing)}.")
            return [known[id_] for id_ in values["ids"]]
    merchant = values.get("merchant", "")
    if "refund" in values:
        refund = _refund_named(gateway, values, values["refund"])
        if refund.state is RefundState.PROCESSING:
            raise StateError(f"Refund {refund.number} is processing: nothing is told of it yet.")
        waiting = gateway.notifier.pending(refund=refund.number)
        whose = (refund.merchant, refund.order)
        own = [one for one in waiting if (one.merchant, one.order) == whose]
        order = gateway.order(refund.order, refund.merchant)
        return own[:1] or [gateway.notifier.notice("refund", order, refund)]
    names = values["orders"] if "orders" in values else [values["order"]]
    return [_payment_notice(gateway, name, merchant) for name in names]


def _refund_named(gateway: Gateway, values: Values, number: str) -> Refund:
    return gateway.book.find_refund(number, values.get("merchant", ""), values.get("order", ""))


def _payment_notice(gateway: Gateway, name: str, merchant: str) -> Notice:
    order = gateway.order(name, merchant)
    if order.state is not OrderState.PAID:
        raise StateError(f"Order {order.number} is {order.state}: there is nothing to tell of it.")
    for notice in gateway.notifier.pending(order=order.number):
        if notice.merchant == order.merchant and not notice.refund:
            return notice
    return gateway.notifier.notice("payment", order)
