import { loadBundle } from "@web/core/assets";
import { registry } from "@web/core/registry";
import { useService } from "@web/core/utils/hooks";
import { standardWidgetProps } from "@web/views/widgets/standard_widget_props";

import { Component, onMounted, onWillStart, onWillUnmount, onWillUpdateProps, useRef } from "@odoo/owl";

import { drawCurve } from "../curve/curve";
import { STAFF_MESSAGE } from "./live";

/** Power over time of the session in the form; grows by itself while the session runs. */
export class PowerCurve extends Component {
    static template = "acrel_charging.PowerCurve";
    static props = { ...standardWidgetProps };

    setup() {
        this.orm = useService("orm");
        this.bus = useService("bus_service");
        this.canvas = useRef("canvas");
        onWillStart(() =>
            Promise.all([loadBundle("web.chartjs_lib"), this.load(this.props.record.resId)])
        );
        onMounted(() => {
            this.draw();
            this.bus.subscribe(STAFF_MESSAGE, this.onMessage);
        });
        onWillUpdateProps(async (nextProps) => {
            if (nextProps.record.resId !== this.sessionId) {
                await this.load(nextProps.record.resId);
                this.draw();
            }
        });
        onWillUnmount(() => {
            this.bus.unsubscribe(STAFF_MESSAGE, this.onMessage);
            this.chart?.destroy();
        });
        this.onMessage = this.onMessage.bind(this);
    }

    async load(sessionId) {
        this.sessionId = sessionId;
        this.points = sessionId
            ? await this.orm.call("acrel.session", "get_power_curve", [sessionId])
            : [];
    }

    draw() {
        this.chart?.destroy();
        this.chart = drawCurve(this.canvas.el, this.points);
    }

    onMessage({ sessions }) {
        const news = sessions.find((session) => session.session_id === this.sessionId);
        if (!news?.read_ms) {
            return;
        }
        const data = this.chart.data.datasets[0].data;
        if (!data.length || data[data.length - 1].x < news.read_ms) {
            data.push({ x: news.read_ms, y: news.power_kw });
            this.chart.update("none");
        }
    }
}

registry.category("view_widgets").add("acrel_power_curve", { component: PowerCurve });
