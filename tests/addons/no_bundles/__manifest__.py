{
    "name": "No Bundles",
    "summary": "Odoo's tests of pages without a browser, in half the time",
    "version": "19.0.1.0.0",
    "category": "Hidden/Tests",
    "license": "LGPL-3",
    "author": "acrel-charging contributors",
    "depends": ["base"],
}
