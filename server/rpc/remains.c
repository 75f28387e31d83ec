#include "server/rpc/remains.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>

#include "common/alloc.h"
#include "common/blob.h"
#include "common/list.h"

struct part {
    struct list link;
    struct blob *blob;
    pid_t process;
    uint64_t since_ns;
};

struct remains {
    uint64_t max_bytes;
    uint64_t bytes;
    struct list parts; /* oldest first */
};

struct remains *remains_create(uint64_t max_bytes)
{
    struct remains *remains = mem_zalloc(sizeof *remains);

    remains->max_bytes = max_bytes;
    list_init(&remains->parts);
    return remains;
}

static struct part *part_at(struct list *link)
{
    return container_of(link, struct part, link);
}

static void give_up(struct remains *remains, struct part *part)
{
    assert(remains->bytes >= part->blob->bytes.len);
    remains->bytes -= part->blob->bytes.len;
    list_remove(&part->link);
    blob_unref(&part->blob);
    mem_free(part);
}

void remains_destroy(struct remains **remains)
{
    if (*remains == NULL)
        return;
    while (!list_is_empty(&(*remains)->parts))
        give_up(*remains, part_at((*remains)->parts.next));
    mem_free(*remains);
    *remains = NULL;
}

void remains_add(struct remains *remains, struct blob **blob, pid_t process,
                 uint64_t now_ns)
{
    struct part *part = mem_alloc(sizeof *part);

    *part = (struct part){.blob = *blob, .process = process, .since_ns = now_ns};
    *blob = NULL;
    list_init(&part->link);
    list_append(&remains->parts, &part->link);
    remains->bytes += part->blob->bytes.len;
    while (remains->bytes > remains->max_bytes)
        give_up(remains, part_at(remains->parts.next));
}

/* Another process may have its number by now: then time has to pass. */
static bool has_ended(pid_t process)
{
    return process > 0 && kill(process, 0) != 0 && errno == ESRCH;
}

void remains_tick(struct remains *remains, uint64_t now_ns)
{
    for (struct list *at = remains->parts.next, *next; at != &remains->parts; at = next) {
        struct part *part = part_at(at);

        next = at->next;
        if (now_ns - part->since_ns > REMAINS_NS || has_ended(part->process))
            give_up(remains, part);
    }
}

uint64_t remains_bytes(const struct remains *remains)
{
    return remains->bytes;
}
