/* global Chart */

const SHORT_MS = 5 * 60 * 1000;

/** Axis label: the clock of the one who looks, with seconds while the curve is short. */
function clock(value) {
    const second = this.max - this.min < SHORT_MS ? "2-digit" : undefined;
    return new Date(value).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second });
}

/**
 * Draw a power curve on a canvas; the bundle `web.chartjs_lib` is loaded before.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {[number, number][]} points epoch milliseconds, W
 * @returns {Chart} with its points as `{x: epoch ms, y: kW}`
 */
export function drawCurve(canvas, points) {
    const colour = getComputedStyle(canvas).getPropertyValue("--primary") || "#71639e";
    return new Chart(canvas, {
        type: "line",
        data: {
            datasets: [
                {
                    data: points.map(([at, watts]) => ({ x: at, y: watts / 1000 })),
                    borderColor: colour.trim(),
                    backgroundColor: "rgba(113, 99, 158, 0.15)",
                    borderWidth: 2,
                    pointRadius: 0,
                    stepped: "before",
                    fill: "origin",
                },
            ],
        },
        options: {
            animation: false,
            maintainAspectRatio: false,
            normalized: true,
            parsing: false,
            interaction: { mode: "nearest", axis: "x", intersect: false },
            plugins: {
                legend: { display: false },
                tooltip: {
                    displayColors: false,
                    callbacks: {
                        title: (items) => new Date(items[0].parsed.x).toLocaleTimeString(),
                        label: (item) => `${item.parsed.y.toFixed(2)} kW`,
                    },
                },
            },
            scales: {
                x: {
                    type: "linear",
                    bounds: "data",
                    grid: { display: false },
                    ticks: { callback: clock, maxTicksLimit: 5, maxRotation: 0 },
                },
                y: { beginAtZero: true, ticks: { maxTicksLimit: 6 } },
            },
        },
    });
}
