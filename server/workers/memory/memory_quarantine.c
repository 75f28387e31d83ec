#include "server/workers/memory/memory_quarantine.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>

#include "common/base/alloc.h"
#include "common/base/blob.h"
#include "common/base/list.h"

struct part {
    struct list link;
    struct blob *blob;
    pid_t process;
    uint64_t since_ns;
};

struct memory_quarantine {
    uint64_t max_bytes;
    uint64_t bytes;
    struct list parts; /* oldest first */
};

struct memory_quarantine *memory_quarantine_create(uint64_t max_bytes)
{
    struct memory_quarantine *quarantine = mem_zalloc(sizeof *quarantine);

    quarantine->max_bytes = max_bytes;
    list_init(&quarantine->parts);
    return quarantine;
}

static struct part *part_at(struct list *link)
{
    return container_of(link, struct part, link);
}

static void give_up(struct memory_quarantine *quarantine, struct part *part)
{
    assert(quarantine->bytes >= part->blob->bytes.len);
    quarantine->bytes -= part->blob->bytes.len;
    list_remove(&part->link);
    blob_unref(&part->blob);
    mem_free(part);
}

void memory_quarantine_destroy(struct memory_quarantine **quarantine)
{
    if (*quarantine == NULL)
        return;
    while (!list_is_empty(&(*quarantine)->parts))
        give_up(*quarantine, part_at((*quarantine)->parts.next));
    mem_free(*quarantine);
    *quarantine = NULL;
}

void memory_quarantine_add(struct memory_quarantine *quarantine, struct blob **blob,
                           pid_t process, uint64_t now_ns)
{
    struct part *part = mem_alloc(sizeof *part);

    *part = (struct part){.blob = *blob, .process = process, .since_ns = now_ns};
    *blob = NULL;
    list_init(&part->link);
    list_append(&quarantine->parts, &part->link);
    quarantine->bytes += part->blob->bytes.len;
    while (quarantine->bytes > quarantine->max_bytes)
        give_up(quarantine, part_at(quarantine->parts.next));
}

/* Another process may have its number by now: then time has to pass. */
static bool has_ended(pid_t process)
{
    return process > 0 && kill(process, 0) != 0 && errno == ESRCH;
}

void memory_quarantine_tick(struct memory_quarantine *quarantine, uint64_t now_ns)
{
    for (struct list *at = quarantine->parts.next, *next; at != &quarantine->parts;
         at = next) {
        struct part *part = part_at(at);

        next = at->next;
        if (now_ns - part->since_ns > MEMORY_QUARANTINE_NS || has_ended(part->process))
            give_up(quarantine, part);
    }
}

uint64_t memory_quarantine_bytes(const struct memory_quarantine *quarantine)
{
    return quarantine->bytes;
}
