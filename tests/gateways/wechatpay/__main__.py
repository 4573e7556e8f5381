"""Run WeChat Pay on loopback; see --help."""

import sys

from ..process import run
from .gateway import WeChatPay

sys.exit(run(WeChatPay))
