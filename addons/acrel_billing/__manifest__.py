{
    "name": "Acrel Billing",
    "summary": "Tariffs by time of day, prepaid wallet, settlement, bills and their accounting",
    "version": "19.0.1.0.0",
    "category": "Services/Charging network",
    "author": "Acrel Charging contributors",
    "license": "LGPL-3",
    "depends": [
        "acrel_charging",
        "account_payment",
        "l10n_cn",
        "portal",
    ],
    "data": [
        "security/billing_security.xml",
        "security/ir.model.access.csv",
        "data/sequences.xml",
        "wizards/bill_credit_views.xml",
        "report/bill_report.xml",
        "views/tariff_templates.xml",
        "views/tariff_views.xml",
        "views/pile_views.xml",
        "views/bill_views.xml",
        "views/session_views.xml",
        "views/portal_bill_templates.xml",
        "views/portal_charging_templates.xml",
        "views/menus.xml",
    ],
    "demo": [
        "demo/tariff.xml",
    ],
    "assets": {
        "web.assets_backend": [
            "acrel_billing/static/src/scss/tariff.scss",
        ],
        "web.assets_frontend": [
            "acrel_billing/static/src/scss/tariff.scss",
        ],
    },
}
