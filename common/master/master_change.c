#include "common/master/master_run.h"

#include <assert.h>
#include <sys/wait.h>

#include "common/process/handover.h"
#include "common/base/log.h"
#include "common/process/notify.h"

/* HUP or USR2: the daemon's next plan, whose children start beside those that are there.
 */
static void begin(struct master *master, bool upgrading)
{
    const struct master_hooks *hooks = master->hooks;

    assert(master->coming == NULL);
    notify_send(NOTIFY_RELOADING);
    master->coming =
        upgrading ? hooks->on_upgrade(hooks->context) : hooks->on_reload(hooks->context);
    if (master->coming == NULL) {
        notify_send(NOTIFY_READY);
        return;
    }
    master->upgrading = upgrading;
    master->generation++;
    log_info("%s: starting generation %llu%s%s", upgrading ? "upgrading" : "reloading",
             (unsigned long long)master->generation, upgrading ? " from " : "",
             upgrading ? master->coming->path : "");
    master_set_add(&master->children, hooks->program, master->coming, !upgrading,
                   master->generation);
}

static const struct master_role *find_role(const struct master_plan *plan,
                                           enum spawn_role role)
{
    for (size_t i = 0; i < plan->role_count; i++)
        if (plan->roles[i].role == role)
            return &plan->roles[i];
    log_panic("the new plan has no %s", spawn_role_name(role));
}

/* The coming generation is ready: the children it renews drain, the others move over. */
static void finish(struct master *master)
{
    const struct master_plan *old = master->plan;

    master->plan = master->coming;
    master->coming = NULL;
    for (unsigned i = 0; i < master->children.count; i++) {
        struct master_child *child = master->children.items[i];
        const struct master_role *role;

        if (!master_child_is_wanted(child) || child->old || child->plan == master->plan)
            continue;
        role = find_role(master->plan, child->self.role);
        if (role->renewed)
            master_child_retire(child, old->drain_timeout_ns + old->grace_ns);
        else
            master_child_move(child, master->plan, role);
    }
    log_info("generation %llu serves", (unsigned long long)master->generation);
    master->hooks->on_ready(master->hooks->context, master->plan);
    notify_send(NOTIFY_READY);
    master->hooks->on_retire(master->hooks->context, old);
}

/* Its children have proved the new binary: goes on as that one, or stays what it is. */
static void become_next(struct master *master)
{
    const struct master_hooks *hooks = master->hooks;
    struct handover *handover = handover_create();

    master_adopt_leave(master, handover);
    hooks->on_leave(hooks->context, master->coming, handover);
    if (handover_exec(handover, master->coming->path, hooks->argv) < 0)
        log_warn("cannot execute %s: %m", master->coming->path);
    handover_destroy(&handover);
    master_change_undo(master);
}

void master_change_undo(struct master *master)
{
    const struct master_plan *coming = master->coming;

    log_warn("generation %llu did not become ready: going on as before",
             (unsigned long long)master->generation);
    master->coming = NULL;
    for (unsigned i = 0; i < master->children.count; i++) {
        struct master_child *child = master->children.items[i];

        if (master_child_is_wanted(child) && child->plan == coming)
            master_child_retire(child,
                                coming->grace_ns + (child->state == MASTER_CHILD_READY
                                                        ? coming->drain_timeout_ns
                                                        : 0));
    }
    master_set_fill_alone(&master->children, master->hooks->program, master->plan,
                          master->generation);
    notify_send(NOTIFY_READY);
    master->hooks->on_retire(master->hooks->context, coming);
}

bool master_change_is_undone(const struct master *master,
                             const struct master_child *child, int status)
{
    bool is_retired = child->did && WIFEXITED(status) && WEXITSTATUS(status) == 0;

    return master->coming != NULL && child->plan == master->coming && !child->old &&
           master_child_is_wanted(child) && !is_retired;
}

/* True where every child of the coming plan, but for those that are alone, is ready. */
static bool others_are_ready(const struct master *master)
{
    for (unsigned i = 0; i < master->children.count; i++) {
        const struct master_child *child = master->children.items[i];

        if (child->plan == master->coming && master_child_is_wanted(child) &&
            !child->plan_role->alone && child->state != MASTER_CHILD_READY)
            return false;
    }
    return true;
}

bool master_change_makes_room(struct master *master, const struct master_child *child)
{
    bool is_free = true;

    if (!child->plan_role->alone)
        return true;
    if (child->plan == master->coming && !others_are_ready(master))
        return false;
    for (unsigned i = 0; i < master->children.count; i++) {
        struct master_child *other = master->children.items[i];

        if (other == child || other->self.role != child->self.role)
            continue;
        master_child_stop(other, master->plan->grace_ns);
        is_free = is_free && other->pid == 0;
    }
    return is_free;
}

/* True where an old child of a later stage, which that one serves, is not gone yet. */
static bool serves_old(const struct master *master, const struct master_child *child)
{
    for (unsigned i = 0; i < master->children.count; i++) {
        const struct master_child *other = master->children.items[i];

        if (other->old && other->stage > child->stage &&
            other->state != MASTER_CHILD_GONE)
            return true;
    }
    return false;
}

static void stop_old(struct master *master)
{
    for (unsigned i = 0; i < master->children.count; i++) {
        struct master_child *child = master->children.items[i];

        if (child->old && master_child_is_wanted(child) && !serves_old(master, child))
            master_child_stop(child, child->kill_after_ns);
    }
}

void master_change_advance(struct master *master)
{
    if (master->coming != NULL &&
        master_set_is_ready(&master->children, master->coming)) {
        if (master->upgrading)
            become_next(master);
        else
            finish(master);
    }
    if (master->announced && master->coming == NULL && master->upgrade_wanted) {
        master->upgrade_wanted = false;
        begin(master, true);
    } else if (master->announced && master->coming == NULL && master->reload_wanted) {
        master->reload_wanted = false;
        begin(master, false);
    }
    stop_old(master);
}
