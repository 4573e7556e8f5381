import { rpc } from "@web/core/network/rpc";
import { registry } from "@web/core/registry";
import { Interaction } from "@web/public/interaction";

const POLL_MILLISECONDS = 3000;
const SECOND = 1000;

/** Counts down the time to pay and follows the payment's state. */
export class AlipayPaymentPage extends Interaction {
    static selector = ".o_alipay_cn_pay";

    setup() {
        this.deadline = Date.now() + Number(this.el.dataset.secondsLeft) * SECOND;
    }

    start() {
        if (this.el.dataset.state === "waiting") {
            this.tick();
            this.waitForTimeout(() => this.poll(), POLL_MILLISECONDS);
        }
    }

    tick() {
        if (this.el.dataset.state !== "waiting") {
            return;
        }
        const left = Math.max(0, Math.ceil((this.deadline - Date.now()) / SECOND));
        const minutes = Math.floor(left / 60);
        const seconds = String(left % 60).padStart(2, "0");
        this.el.querySelector(".o_alipay_cn_countdown").textContent = `${minutes}:${seconds}`;
        this.waitForTimeout(() => this.tick(), SECOND);
    }

    async poll() {
        let view;
        try {
            view = await this.waitFor(
                rpc(
                    this.el.dataset.statusUrl,
                    { access_token: this.el.dataset.accessToken },
                    { silent: true }
                )
            );
        } catch {
            // no network just now: the payment itself does not need this page
            this.waitForTimeout(() => this.poll(), POLL_MILLISECONDS);
            return;
        }
        if (view.redirect) {
            this.el.dataset.state = view.state;
            window.location.assign(view.redirect);
        } else if (view.state === "waiting") {
            this.waitForTimeout(() => this.poll(), POLL_MILLISECONDS);
        } else {
            this.show(view);
        }
    }

    show(view) {
        this.el.dataset.state = view.state;
        this.el.querySelector(".o_alipay_cn_waiting").remove();
        const message = this.el.querySelector(".o_alipay_cn_message");
        message.textContent = view.message;
        message.classList.remove("d-none");
        message.classList.add("alert-warning");
    }
}

registry.category("public.interactions").add("payment_alipay_cn.payment_page", AlipayPaymentPage);
