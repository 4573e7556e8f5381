"""Run Alipay's simulator as a process of its own."""

import sys

from ..process import run
from .gateway import AlipayGateway

sys.exit(run(AlipayGateway))
