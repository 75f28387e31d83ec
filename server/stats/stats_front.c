#include "server/stats/stats.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

void stats_front_leave(struct stats_front *slot)
{
    stats_set(&slot->running, 0);
    stats_set(&slot->connections, 0);
    stats_set(&slot->memory_bytes, 0);
    stats_set(&slot->memory_limit_bytes, 0);
    stats_set(&slot->queue_depth, 0);
    stats_set(&slot->jobs_in_flight, 0);
    stats_set(&slot->workers, 0);
    stats_set(&slot->fastpaths, 0);
    for (unsigned i = 0; i < STATS_WORKERS; i++)
        stats_worker_leave(&slot->worker[i]);
}

void stats_front_take(struct stats_front *slot, uint64_t pid)
{
    assert(pid != 0);
    stats_front_leave(slot); /* a front before this one that was killed could not */
    stats_set(&slot->pid, pid);
    stats_set(&slot->running, 1);
}

bool stats_front_is_alive(const struct stats_front *slot)
{
    uint64_t pid = stats_read(&slot->pid);

    if (pid == 0 || stats_read(&slot->running) == 0)
        return false;
    /* EPERM: the process of another user lives. */
    return kill((pid_t)pid, 0) == 0 || errno == EPERM;
}

enum stats_size stats_size_of(uint64_t bytes)
{
    static const uint64_t below[] = {
#define X(name, label, bound) bound,
        STATS_SIZE_MAP(X)
#undef X
    };
    int size = 0;

    while (size < STATS_SIZES - 1 && bytes >= below[size])
        size++;
    return (enum stats_size)size;
}

struct stats_worker *stats_worker_take(struct stats_front *slot, uint64_t pid)
{
    struct stats_worker *row = NULL;

    for (unsigned i = 0; i < STATS_WORKERS; i++) {
        struct stats_worker *at = &slot->worker[i];

        if (stats_read(&at->up) != 0)
            continue;
        /* The row that this process had before, or else the first free one. */
        if (stats_read(&at->pid) == pid) {
            row = at;
            break;
        }
        if (row == NULL)
            row = at;
    }
    if (row == NULL)
        return NULL;
    if (stats_read(&row->pid) != 0 && stats_read(&row->pid) != pid)
        stats_add(&row->restarts, 1);
    stats_set(&row->pid, pid);
    stats_set(&row->up, 1);
    return row;
}

struct stats_program *stats_program_row(struct stats_front *slot, const char *name)
{
    for (unsigned i = 0; i < STATS_PROGRAMS; i++) {
        struct stats_program *row = &slot->program[i];

        if (stats_read(&row->used) != 0) {
            if (strcmp(row->name, name) == 0)
                return row;
            continue;
        }
        if (i == STATS_PROGRAMS - 1)
            name = "others";
        snprintf(row->name, sizeof row->name, "%s", name);
        atomic_thread_fence(memory_order_release); /* readers see the name, too */
        stats_set(&row->used, 1);
        return row;
    }
    return &slot->program[STATS_PROGRAMS - 1];
}

void stats_worker_leave(struct stats_worker *worker)
{
    if (worker == NULL)
        return;
    stats_set(&worker->up, 0);
    stats_set(&worker->jobs_in_flight, 0);
}
