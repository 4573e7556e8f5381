import { useService } from "@web/core/utils/hooks";

import { onMounted, onWillUnmount } from "@odoo/owl";

export const STAFF_MESSAGE = "acrel_session_staff";
const PACE_MS = 1000;

/**
 * Call back about once a second while sessions bring news.
 *
 * @param {(session: object) => boolean} concerns whether a session's news are of interest
 * @param {() => Promise} refresh
 */
export function useLiveSessions(concerns, refresh) {
    const bus = useService("bus_service");
    let timer = null;
    let running = false;
    const onMessage = ({ sessions }) => {
        if (timer || !sessions.some(concerns)) {
            return;
        }
        timer = setTimeout(async () => {
            timer = null;
            if (!running) {
                running = true;
                try {
                    await refresh();
                } finally {
                    running = false;
                }
            }
        }, PACE_MS);
    };
    onMounted(() => bus.subscribe(STAFF_MESSAGE, onMessage));
    onWillUnmount(() => {
        bus.unsubscribe(STAFF_MESSAGE, onMessage);
        clearTimeout(timer);
    });
}
