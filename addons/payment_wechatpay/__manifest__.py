{
    "name": "Payment Provider: WeChat Pay",
    "summary": "WeChat Pay API v3: QR code, phone browser, JSAPI, mini program, refunds, bills",
    "version": "19.0.1.0.0",
    "category": "Accounting/Payment Providers",
    "sequence": 350,
    "author": "Acrel Charging contributors",
    "license": "LGPL-3",
    "depends": ["payment"],
    "data": [
        "views/payment_wechatpay_templates.xml",
        "views/payment_provider_views.xml",
        "data/payment_provider_data.xml",
        "data/ir_cron_data.xml",
    ],
    "assets": {
        "web.assets_frontend": [
            "payment_wechatpay/static/src/interactions/payment_page.js",
            "payment_wechatpay/static/src/scss/payment_page.scss",
        ],
    },
    "post_init_hook": "post_init_hook",
    "uninstall_hook": "uninstall_hook",
}
