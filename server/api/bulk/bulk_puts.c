#include "server/api/bulk/bulk_puts.h"

#include <assert.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"

/* Writes between two looks at the clock. */
#define ROUND_SLICE 16

enum put_state {
    PUT_FLIES,   /* with the store */
    PUT_REFUSED, /* the store was down and did not take it, or it has to wait for another:
                    to be written (again) */
    PUT_SETTLED  /* counted */
};

struct bulk_put {
    struct list link;
    struct list slow; /* in the owner's while it flies and must not be overtaken */
    struct bulk_puts *owner;
    struct store_put put;
    enum put_state state;
    bool stored;                     /* where settled */
    bool unsure;                     /* where settled: it may have been stored */
    const struct bulk_put *replaced; /* where refused: by which; see mark_replaced() */
    uint64_t line;
    struct blob *document; /* and id: both lie in the records it holds */
    size_t bytes;
};

/* A part of a blob as a blob of its own, without a copy. */
struct blob_part {
    struct blob blob;
    struct blob *whole;
};

static void part_release(struct blob *blob)
{
    struct blob_part *part = container_of(blob, struct blob_part, blob);

    blob_unref(&part->whole);
    mem_free(part);
}

static struct blob *part_new(struct blob *whole, struct slice bytes)
{
    struct blob_part *part = mem_alloc(sizeof *part);

    part->blob = (struct blob){.bytes = bytes, .refs = 1, .release = part_release};
    part->whole = blob_ref(whole);
    return &part->blob;
}

static struct bulk_put *put_at(struct list *link)
{
    return container_of(link, struct bulk_put, link);
}

void bulk_puts_init(struct bulk_puts *puts, struct exchange *e,
                    struct bulk_report *report, void (*moved)(void *ctx), void *ctx)
{
    *puts = (struct bulk_puts){.e = e, .report = report, .moved = moved, .ctx = ctx};
    list_init(&puts->puts);
    for (size_t i = 0; i < BULK_PUTS_PLACES; i++)
        list_init(&puts->slow[i]);
}

static void put_destroy(struct bulk_put *one)
{
    list_remove(&one->link);
    list_remove(&one->slow);
    one->owner->count--;
    one->owner->e->api->bulk_writes--;
    one->owner->bytes -= one->bytes;
    blob_unref(&one->document);
    mem_free(one);
}

void bulk_puts_free(struct bulk_puts *puts)
{
    while (!list_is_empty(&puts->puts)) {
        store_cancel(&put_at(puts->puts.next)->put.request);
        put_destroy(put_at(puts->puts.next));
    }
    assert(puts->count == 0 && puts->bytes == 0);
}

bool bulk_puts_has_room(const struct bulk_puts *puts)
{
    if (puts->refused > 0 || puts->bytes >= BULK_PUTS_MAX_BYTES)
        return false;
    return puts->count < BULK_PUTS_MIN ||
           (puts->count < BULK_PUTS_MAX && puts->e->api->bulk_writes < BULK_PUTS_ALL);
}

static void settle(struct bulk_put *one, enum store_status status)
{
    one->state = PUT_SETTLED;
    one->stored = status == STORE_OK || status == STORE_CREATED;
    one->unsure = status == STORE_UNSURE;
    if (one->stored)
        one->owner->report->stored++;
    else
        bulk_report_fail(one->owner->report, one->line, store_status_text(status));
}

/* Frees what is settled; those behind an unsettled one stay: see mark_replaced(). */
static void sweep(struct bulk_puts *puts)
{
    while (!list_is_empty(&puts->puts) && put_at(puts->puts.next)->state == PUT_SETTLED)
        put_destroy(put_at(puts->puts.next));
}

static void refuse(struct bulk_put *one)
{
    struct bulk_puts *puts = one->owner;
    uint64_t now_ns = clock_now_ns();

    one->state = PUT_REFUSED;
    puts->refused++;
    puts->retry_at_ns = now_ns + BULK_PUTS_RETRY_MS * NS_PER_MS;
    if (puts->down_since_ns == 0)
        puts->down_since_ns = now_ns;
}

static void on_store_done(struct store_put *put)
{
    struct bulk_put *one = container_of(put, struct bulk_put, put);
    struct bulk_puts *puts = one->owner;

    assert(puts->flying > 0 && one->state == PUT_FLIES);
    puts->flying--;
    list_remove(&one->slow);
    if (put->status == STORE_DOWN) {
        refuse(one);
    } else {
        puts->down_since_ns = 0;
        settle(one, put->status);
        if (!puts->retrying)
            sweep(puts);
    }
    puts->moved(puts->ctx);
}

static uint64_t hash_of_id(const struct bulk_put *one)
{
    return exchange_hash(one->owner->e->api->share_seed, one->put.key.id);
}

/* Where those of its id that a later line must not overtake are. */
static struct list *slow_place(const struct bulk_put *one)
{
    return &one->owner->slow[hash_of_id(one) % BULK_PUTS_PLACES];
}

static void send(struct bulk_put *one)
{
    struct store *store = one->owner->e->api->config.store;

    one->state = PUT_FLIES;
    one->owner->flying++;
    if (one->bytes > BULK_PUTS_SLOW_BYTES || !store_keeps_order(store))
        list_append(slow_place(one), &one->slow);
    store_put(store, &one->put);
}

static bool has_same_id(const struct bulk_put *a, const struct bulk_put *b)
{
    struct slice one = a->put.key.id, other = b->put.key.id;

    return one.len == other.len && memcmp(one.data, other.data, one.len) == 0;
}

/* True where an earlier line of the same id is on a way to the store on which a later one
   could get ahead of it: in several steps, or sent again. */
static bool would_overtake(const struct bulk_put *one)
{
    struct list *slow = slow_place(one);

    for (struct list *at = slow->next; at != slow; at = at->next)
        if (has_same_id(container_of(at, struct bulk_put, slow), one))
            return true;
    return false;
}

/* Until nothing flies any more. */
static void hold_back(struct bulk_put *one)
{
    one->state = PUT_REFUSED;
    one->owner->refused++;
}

void bulk_puts_add(struct bulk_puts *puts, uint64_t line, struct slice id,
                   struct slice document, struct blob *records)
{
    struct bulk_put *one = mem_zalloc(sizeof *one);

    assert(bulk_puts_has_room(puts));
    list_init(&one->link);
    list_init(&one->slow);
    one->owner = puts;
    one->line = line;
    one->document = part_new(records, document);
    one->bytes = document.len;
    one->put.key = (struct store_key){route_collection(&puts->e->route), id};
    one->put.blob = one->document;
    one->put.format = exchange_store_format(puts->e);
    one->put.condition = STORE_ALWAYS;
    one->put.done = on_store_done;
    list_append(&puts->puts, &one->link);
    puts->count++;
    puts->e->api->bulk_writes++;
    puts->bytes += one->bytes;
    if (would_overtake(one))
        hold_back(one);
    else
        send(one);
}

bool bulk_puts_wait(const struct bulk_puts *puts)
{
    return puts->refused > 0 && puts->flying == 0;
}

/* Ids in a table with open addressing, twice as large as the window. */
struct id_table {
    const struct bulk_put *slots[2 * BULK_PUTS_MAX];
};

/* Where the id of that write is, or would be. */
static const struct bulk_put **find(struct id_table *table, const struct bulk_put *one)
{
    uint64_t at = hash_of_id(one);

    for (;; at++) {
        const struct bulk_put **slot = &table->slots[at % (2 * BULK_PUTS_MAX)];

        if (*slot == NULL || has_same_id(*slot, one))
            return slot;
    }
}

/* Marks what was refused and has been replaced by a later line that is stored, or may be:
   to write it now would bring an older document back. */
static void mark_replaced(struct bulk_puts *puts)
{
    struct id_table table = {{NULL}};

    assert(puts->count <= BULK_PUTS_MAX);
    for (struct list *at = puts->puts.prev; at != &puts->puts; at = at->prev) {
        struct bulk_put *one = put_at(at);

        if (one->state == PUT_REFUSED)
            one->replaced = *find(&table, one);
        else if (one->state == PUT_SETTLED &&
                 (one->stored || (one->unsure && *find(&table, one) == NULL)))
            *find(&table, one) = one;
    }
}

/* True where a round of writing again is to begin now. */
static bool round_begins(const struct bulk_puts *puts, uint64_t now_ns)
{
    return bulk_puts_wait(puts) && now_ns >= puts->retry_at_ns;
}

static bool is_down_too_long(const struct bulk_puts *puts, uint64_t now_ns)
{
    return puts->down_since_ns > 0 &&
           now_ns - puts->down_since_ns > BULK_PUTS_DOWN_MS * NS_PER_MS;
}

/* Writes a refused document again, or settles what need not or cannot be written. Returns
   whether it was refused again, or has to wait for one that this round has sent. */
static bool write_again(struct bulk_put *one, bool too_long)
{
    one->owner->refused--;
    if (too_long)
        settle(one, STORE_DOWN);
    else if (one->replaced != NULL)
        settle(one, one->replaced->stored ? STORE_OK : STORE_UNSURE);
    else if (would_overtake(one))
        hold_back(one);
    else
        send(one);
    return one->state == PUT_REFUSED;
}

/* One round, from where it was left. Returns whether it goes on later. */
static bool go_round(struct bulk_puts *puts, bool too_long, uint64_t until_ns)
{
    unsigned done = 0;

    for (struct list *at = puts->puts.next; at != &puts->puts; at = at->next) {
        struct bulk_put *one = put_at(at);

        if (one->state != PUT_REFUSED || one->line <= puts->round_line)
            continue;
        puts->round_line = one->line;
        if (write_again(one, too_long))
            return false; /* it is down still, or busy: the others need not try */
        if (++done % ROUND_SLICE == 0 && clock_now_ns() >= until_ns)
            return true;
    }
    return false;
}

bool bulk_puts_retry(struct bulk_puts *puts, uint64_t until_ns)
{
    uint64_t now_ns = clock_now_ns();
    bool goes_on;

    if (puts->round_line == 0) {
        if (!round_begins(puts, now_ns))
            return false;
        mark_replaced(puts);
    }
    puts->retrying = true; /* nothing is taken out of the list meanwhile */
    goes_on = go_round(puts, is_down_too_long(puts, now_ns), until_ns);
    puts->retrying = false;
    if (!goes_on)
        puts->round_line = 0;
    if (puts->refused == 0)
        puts->down_since_ns = 0;
    sweep(puts);
    return goes_on;
}
