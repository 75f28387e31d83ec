#include "server/jobs/place/jobs_poison.h"

#include <assert.h>

#include "common/base/log.h"
#include "proto/document_id.h"

void jobs_poison_init(struct jobs_poison *poison)
{
    poison->count = 0;
}

static void forget_old(struct jobs_poison *poison, uint64_t now_ns)
{
    for (unsigned i = 0; i < poison->count;)
        if (poison->entries[i].until_ns <= now_ns)
            poison->entries[i] = poison->entries[--poison->count];
        else
            i++;
}

static bool holds(const struct jobs_poison *poison, const struct wire_id *document)
{
    for (unsigned i = 0; i < poison->count; i++)
        if (document_id_is(&poison->entries[i].document, document))
            return true;
    return false;
}

static void add(struct jobs_poison *poison, const struct wire_id *document,
                uint64_t now_ns)
{
    unsigned place = 0;

    for (unsigned i = 0; i < poison->count; i++)
        if (poison->entries[i].until_ns < poison->entries[place].until_ns)
            place = i;
    if (poison->count < POISON_MAX)
        place = poison->count++;
    assert(place < POISON_MAX);
    poison->entries[place].document = *document;
    poison->entries[place].until_ns = now_ns + POISON_NS;
    log_warn("a document has crashed %d workers: it is refused for ten minutes",
             POISON_CRASHES);
}

static unsigned times(const struct wire_crash *crashes, unsigned count,
                      const struct wire_id *document)
{
    unsigned found = 0;

    for (unsigned i = 0; i < count; i++)
        found += document_id_is(&crashes[i].document, document);
    return found;
}

bool jobs_poison_take(struct jobs_poison *poison, const struct wire_crash *crashes,
                      unsigned count, uint64_t now_ns)
{
    bool is_news = false;

    assert(count <= WIRE_MAX_CRASHES);
    forget_old(poison, now_ns);
    for (unsigned i = 0; i < count; i++) {
        const struct wire_id *document = &crashes[i].document;

        if (holds(poison, document) || times(crashes, count, document) < POISON_CRASHES)
            continue;
        add(poison, document, now_ns);
        is_news = true;
    }
    return is_news;
}

bool jobs_poison_has(struct jobs_poison *poison, const struct codec_call *call,
                     uint64_t now_ns)
{
    uint64_t length = (uint64_t)call->in.len + call->argument.len;
    struct wire_id document;

    if (poison->count == 0)
        return false;
    forget_old(poison, now_ns);
    for (unsigned i = 0; i < poison->count; i++) {
        if (!document_id_has_length(&poison->entries[i].document, length))
            continue;
        document_id_of(call->in, call->argument, &document);
        return holds(poison, &document);
    }
    return false;
}

bool jobs_poison_names(const struct wire_crash *crashes, unsigned count,
                       const struct codec_call *call)
{
    uint64_t length = (uint64_t)call->in.len + call->argument.len;
    struct wire_id document;

    for (unsigned i = 0; i < count; i++) {
        if (!document_id_has_length(&crashes[i].document, length))
            continue;
        document_id_of(call->in, call->argument, &document);
        return times(crashes, count, &document) > 0;
    }
    return false;
}
