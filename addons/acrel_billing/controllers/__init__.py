from . import bill, bill_invoice, topup, wallet
