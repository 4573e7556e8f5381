"""What the gateway's refusals and the program's findings mean, in sentences for a person."""

from odoo import models
from odoo.exceptions import ValidationError

from ..alipay_gateway import AnswerError, BillError, KeyMaterialError, Refusal, Unreachable
from .payment_provider_credentials import PART_FIELDS


class PaymentProvider(models.Model):
    """Sentences of the Alipay provider."""

    _inherit = "payment.provider"

    def _alipay_cn_sentence(self, problem):
        """Return a GatewayError (or ValidationError) as a sentence: what, where, what to do."""
        self.ensure_one()
        match problem:
            case ValidationError():
                return str(problem)
            case KeyMaterialError():
                return self._alipay_cn_key_sentence(problem)
            case Refusal():
                return self._alipay_cn_refusal_sentence(problem)
            case Unreachable():
                return self.env._(
                    "Alipay's gateway at %(address)s gives no answer (%(problem)s). Nothing was "
                    "lost; try again, and look at the provider's gateway address and the server's "
                    "way to the internet if it lasts.",
                    address=self._alipay_cn_gateway(),
                    problem=problem.values["problem"],
                )
            case AnswerError():
                return self._alipay_cn_answer_sentence(problem)
            case BillError():
                return self._alipay_cn_bill_sentence(problem)
        raise TypeError(f"no sentence for {problem!r}")

    def _alipay_cn_log_sentence(self, problem):
        """Return the sentence for the log: in English, whoever's request it is."""
        return self.with_context(lang=None)._alipay_cn_sentence(problem)

    def _alipay_cn_key_sentence(self, problem):
        part = problem.values["part"]
        texts = {
            "not_base64": self.env._("this is no key; paste the whole text of the key."),
            "broken_pem": self.env._("the BEGIN or the END line is damaged; paste the whole file."),
            "not_a_private_key": self.env._(
                "this is no RSA private key (PKCS#1 or PKCS#8); paste the application's private "
                "key from Alipay's key tool."
            ),
            "not_a_public_key": self.env._(
                "this is no RSA public key; copy Alipay's public key from the open platform."
            ),
            "public_for_private": self.env._("this is a public key; the private one belongs here."),
            "private_for_public": self.env._(
                "this is a private key; Alipay's public key belongs here. Keep yours secret."
            ),
            "certificate_for_private": self.env._(
                "this is a certificate; the private key belongs here."
            ),
            "certificate_for_public": self.env._(
                "this is a certificate; choose the mode “Certificates” to use it."
            ),
            "encrypted": self.env._("the key is protected by a password; give the plain one."),
            "not_rsa": self.env._("the key is of another kind; Alipay signs with RSA2 (RSA)."),
            "too_short": self.env._("the key is too short; RSA2 needs 2048 bits or more."),
            "own_public_key": self.env._(
                "this is your application's own public key; Alipay's public key, shown beside it "
                "on the open platform, belongs here."
            ),
            "own_certificate": self.env._(
                "this is your application's own certificate, not Alipay's."
            ),
            "not_a_certificate": self.env._("this is no certificate; paste the whole .crt file."),
            "key_does_not_fit": self.env._(
                "the certificate was made for another key than the application's private key."
            ),
            "certificate_expired": self.env._(
                "the certificate ended on %(date)s; get a new one on the open platform.",
                date=problem.values.get("date"),
            ),
            "certificate_not_yet_valid": self.env._(
                "the certificate begins on %(date)s; is the server's clock right?",
                date=problem.values.get("date"),
            ),
            "certificate_of_another_root": self.env._(
                "the certificate was not issued under the root certificate given here."
            ),
        }
        return self.env._(
            "Alipay, field “%(field)s”: %(what)s",
            field=self._alipay_cn_label(PART_FIELDS[part]),
            what=texts[problem.reason],
        )

    def _alipay_cn_refusal_sentence(self, refusal):
        label = self._alipay_cn_label
        texts = {
            "isv.invalid-app-id": self.env._(
                "Alipay does not know the application: look at the field “%(field)s” and whether "
                "test mode and live gateway are mixed up.",
                field=label("alipay_cn_app_id"),
            ),
            "isv.invalid-signature": self.env._(
                "Alipay cannot verify our signature: the field “%(field)s” is not the key whose "
                "public half the open platform has for this application.",
                field=label("alipay_cn_app_private_key"),
            ),
            "isv.missing-signature-key": self.env._(
                "The open platform has no public key for this application yet: upload it there."
            ),
            "isv.invalid-timestamp": self.env._(
                "Alipay says that our time is wrong: set the server's clock (a time service)."
            ),
            "isv.insufficient-isv-permissions": self.env._(
                "The application may not use this product: sign it with Alipay and bind it."
            ),
            "isv.app-call-limited": self.env._(
                "Alipay limits the number of calls; try again later."
            ),
            "isp.bill_not_exist": self.env._("Alipay has no bill for that day."),
            "ACQ.ACCESS_FORBIDDEN": self.env._(
                "The contract with Alipay does not cover this product: sign it in the merchant "
                "centre, or choose the other one in the provider's settings."
            ),
            "ACQ.SELLER_BALANCE_NOT_ENOUGH": self.env._(
                "The merchant's Alipay account holds too little money for this refund."
            ),
            "ACQ.REASON_TRADE_REFUND_FEE_ERR": self.env._(
                "Alipay refuses the refund: it is more than what was paid and not yet refunded."
            ),
            "ACQ.REFUND_AMT_NOT_EQUAL_TOTAL": self.env._(
                "Alipay refuses the refund: it is more than what was paid and not yet refunded."
            ),
            "ACQ.TRADE_NOT_ALLOW_REFUND": self.env._(
                "Alipay allows no further refund of this payment: their number is limited."
            ),
            "ACQ.TRADE_HAS_FINISHED": self.env._(
                "The time in which Alipay refunds this payment is over (a year, or less by "
                "contract). Pay the customer back by another way."
            ),
            "ACQ.DISCORDANT_REPEAT_REQUEST": self.env._(
                "Alipay already has a refund of this number with another amount."
            ),
            "ACQ.CONTEXT_INCONSISTENT": self.env._(
                "Alipay already has an order of this number with another amount or title. Start "
                "the payment again to get a new number."
            ),
            "ACQ.TRADE_HAS_SUCCESS": self.env._("Alipay says that this order is paid already."),
            "ACQ.TRADE_HAS_CLOSE": self.env._(
                "Alipay has closed this order. Start the payment again to get a new number."
            ),
            "ACQ.TRADE_NOT_EXIST": self.env._("Alipay does not know this order."),
            "ACQ.BUYER_ENABLE_STATUS_FORBID": self.env._(
                "The payer's Alipay account may not pay now."
            ),
            "ACQ.EXIST_FORBIDDEN_WORD": self.env._(
                "Alipay refuses the order's title; rename the document."
            ),
        }
        text = texts.get(refusal.sub_code) or self.env._(
            "Alipay refuses: %(message)s", message=refusal.sub_msg or self.env._("no reason given")
        )
        code = "/".join(filter(None, (refusal.code, refusal.sub_code)))
        return self.env._("%(sentence)s (Alipay's code: %(code)s)", sentence=text, code=code)

    def _alipay_cn_answer_sentence(self, problem):
        if problem.reason == "certificate_serial":
            return self.env._(
                "Alipay signs with another certificate (%(serial)s) than the one in the field "
                "“%(field)s”: download the new one from the open platform.",
                serial=problem.values["serial"],
                field=self._alipay_cn_label("alipay_cn_alipay_certificate"),
            )
        if problem.reason == "wrong_signature":
            name = PART_FIELDS[
                "alipay_certificate"
                if self.alipay_cn_mode == "certificate"
                else "alipay_public_key"
            ]
            return self.env._(
                "The answer is not signed with the key in the field “%(field)s”: look whether it "
                "is the one the open platform shows now. The answer was not used.",
                field=self._alipay_cn_label(name),
            )
        if problem.reason == "other_order":
            return self.env._("Alipay's answer is about another order; it was not used.")
        if problem.reason == "other_app":
            return self.env._(
                "The order was placed by application %(ordered)s, the provider now has %(now)s: it "
                "can only be looked up in Alipay's merchant centre.",
                **problem.values,
            )
        return self.env._(
            "What answered at %(address)s is not Alipay's gateway (no signed answer). It was not "
            "used; look at the gateway address and at proxies in between.",
            address=self._alipay_cn_gateway(),
        )

    def _alipay_cn_bill_sentence(self, problem):
        values = {"line": "?", "columns": "", "problem": "", "cells": 0, **problem.values}
        texts = {
            "not_a_zip": self.env._("it is no ZIP file"),
            "damaged": self.env._("the ZIP file is damaged"),
            "not_gbk": self.env._("its characters are not GBK"),
            "no_table": self.env._("it holds no table of this kind"),
            "no_heading": self.env._("its table has no heading"),
            "missing_columns": self.env._("its table lacks the columns %(columns)s", **values),
            "other_width": self.env._(
                "line %(line)s has %(cells)s cells, the heading %(columns)s", **values
            ),
            "cell": self.env._("line %(line)s: %(problem)s", **values),
            "too_large": self.env._("it is larger than this server takes"),
            "download": self.env._("its download failed: %(problem)s", **values),
        }
        return self.env._("Alipay's bill cannot be read: %(what)s.", what=texts[problem.reason])
