"""Bill files as alipay.data.dataservice.bill.downloadurl.query leads to them.

A ZIP of two CSV files in GBK, the lines and their summary; `#` begins what is no table; a tab
ends most fields, so that a spreadsheet keeps long numbers; refunds are negative.
"""

import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass

from .values import beijing, stamp, yuan

TRADE_COLUMNS = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,"
    "对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,"
    "商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,"
    "退款批次号/请求号,服务费（元）,分润（元）,备注"
)
TRADE_TOTAL_COLUMNS = (
    "门店编号,门店名称,交易订单总笔数,退款订单总笔数,订单金额（元）,商家实收（元）,支付宝优惠（元）,"
    "商家优惠（元）,卡消费金额（元）,服务费（元）,分润（元）,实收净额（元）"
)
FUND_COLUMNS = (
    "账务流水号,业务流水号,商户订单号,商品名称,发生时间,对方账号,收入金额（+元）,支出金额（-元）,"
    "账户余额（元）,交易渠道,业务类型,备注"
)
FUND_TOTAL_COLUMNS = "类型,收入笔数,收入金额（+元）,支出笔数,支出金额（-元）,总金额（元）"
LINE = "-" * 41


@dataclass(frozen=True)
class Entry:
    """A payment or a refund on a bill; amounts in fen, a refund's below zero."""

    trade_no: str
    out_trade_no: str
    subject: str
    created: float
    finished: float
    buyer: str
    amount: int
    fee: int
    out_request_no: str = ""

    @property
    def is_refund(self) -> bool:
        """Tell a refund from a payment."""
        return self.amount < 0


@dataclass(frozen=True)
class Period:
    """Whose bill it is, and from when until when (the end is no part of it)."""

    account: str  # seller_id and 0156
    begins: float
    ends: float
    written: float

    def head(self, title: str) -> str:
        """Write the first three lines."""
        first, last = (
            beijing(time).strftime("%Y年%m月%d日 %H:%M:%S") for time in (self.begins, self.ends)
        )
        return (
            f"#{title}\r\n#账号：[{self.account}]\r\n#起始日期：[{first}]   终止日期：[{last}]\r\n"
        )

    def tail(self) -> str:
        """Write the last line."""
        return f"#导出时间：[{beijing(self.written).strftime('%Y年%m月%d日 %H:%M:%S')}]\r\n"


def _cell(text: str) -> str:
    if any(mark in text for mark in ',"\r\n'):
        text = '"' + text.replace('"', '""') + '"'
    return f"{text}\t"


def _table(title: str, columns: str, rows: Iterable[str]) -> str:
    return "".join(
        (
            f"#{LINE}{title}{LINE[:-1]}\r\n",
            f"{columns}\r\n",
            *(f"{row}\r\n" for row in rows),
            f"#{LINE}{title}结束{LINE[:-5]}\r\n",
        )
    )


def trade_bill(period: Period, entries: list[Entry]) -> dict[str, str]:
    """Write 业务明细 and its summary; the file's ending by name -> text."""
    rows = (
        f"{entry.trade_no}\t,{entry.out_trade_no}\t,{'退款' if entry.is_refund else '交易'}\t,"
        f"{_cell(entry.subject)},{stamp(entry.created)},{stamp(entry.finished)},\t,\t,\t,\t,"
        f"{entry.buyer}\t,{yuan(entry.amount)},{yuan(entry.amount)},0.00,0.00,0.00,0.00,0.00,"
        f",0.00\t,0.00,{entry.out_request_no}\t,{yuan(-entry.fee)},0.00,"
        for entry in entries
    )
    paid = [entry.amount for entry in entries if not entry.is_refund]
    refunded = [entry.amount for entry in entries if entry.is_refund]
    fees = sum(entry.fee for entry in entries)
    total = sum(paid) + sum(refunded)
    lines = (
        period.head("支付宝业务明细查询")
        + _table("业务明细列表", TRADE_COLUMNS, rows)
        + f"#交易合计：{len(paid)}笔，商家实收共{yuan(sum(paid))}元，商家优惠共0.00元\r\n"
        + f"#退款合计：{len(refunded)}笔，商家实收退款共{yuan(sum(refunded))}元，"
        + "商家优惠退款共0.00元\r\n"
        + period.tail()
    )
    sums = (
        f"{len(paid)},{len(refunded)},{yuan(total)},{yuan(total)},0.00,0.00,0.00,"
        f"{yuan(-fees)},0.00,{yuan(total - fees)}"
    )
    summary = (
        period.head("支付宝业务汇总查询")
        + _table("业务汇总列表", TRADE_TOTAL_COLUMNS, [f"\t,其他\t,{sums}", f"合计\t,\t,{sums}"])
        + period.tail()
    )
    return {"业务明细": lines, "业务明细(汇总)": summary}


def fund_bill(period: Period, entries: list[Entry], balance: int = 0) -> dict[str, str]:
    """Write 账务明细 and its summary: what each payment, refund and fee did to the balance."""
    rows, incomes, expenses = [], [], []
    for number, entry in enumerate(entries):
        moves = [(entry.amount, "在线支付" if entry.amount > 0 else "交易退款")]
        if entry.fee:
            moves.append((-entry.fee, "收费" if entry.fee > 0 else "退费"))
        for part, (amount, kind) in enumerate(moves):
            balance += amount
            (incomes if amount > 0 else expenses).append(amount)
            rows.append(
                f"{beijing(entry.finished):%Y%m%d}{number:011d}{part}\t,{entry.trade_no}\t,"
                f"{entry.out_trade_no}\t,{_cell(entry.subject)},{stamp(entry.finished)},"
                f"{entry.buyer}\t,{yuan(max(amount, 0))},{yuan(min(amount, 0))},{yuan(balance)},"
                f"支付宝,{kind},{entry.out_request_no}\t"
            )
    lines = (
        period.head("支付宝账务明细查询")
        + _table("账务明细列表", FUND_COLUMNS, rows)
        + f"#支出合计：{len(expenses)}笔，共{yuan(sum(expenses))}元\r\n"
        + f"#收入合计：{len(incomes)}笔，共{yuan(sum(incomes))}元\r\n"
        + period.tail()
    )
    sums = (
        f"{len(incomes)},{yuan(sum(incomes))},{len(expenses)},{yuan(sum(expenses))},"
        f"{yuan(sum(incomes) + sum(expenses))}"
    )
    summary = (
        period.head("支付宝账务汇总查询")
        + _table("账务汇总列表", FUND_TOTAL_COLUMNS, [f"合计,{sums}"])
        + period.tail()
    )
    return {"账务明细": lines, "账务明细(汇总)": summary}


def archive(prefix: str, files: dict[str, str]) -> bytes:
    """Pack the files as `prefix_ending.csv`; names and texts in GBK, with no UTF-8 flag set."""
    packed = io.BytesIO()
    names = {}
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bundle:
        for number, (ending, text) in enumerate(files.items()):
            name = f"{prefix}_{ending}.csv".encode("gbk")
            # zipfile writes names in ASCII or UTF-8 only: one of the same length stands in
            stand_in = f"{number}".ljust(len(name), "~")
            names[stand_in.encode()] = name
            bundle.writestr(stand_in, text.encode("gbk", "replace"))
    content = packed.getvalue()
    for stand_in, name in names.items():
        content = content.replace(stand_in, name)
    return content
