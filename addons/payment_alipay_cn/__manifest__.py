{
    "name": "Payment Provider: Alipay (mainland China)",
    "summary": "Alipay for merchants in mainland China: web page, phone, QR code and mini program",
    "version": "19.0.1.0.0",
    "category": "Accounting/Payment Providers",
    "author": "Acrel Charging contributors",
    "license": "LGPL-3",
    "depends": ["payment"],
    "external_dependencies": {"python": ["python-alipay-sdk>=3.4.0", "qrcode"]},
    "data": [
        "views/payment_alipay_cn_templates.xml",
        "views/payment_provider_views.xml",
        "views/payment_transaction_views.xml",
        "data/payment_provider_data.xml",
        "data/ir_cron_data.xml",
    ],
    "assets": {
        "web.assets_frontend": [
            "payment_alipay_cn/static/src/scss/payment_page.scss",
            "payment_alipay_cn/static/src/interactions/payment_page.js",
        ],
    },
    "post_init_hook": "post_init_hook",
    "uninstall_hook": "uninstall_hook",
}
