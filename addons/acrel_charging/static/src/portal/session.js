import { loadBundle } from "@web/core/assets";
import { registry } from "@web/core/registry";
import { Interaction } from "@web/public/interaction";

import { drawCurve } from "../curve/curve";

const MESSAGE = "acrel_session";
// How often a page asks by itself when the websocket has brought nothing for as long.
const POLL_MS = 3000;
const CURVE_POINTS = 500;

/**
 * Page of a driver's session. Elements marked `data-acrel="key"` show that key of the payload,
 * elements marked `data-acrel-show="state state"` are seen in these states only.
 */
export class ChargingSession extends Interaction {
    static selector = ".o_acrel_session";
    dynamicContent = {
        ".o_acrel_stop_form": { "t-on-submit": this.onSubmitStop },
    };

    setup() {
        this.sessionId = parseInt(this.el.dataset.sessionId);
        this.state = this.el.dataset.state;
        this.startedAt = parseInt(this.el.dataset.start) || null;
        this.heardAt = 0;
        // how far this telephone's clock is ahead of the server's, in ms
        this.clockAhead = Date.now() - parseInt(this.el.dataset.now);
        this.canvas = this.el.querySelector(".o_acrel_curve canvas");
    }

    async willStart() {
        if (this.canvas) {
            const [points] = await Promise.all([
                this.fetchJson("curve"),
                loadBundle("web.chartjs_lib"),
            ]);
            this.points = points || [];
        }
    }

    start() {
        if (this.canvas) {
            this.chart = drawCurve(this.canvas, this.points);
            this.registerCleanup(() => this.chart.destroy());
        }
        if (this.isEnded(this.state)) {
            return;
        }
        const onMessage = (payload) => {
            if (payload.session_id === this.sessionId) {
                this.heardAt = Date.now();
                this.show(payload);
            }
        };
        const bus = this.services.bus_service;
        bus.subscribe(MESSAGE, onMessage);
        bus.start();
        this.registerCleanup(() => bus.unsubscribe(MESSAGE, onMessage));
        const poll = setInterval(() => this.poll(), POLL_MS);
        this.registerCleanup(() => clearInterval(poll));
        const tick = setInterval(() => this.showTime(), 1000);
        this.registerCleanup(() => clearInterval(tick));
    }

    onSubmitStop(ev) {
        ev.currentTarget.querySelector("button").disabled = true;
    }

    isEnded(state) {
        return ["finished", "cancelled", "faulted"].includes(state);
    }

    async fetchJson(what) {
        try {
            const response = await fetch(`/my/charging/${this.sessionId}/${what}`, {
                headers: { Accept: "application/json" },
            });
            return response.ok ? await response.json() : null;
        } catch (error) {
            // the telephone lost its network: the next poll tries again
            if (error instanceof TypeError) {
                return null;
            }
            throw error;
        }
    }

    async poll() {
        if (Date.now() - this.heardAt < POLL_MS) {
            return;
        }
        const payload = await this.waitFor(this.fetchJson("live"));
        if (payload) {
            this.show(payload);
        }
    }

    show(payload) {
        if (payload.ended) {
            // what stands on the page after the end is rendered by the server, once
            window.location.reload();
            return;
        }
        this.state = payload.state;
        this.startedAt = payload.start || null;
        this.el.dataset.state = payload.state;
        this.clockAhead = Date.now() - payload.now;
        for (const [key, value] of Object.entries(payload)) {
            if (value !== false && value !== null) {
                this.fill(key, value);
            }
        }
        for (const element of this.el.querySelectorAll("[data-acrel-show]")) {
            const states = element.dataset.acrelShow.split(" ");
            element.classList.toggle("d-none", !states.includes(payload.state));
        }
        this.showTime();
        this.addPoint(payload);
    }

    /** Between two messages the time goes on by itself. */
    showTime() {
        if (!this.startedAt || this.state !== "charging") {
            return;
        }
        const seconds = Math.max(0, Math.floor((Date.now() - this.clockAhead - this.startedAt) / 1000));
        const two = (value) => String(value).padStart(2, "0");
        const minutes = Math.floor(seconds / 60);
        this.fill("minutes", minutes);
        this.fill(
            "duration",
            `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(seconds % 60)}`
        );
    }

    fill(key, value) {
        for (const element of this.el.querySelectorAll(`[data-acrel="${key}"]`)) {
            element.textContent = value;
        }
    }

    addPoint(payload) {
        if (!this.chart || !payload.read_at) {
            return;
        }
        const data = this.chart.data.datasets[0].data;
        const last = data[data.length - 1];
        if (last && last.x >= payload.read_at) {
            return;
        }
        data.push({ x: payload.read_at, y: parseFloat(payload.power_kw) });
        if (data.length > 2 * CURVE_POINTS) {
            data.splice(0, data.length, ...data.filter((_point, index) => index % 2 === 0));
        }
        this.chart.update("none");
    }
}

registry.category("public.interactions").add("acrel_charging.session", ChargingSession);
