from . import bill_credit
