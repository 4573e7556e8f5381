{
    "name": "Acrel Billing",
    "summary": "Tariffs by time of day, prepaid wallet, settlement, bills and their accounting",
    "version": "19.0.1.0.0",
    "category": "Services/Charging",
    "author": "Acrel Charging contributors",
    "license": "LGPL-3",
    "depends": [
        "acrel_charging",
        "account_payment",
        "l10n_cn",
        "portal",
    ],
    "data": [],
    "demo": [],
    "assets": {},
}
