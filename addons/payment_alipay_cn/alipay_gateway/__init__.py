"""Alipay's open platform without Odoo: keys, signed requests, checked answers, bill files."""

from .bills import FundRow, TradeRow, read_bill
from .client import AlipayClient, check_credentials, verifier
from .errors import (
    AnswerError,
    BillError,
    GatewayError,
    KeyMaterialError,
    Refusal,
    Unreachable,
)
from .keys import Credentials
from .money import fen, yuan
from .times import BEIJING, beijing_text, utc_from_beijing
