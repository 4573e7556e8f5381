"""WeChat Pay, API v3, as its documents tell it (pay.weixin.qq.com/doc/v3/merchant)."""
