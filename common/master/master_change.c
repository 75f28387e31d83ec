#include "common/master/master_change.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "common/process/handover.h"
#include "common/base/log.h"
#include "common/process/notify.h"

/* HUP or USR2: asks the daemon for its next plan, and adds that plan's children beside
   the present ones. */
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

/* The coming generation is ready: the children that it renews drain, and the others move
   to its plan. */
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

/* What the next master does with a child, as its record says. */
enum adopt_fate {
    ADOPT_SERVES = 'n',  /* it belongs to the coming plan and is ready */
    ADOPT_OLD = 'o',     /* it is stopped when its turn comes */
    ADOPT_STOPPING = 's' /* it got TERM already */
};

static enum adopt_fate fate_of(const struct master *master,
                               const struct master_child *child)
{
    if (child->state == MASTER_CHILD_STOPPING)
        return ADOPT_STOPPING;
    return child->plan == master->coming && !child->old ? ADOPT_SERVES : ADOPT_OLD;
}

/* The time an old child has for draining. */
static uint64_t kill_after_of(const struct master *master,
                              const struct master_child *child)
{
    return child->old ? child->kill_after_ns
                      : master->plan->drain_timeout_ns + master->plan->grace_ns;
}

/* Records the children for the next binary. */
static void record_children(const struct master *master, struct handover *handover)
{
    handover_put(handover, "generation", "%" PRIu64, master->generation);
    for (unsigned i = 0; i < master->children.count; i++) {
        const struct master_child *child = master->children.items[i];

        if (child->pid == 0)
            continue;
        handover_put(
            handover, "child", "%s %u %" PRIu64 " %d %d %u %c %d %" PRIu64 " %" PRIu64,
            spawn_role_name(child->self.role), child->self.index, child->self.generation,
            (int)child->pid, child->control_fd, child->stage, fate_of(master, child),
            child->did, child->wake_ns, kill_after_of(master, child));
        if (child->control_fd >= 0)
            handover_keep_fd(handover, child->control_fd);
    }
}

/* The children have proved the new binary: executes it. Where that fails, undoes the
   change. */
static void become_next(struct master *master)
{
    const struct master_hooks *hooks = master->hooks;
    struct handover *handover = handover_create();

    record_children(master, handover);
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

/* True where every child of the coming plan is ready, except for roles that are alone. */
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

bool master_change_may_start(struct master *master, const struct master_child *child)
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

/* True where an old child of a later stage is not gone yet: this child still serves it.
 */
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

static const struct master_role *role_named(const struct master_plan *plan,
                                            const char *name)
{
    for (size_t i = 0; i < plan->role_count; i++)
        if (strcmp(spawn_role_name(plan->roles[i].role), name) == 0)
            return &plan->roles[i];
    log_fatal("the master before left a %s, which is no role here", name);
}

static struct master_child *adopt(struct master *master, const char *record)
{
    struct spawn_self self;
    struct master_child *child;
    char name[16], fate;
    unsigned stage;
    int pid, control_fd, did;
    uint64_t wake_ns, kill_after_ns;
    bool is_stopping;

    if (sscanf(record, "%15s %u %" SCNu64 " %d %d %u %c %d %" SCNu64 " %" SCNu64, name,
               &self.index, &self.generation, &pid, &control_fd, &stage, &fate, &did,
               &wake_ns, &kill_after_ns) != 10 ||
        pid <= 0)
        log_fatal("the master before left a malformed child record: %s", record);
    child =
        master_child_create(master->hooks->program, master->plan,
                            role_named(master->plan, name), self.index, self.generation);
    child->stage = stage;
    child->did = did != 0;
    is_stopping = fate == ADOPT_STOPPING;
    master_child_adopt(child, pid, control_fd >= 0 ? handover_fd(control_fd) : -1,
                       is_stopping ? MASTER_CHILD_STOPPING : MASTER_CHILD_READY,
                       is_stopping ? wake_ns : MASTER_NEVER);
    if (fate != ADOPT_SERVES)
        master_child_retire(child, kill_after_ns);
    child->old = fate != ADOPT_SERVES;
    return child;
}

void master_change_adopt(struct master *master, const struct handover *handover)
{
    const char *record = handover_get(handover, "generation", 0);

    if (record == NULL || sscanf(record, "%" SCNu64, &master->generation) != 1)
        log_fatal("the master before left no generation");
    for (size_t n = 0; (record = handover_get(handover, "child", n)) != NULL; n++)
        master_set_append(&master->children, adopt(master, record));
}
