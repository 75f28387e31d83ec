#include "common/master/master_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"

/* What becomes of a child that was left, as its record says. */
enum adopt_fate {
    ADOPT_SERVES = 'n',  /* of the coming plan, and ready */
    ADOPT_OLD = 'o',     /* to be stopped when its turn comes */
    ADOPT_STOPPING = 's' /* TERM was sent */
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

void master_adopt_leave(const struct master *master, struct handover *handover)
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

static const struct master_role *find_role(const struct master_plan *plan,
                                           const char *name)
{
    for (size_t i = 0; i < plan->role_count; i++)
        if (strcmp(spawn_role_name(plan->roles[i].role), name) == 0)
            return &plan->roles[i];
    log_fatal("the master before left a %s, which is nothing here", name);
}

static struct master_child *adopt(struct master *master, const char *record)
{
    struct spawn_self self;
    struct master_child *child;
    char name[16], fate;
    unsigned stage;
    int pid, control_fd, did;
    uint64_t wake_ns, kill_after_ns;

    if (sscanf(record, "%15s %u %" SCNu64 " %d %d %u %c %d %" SCNu64 " %" SCNu64, name,
               &self.index, &self.generation, &pid, &control_fd, &stage, &fate, &did,
               &wake_ns, &kill_after_ns) != 10 ||
        pid <= 0)
        log_fatal("the master before left a strange child: %s", record);
    child =
        master_child_create(master->hooks->program, master->plan,
                            find_role(master->plan, name), self.index, self.generation);
    child->stage = stage;
    child->pid = pid;
    child->control_fd = control_fd >= 0 ? handover_fd(control_fd) : -1;
    child->did = did != 0;
    child->state = MASTER_CHILD_READY;
    if (fate == ADOPT_STOPPING) {
        child->state = MASTER_CHILD_STOPPING;
        child->wake_ns = wake_ns;
    }
    if (fate != ADOPT_SERVES)
        master_child_retire(child, kill_after_ns);
    child->old = fate != ADOPT_SERVES;
    return child;
}

void master_adopt_take(struct master *master, const struct handover *handover)
{
    const char *record = handover_get(handover, "generation", 0);

    if (record == NULL || sscanf(record, "%" SCNu64, &master->generation) != 1)
        log_fatal("the master before left no generation");
    for (size_t n = 0; (record = handover_get(handover, "child", n)) != NULL; n++)
        master_set_append(&master->children, adopt(master, record));
}
