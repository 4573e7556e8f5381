from . import bill_credit, bill_invoice, wallet_operation, wallet_refund_answer
