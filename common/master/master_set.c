#include "common/master/master_set.h"

#include <assert.h>

#include "common/base/alloc.h"

/* The lowest index that no child of that role has. */
static unsigned free_index(const struct master_set *set, enum spawn_role role)
{
    unsigned index = 0;

    for (unsigned i = 0; i < set->count; i++)
        if (set->items[i]->self.role == role && set->items[i]->self.index == index) {
            index++;
            i = (unsigned)-1; /* look again from the first */
        }
    return index;
}

void master_set_add(struct master_set *set, const char *program,
                    const struct master_plan *plan, bool only_renewed,
                    uint64_t generation)
{
    for (size_t r = 0; r < plan->role_count; r++) {
        const struct master_role *role = &plan->roles[r];

        for (unsigned n = 0; n < role->count && (role->renewed || !only_renewed); n++)
            master_set_append(set, master_child_create(program, plan, role,
                                                       free_index(set, role->role),
                                                       generation));
    }
}

static bool wants(const struct master_set *set, const struct master_plan *plan,
                  enum spawn_role role)
{
    for (unsigned i = 0; i < set->count; i++)
        if (set->items[i]->plan == plan && set->items[i]->self.role == role &&
            master_child_is_wanted(set->items[i]))
            return true;
    return false;
}

void master_set_fill_alone(struct master_set *set, const char *program,
                           const struct master_plan *plan, uint64_t generation)
{
    for (size_t r = 0; r < plan->role_count; r++) {
        const struct master_role *role = &plan->roles[r];

        if (role->alone && !wants(set, plan, role->role))
            master_set_append(set, master_child_create(program, plan, role,
                                                       free_index(set, role->role),
                                                       generation));
    }
}

void master_set_append(struct master_set *set, struct master_child *child)
{
    set->items = mem_realloc(set->items, (set->count + 1) * sizeof *set->items);
    set->items[set->count++] = child;
}

struct master_child *master_set_find(const struct master_set *set, pid_t pid)
{
    for (unsigned i = 0; i < set->count; i++)
        if (set->items[i]->pid == pid)
            return set->items[i];
    return NULL;
}

bool master_set_is_ready(const struct master_set *set, const struct master_plan *plan)
{
    for (unsigned i = 0; i < set->count; i++) {
        const struct master_child *child = set->items[i];

        if (child->plan == plan && master_child_is_wanted(child) &&
            child->state != MASTER_CHILD_READY)
            return false;
    }
    return true;
}

bool master_set_may_start(const struct master_set *set, const struct master_child *child)
{
    for (unsigned i = 0; i < set->count; i++) {
        const struct master_child *other = set->items[i];
        bool waits = other->state == MASTER_CHILD_WAITING && other->plan == child->plan &&
                     other->plan_role->alone;

        if (other->plan == child->plan && other->stage < child->stage &&
            master_child_is_wanted(other) && other->state != MASTER_CHILD_READY && !waits)
            return false;
    }
    return true;
}

bool master_set_is_silent(const struct master_set *set)
{
    for (unsigned i = 0; i < set->count; i++)
        if (set->items[i]->silent && set->items[i]->state == MASTER_CHILD_READY &&
            !set->items[i]->old)
            return true;
    return false;
}

bool master_set_lives(const struct master_set *set, unsigned stage)
{
    for (unsigned i = 0; i < set->count; i++)
        if (set->items[i]->stage >= stage && set->items[i]->state != MASTER_CHILD_GONE)
            return true;
    return false;
}

unsigned master_set_last_stage(const struct master_set *set)
{
    unsigned last = 0;

    for (unsigned i = 0; i < set->count; i++)
        if (set->items[i]->stage > last)
            last = set->items[i]->stage;
    return last;
}

void master_set_sweep(struct master_set *set)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < set->count; i++) {
        if (set->items[i]->state == MASTER_CHILD_GONE)
            master_child_destroy(&set->items[i]);
        else
            set->items[kept++] = set->items[i];
    }
    set->count = kept;
}

void master_set_free(struct master_set *set)
{
    for (unsigned i = 0; i < set->count; i++)
        master_child_destroy(&set->items[i]);
    mem_free(set->items);
    *set = (struct master_set){NULL, 0};
}
