#include "server/jobs/place/jobs_poison.h"

#include <assert.h>
#include <string.h>

#include "common/base/log.h"
#include "proto/document_fingerprint.h"

void jobs_poison_init(struct jobs_poison *poison)
{
    memset(poison, 0, sizeof *poison);
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
        if (document_fingerprint_is(&poison->entries[i].document, document))
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

static bool is_forgotten(const struct poison_suspect *suspect, uint64_t now_ns)
{
    return suspect->losses == 0 || suspect->last_ns + POISON_NS <= now_ns;
}

/* True where the first is the better one to give its place away. */
static bool goes_before(const struct poison_suspect *a, const struct poison_suspect *b,
                        uint64_t now_ns)
{
    if (is_forgotten(a, now_ns) != is_forgotten(b, now_ns))
        return is_forgotten(a, now_ns);
    if (a->losses != b->losses)
        return a->losses < b->losses;
    return a->last_ns < b->last_ns;
}

static void note_loss(struct jobs_poison *poison, const struct wire_id *document,
                      uint64_t now_ns)
{
    struct poison_suspect *place = &poison->suspects[0];

    for (unsigned i = 0; i < POISON_SUSPECTS; i++) {
        struct poison_suspect *suspect = &poison->suspects[i];

        if (!is_forgotten(suspect, now_ns) &&
            document_fingerprint_is(&suspect->document, document)) {
            suspect->losses += suspect->last_ns != now_ns; /* a worker counts once */
            suspect->last_ns = now_ns;
            return;
        }
        if (goes_before(suspect, place, now_ns))
            place = suspect;
    }
    *place = (struct poison_suspect){*document, 1, now_ns};
}

void jobs_poison_note_loss(struct jobs_poison *poison, const struct wire_id *documents,
                           unsigned count, uint64_t now_ns)
{
    for (unsigned i = 0; i < count; i++)
        note_loss(poison, &documents[i], now_ns);
}

/* Workers that were lost lately and had the document. */
static unsigned losses(const struct jobs_poison *poison, const struct wire_id *document,
                       uint64_t now_ns)
{
    for (unsigned i = 0; i < POISON_SUSPECTS; i++) {
        const struct poison_suspect *suspect = &poison->suspects[i];

        if (!is_forgotten(suspect, now_ns) &&
            document_fingerprint_is(&suspect->document, document))
            return suspect->losses;
    }
    return 0;
}

static unsigned times(const struct wire_crash *crashes, unsigned count,
                      const struct wire_id *document)
{
    unsigned found = 0;

    for (unsigned i = 0; i < count; i++)
        found += document_fingerprint_is(&crashes[i].document, document);
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

        if (holds(poison, document) || times(crashes, count, document) < POISON_CRASHES ||
            losses(poison, document, now_ns) < POISON_CRASHES)
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
        if (!document_fingerprint_has_length(&poison->entries[i].document, length))
            continue;
        document_fingerprint_of(call->in, call->argument, &document);
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
        if (!document_fingerprint_has_length(&crashes[i].document, length))
            continue;
        document_fingerprint_of(call->in, call->argument, &document);
        return times(crashes, count, &document) > 0;
    }
    return false;
}
