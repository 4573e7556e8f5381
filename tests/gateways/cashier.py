"""The pages on which a person pays, in place of the wallet's app."""

from html import escape
from urllib.parse import parse_qs, unquote

from .book import NotFoundError, Order, OrderState
from .clock import beijing
from .gateway import Gateway, StateError
from .messages import Answer, Request

PREFIX = "/cashier"

TEXTS = {
    "en": {
        "orders": "Orders to be paid",
        "none": "There is no order to be paid.",
        "pay": "Pay",
        "decline": "Do not pay",
        "payee": "To",
        "number": "Order",
        "until": "Pay until",
        "simulator": "Simulator: no money moves.",
        "open": "To be paid",
        "paid": "Paid",
        "closed": "This order is closed and can no longer be paid.",
        "declined": "Nothing was paid.",
        "back": "Back to the orders",
        "unknown": "There is no such order.",
        "stale": "This payment link has run out. Start the payment again.",
    },
    "zh": {
        "orders": "待支付订单",
        "none": "没有待支付的订单。",
        "pay": "支付",
        "decline": "不支付",
        "payee": "收款方",
        "number": "订单号",
        "until": "支付截止",
        "simulator": "模拟器：不会发生真实资金交易。",
        "open": "待支付",
        "paid": "支付成功",
        "closed": "订单已关闭，无法支付。",
        "declined": "未支付。",
        "back": "返回订单列表",
        "unknown": "订单不存在。",
        "stale": "支付链接已过期，请重新发起支付。",
    },
}

_STYLE = """
*{box-sizing:border-box}
body{margin:0;background:#f2f3f5;color:#1f2329;font:16px/1.5 system-ui,"PingFang SC",sans-serif}
main{max-width:26rem;margin:0 auto;padding:1.5rem 1rem}
.card{background:#fff;border-radius:.75rem;padding:1.5rem 1.25rem;margin-bottom:1rem}
h1{font-size:1.05rem;margin:0 0 1rem;font-weight:600}
.amount{font-size:2.5rem;font-weight:600;text-align:center;margin:.5rem 0 1rem}
dl{display:grid;grid-template-columns:auto 1fr;gap:.4rem 1rem;margin:0}
dt{color:#646a73}dd{margin:0;text-align:right;overflow-wrap:anywhere}
button,.button{display:block;width:100%;padding:.8rem;border:0;border-radius:.5rem;
font:inherit;font-weight:600;text-align:center;text-decoration:none;cursor:pointer;margin-top:.75rem}
button[name=pay]{background:var(--brand);color:#fff}
button[name=decline],.button{background:#e8eaed;color:#1f2329}
button:focus-visible,a:focus-visible{outline:3px solid #1f2329;outline-offset:2px}
.note{color:#646a73;font-size:.875rem;text-align:center}
a.order{display:flex;justify-content:space-between;gap:1rem;color:inherit;text-decoration:none}
"""
BRANDS = {"wechatpay": "#07823f", "alipay": "#0b5ed7"}


def answer(gateway: Gateway, request: Request) -> Answer:
    """Show the orders, one order, or what became of it."""
    language = language_of(request)
    name = unquote(request.path.removeprefix(PREFIX).strip("/"))
    if not name:
        return Answer.page(_list(gateway, language))
    try:
        order = gateway.order(name)
    except NotFoundError:
        return message(gateway, language, "unknown", 404)
    if request.method == "POST":
        return _press(gateway, request, order, language)
    return show(gateway, order, language)


def show(gateway: Gateway, order: Order, language: str) -> Answer:
    """Show one order."""
    if order.state is OrderState.OPEN:
        with gateway.book.changing():
            gateway.opened(order)
    return Answer.page(_page(gateway, language, _order(gateway, order, language)))


def message(gateway: Gateway, language: str, what: str, status: int = 200) -> Answer:
    """Say one sentence to the person."""
    return Answer.page(_page(gateway, language, _say(language, what)), status)


def _press(gateway: Gateway, request: Request, order: Order, language: str) -> Answer:
    pressed = parse_qs(request.body.decode("utf-8"), keep_blank_values=True)
    if "pay" in pressed:
        try:
            gateway.pay(order)
        except StateError:
            return show(gateway, order, language)
    address = gateway.return_address(order)
    if address:
        return Answer.redirect(address)
    if order.state is OrderState.OPEN:
        return message(gateway, language, "declined")
    return show(gateway, order, language)


def language_of(request: Request) -> str:
    """Choose the language of a page: what `lang` says, else what the browser prefers."""
    asked = request.params.get("lang") or request.headers.get("Accept-Language", "")
    return "zh" if asked.strip().lower().startswith("zh") else "en"


def yuan(fen: int) -> str:
    """Write fen as yuan."""
    return f"{fen // 100}.{fen % 100:02d}"


def _list(gateway: Gateway, language: str) -> str:
    text = TEXTS[language]
    with gateway.book.lock:
        for order in gateway.book.orders.values():
            gateway.expire(order)
        orders = [o for o in gateway.book.orders.values() if o.state is OrderState.OPEN]
    orders.sort(key=lambda order: -order.created)
    cards = "".join(
        f'<p class="card"><a class="order" href="{PREFIX}/{escape(order.token)}?lang={language}">'
        f"<span>{escape(order.subject)}</span><strong>¥{yuan(order.amount)}</strong></a></p>"
        for order in orders
    )
    none = f'<p class="note">{text["none"]}</p>'
    return _page(gateway, language, f"<h1>{text['orders']}</h1>{cards or none}")


def _order(gateway: Gateway, order: Order, language: str) -> str:
    text = TEXTS[language]
    payee = gateway.book.find_merchant(order.merchant).name
    until = beijing(order.expires).strftime("%Y-%m-%d %H:%M")
    lines = [(text["payee"], payee), (text["number"], order.number)]
    buttons = ""
    if order.state is OrderState.OPEN:
        lines.append((text["until"], until))
        buttons = (
            f'<form method="post" action="{PREFIX}/{escape(order.token)}?lang={language}">'
            f'<button name="pay" value="1">{text["pay"]} ¥{yuan(order.amount)}</button>'
            f'<button name="decline" value="1">{text["decline"]}</button></form>'
        )
    else:
        buttons = f'<a class="button" href="{PREFIX}?lang={language}">{text["back"]}</a>'
    details = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in lines)
    return (
        f'<section class="card"><h1>{escape(order.subject)}</h1>'
        f'<p class="amount" data-amount="{yuan(order.amount)}">¥{yuan(order.amount)}</p>'
        f'<p class="note" data-state="{order.state}">{text[order.state]}</p>'
        f"<dl>{details}</dl>{buttons}</section>"
    )


def _say(language: str, what: str) -> str:
    text = TEXTS[language]
    return (
        f'<section class="card"><p>{text[what]}</p>'
        f'<a class="button" href="{PREFIX}?lang={language}">{text["back"]}</a></section>'
    )


def _page(gateway: Gateway, language: str, content: str) -> str:
    brand = BRANDS.get(gateway.name, "#1f2329")
    return (
        f'<!doctype html><html lang="{"zh-CN" if language == "zh" else "en"}"><head>'
        '<meta charset="utf-8"><link rel="icon" href="data:,">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{gateway.title}</title><style>:root{{--brand:{brand}}}{_STYLE}</style></head>"
        f'<body><main>{content}<p class="note">{gateway.title} · '
        f"{TEXTS[language]['simulator']}</p></main></body></html>"
    )
