import { registry } from "@web/core/registry";
import { FormController } from "@web/views/form/form_controller";
import { formView } from "@web/views/form/form_view";
import { KanbanController } from "@web/views/kanban/kanban_controller";
import { kanbanView } from "@web/views/kanban/kanban_view";

import { useLiveSessions } from "./live";

/** A kanban that shows live values without being reloaded by hand. */
export class LiveKanbanController extends KanbanController {
    setup() {
        super.setup();
        useLiveSessions(
            () => true,
            () => this.model.load()
        );
    }
}

/** The form of a session, which is never edited: it follows its session. */
export class LiveFormController extends FormController {
    setup() {
        super.setup();
        useLiveSessions(
            (session) => session.session_id === this.model.root.resId,
            () => this.model.root.load()
        );
    }
}

registry.category("views").add("acrel_live_kanban", {
    ...kanbanView,
    Controller: LiveKanbanController,
});
registry.category("views").add("acrel_live_form", {
    ...formView,
    Controller: LiveFormController,
});
