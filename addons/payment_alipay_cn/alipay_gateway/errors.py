"""What may go wrong at the gateway's side: a reason word, and the values its sentence needs."""


class GatewayError(Exception):
    """Base of this package's errors; `reason` names the sentence, `values` fill it in."""

    def __init__(self, reason, **values):
        super().__init__(reason)
        self.reason = reason
        self.values = values

    def __str__(self):
        told = ", ".join(f"{name}={value}" for name, value in sorted(self.values.items()))
        return f"{self.reason} ({told})" if told else self.reason


class KeyMaterialError(GatewayError):
    """A key or a certificate cannot be used; `reason` says why, never what was in it."""


class AnswerError(GatewayError):
    """An answer or a notification that must not be believed: not JSON, unsigned, wrongly signed."""


class Unreachable(GatewayError):
    """No answer came, at the first try nor at the second."""


class BillError(GatewayError):
    """A bill file that is not one of Alipay's, or a damaged one; `line` where it is known."""


class Refusal(GatewayError):
    """The gateway refuses: `code`, `sub_code`, `sub_msg`; `signed` by Alipay or not."""

    def __init__(self, code, sub_code="", sub_msg="", signed=True):
        super().__init__("refused", code=code, sub_code=sub_code, sub_msg=sub_msg)
        self.code = code
        self.sub_code = sub_code
        self.sub_msg = sub_msg
        self.signed = signed

    @property
    def is_momentary(self):
        """Whether the same request may succeed later: the gateway or its acquirer was unwell."""
        return self.code == "20000" or self.sub_code in {
            "ACQ.SYSTEM_ERROR",
            "aop.ACQ.SYSTEM_ERROR",
            "isp.unknow-error",
        }

    @property
    def is_final(self):
        """Whether Alipay looked at the business itself and said no, rather than at our request."""
        return self.signed and self.code == "40004" and not self.is_momentary

    @property
    def is_unknown_order(self):
        """Whether Alipay says, signed, that it never heard of the order."""
        return self.signed and self.sub_code == "ACQ.TRADE_NOT_EXIST"
