import { rpc } from "@web/core/network/rpc";
import { registry } from "@web/core/registry";
import { Interaction } from "@web/public/interaction";

const POLL_DELAY = 2500;
const SLOW_POLL_DELAY = 10000;

/** The payer's page: counts down and follows the payment until it is paid, closed or failed. */
export class WechatpayPage extends Interaction {
    static selector = ".o_wechatpay_pay";

    setup() {
        this.deadline = Date.now() + 1000 * Number(this.el.dataset.secondsLeft);
        this.countdown = this.el.querySelector(".o_wechatpay_countdown");
    }

    start() {
        if (this.el.dataset.state !== "waiting") {
            return;
        }
        this.tick();
        this.poll(POLL_DELAY);
    }

    tick() {
        const left = Math.max(0, Math.round((this.deadline - Date.now()) / 1000));
        this.countdown.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
        if (this.el.dataset.state === "waiting") {
            this.waitForTimeout(() => this.tick(), 1000);
        }
    }

    poll(delay) {
        this.waitForTimeout(async () => {
            let next = POLL_DELAY;
            try {
                const { transaction, accessToken } = this.el.dataset;
                const answer = await this.waitFor(
                    rpc(`/payment/wechatpay/status/${transaction}`, { access_token: accessToken })
                );
                this.show(answer);
            } catch {
                // The server or the line is away for a moment: ask again, more slowly.
                next = SLOW_POLL_DELAY;
            }
            if (this.el.dataset.state === "waiting") {
                this.poll(next);
            }
        }, delay);
    }

    show(answer) {
        this.el.dataset.state = answer.state;
        this.deadline = Date.now() + 1000 * answer.seconds_left;
        if (answer.redirect) {
            window.location = answer.redirect;
        }
    }
}

registry.category("public.interactions").add("payment_wechatpay.payment_page", WechatpayPage);
