"""What WeChat Pay's API v3 asks of a merchant, without Odoo: keys, signatures, numbers, bills."""
