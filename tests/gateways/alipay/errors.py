"""The gateway's refusals (opendocs 02km9f 公共错误码, and each method's own list)."""

MESSAGES = {
    "10000": "Success",
    "20000": "Service Currently Unavailable",
    "20001": "Insufficient Token Permissions",
    "40001": "Missing Required Arguments",
    "40002": "Invalid Arguments",
    "40003": "Insufficient Conditions",
    "40004": "Business Failed",
    "40006": "Insufficient Permissions",
}
OF_THE_GATEWAY = {
    "aop.unknow-error": ("20000", "系统繁忙"),
    "isp.unknow-error": ("20000", "系统繁忙"),
    "isv.missing-method": ("40001", "缺少方法名参数"),
    "isv.missing-signature": ("40001", "缺少签名参数"),
    "isv.missing-signature-type": ("40001", "缺少签名类型参数"),
    "isv.missing-app-id": ("40001", "缺少AppID参数"),
    "isv.missing-timestamp": ("40001", "缺少时间戳参数"),
    "isv.missing-version": ("40001", "缺少版本参数"),
    "isv.missing-app-cert-sn": ("40001", "缺少应用公钥证书序列号"),
    "isv.missing-root-cert-sn": ("40001", "缺少支付宝根证书序列号"),
    "isv.invalid-parameter": ("40002", "参数无效"),
    "isv.invalid-method": ("40002", "不存在的方法名"),
    "isv.invalid-format": ("40002", "无效的数据格式"),
    "isv.invalid-signature-type": ("40002", "无效的签名类型"),
    "isv.invalid-signature": (
        "40002",
        "验签出错，建议检查签名字符串或签名私钥与应用公钥是否匹配",
    ),
    "isv.invalid-app-id": ("40002", "无效的AppID参数"),
    "isv.invalid-timestamp": ("40002", "非法的时间戳参数"),
    "isv.invalid-charset": ("40002", "字符集错误"),
    "isv.illegal-json": ("40002", "biz_content不是合法的JSON"),
    "isv.invalid-app-cert-sn": ("40002", "应用公钥证书序列号与平台记录不一致"),
    "isv.invalid-root-cert-sn": ("40002", "支付宝根证书序列号无效"),
    "isv.app-cert-expired": ("40002", "应用公钥证书已经不在有效期内"),
    "isv.code-invalid": ("40002", "授权码code无效"),
    "isv.grant-type-invalid": ("40002", "grant_type参数不正确"),
    "isv.insufficient-isv-permissions": ("40006", "ISV权限不足"),
}
OF_BUSINESS = {
    "ACQ.INVALID_PARAMETER": "参数无效",
    "ACQ.SYSTEM_ERROR": "系统错误",
    "ACQ.TRADE_NOT_EXIST": "交易不存在",
    "ACQ.TRADE_HAS_SUCCESS": "交易已被支付",
    "ACQ.TRADE_HAS_CLOSE": "交易已经关闭",
    "ACQ.TRADE_HAS_FINISHED": "交易已完结",
    "ACQ.TRADE_STATUS_ERROR": "交易状态不合法",
    "ACQ.CONTEXT_INCONSISTENT": "交易信息被篡改",
    "ACQ.TOTAL_FEE_EXCEED": "订单总金额超过限额",
    "ACQ.BUYER_SELLER_EQUAL": "买卖家不能相同",
    "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL": "撤销或退款金额与订单金额不一致",
    "ACQ.REASON_TRADE_REFUND_FEE_ERR": "退款金额无效",
    "ACQ.DISCORDANT_REPEAT_REQUEST": "不一致的请求",
    "ACQ.TRADE_NOT_ALLOW_REFUND": "当前交易不允许退款",
    "ACQ.REFUND_ACCOUNT_NOT_EXIST": "退款出资账号不存在或账号异常",
    "ACQ.SELLER_BALANCE_NOT_ENOUGH": "商户的支付宝账户中无足够的资金进行撤销",
    "isp.bill_not_exist": "账单不存在",
    "isv.invalid_arguments": "入参不合法",
}


class Refusal(Exception):
    """A request that the gateway refuses, as its answer says it."""

    def __init__(self, sub_code: str, detail: str = "", **fields: str):
        if sub_code in OF_THE_GATEWAY:
            self.code, text = OF_THE_GATEWAY[sub_code]
        else:
            self.code, text = "40004", OF_BUSINESS[sub_code]
        self.sub_code = sub_code
        self.sub_msg = f"{text}：{detail}" if detail else text
        self.fields = fields
        super().__init__(f"{self.code} {sub_code}: {self.sub_msg}")

    def node(self) -> dict[str, str]:
        """Give the answer's node."""
        return {
            "code": self.code,
            "msg": MESSAGES[self.code],
            "sub_code": self.sub_code,
            "sub_msg": self.sub_msg,
            **self.fields,
        }
