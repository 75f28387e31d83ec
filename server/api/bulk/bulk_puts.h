/*
 * The documents of a bulk request on their way into the store: a window of
 * writes, counted as stored when they are durable, in the order of the lines,
 * so that of lines with one id the last one wins.
 *
 * A store that is down or has no room for more writes is waited for; then what
 * it did not take is written again, but for documents that a later line has
 * replaced meanwhile. What it may have taken before it was lost is not: another
 * client may have seen and changed it since. Such a line fails, and says why.
 * Loop thread only.
 */
#ifndef OFFLOOP_SERVER_API_BULK_BULK_PUTS_H
#define OFFLOOP_SERVER_API_BULK_BULK_PUTS_H

#include "common/base/list.h"
#include "server/api/bulk/bulk_report.h"
#include "server/api/exchange.h"

/* The window of one request; and while all of them together have so many writes under
   way, half of what a front's store lets wait, each has the least. */
#define BULK_PUTS_MAX       1024
#define BULK_PUTS_MAX_BYTES ((size_t)4 << 20)
#define BULK_PUTS_ALL       2048
#define BULK_PUTS_MIN       64

/* A store may write a document above this in several steps, and one that does not keep
   the order of writes may send any of them again: a later line of the same id waits for
   those. Below what any store takes in one. */
#define BULK_PUTS_SLOW_BYTES ((size_t)32 << 10)

/* A power of two: then few of a window share a place. */
#define BULK_PUTS_PLACES 256

/* How long to wait for a store that is down, and between two tries. */
#define BULK_PUTS_DOWN_MS  10000
#define BULK_PUTS_RETRY_MS 50

struct bulk_puts {
    struct exchange *e;
    struct bulk_report *report;
    void (*moved)(void *ctx);
    void *ctx;
    struct list puts; /* in the order of their lines, from the first unsettled one on */
    struct list slow[BULK_PUTS_PLACES]; /* those that fly and that a later line must not
                                           overtake, by their ids */
    unsigned count;
    size_t bytes;
    unsigned flying;  /* with the store */
    unsigned refused; /* to be written (again), once nothing flies */
    bool retrying;
    uint64_t round_line; /* the last one that was written again in this round; 0 between
                            rounds */
    uint64_t retry_at_ns;
    uint64_t down_since_ns; /* 0 while the store takes writes */
};

/* Makes an empty one; moved is called from the loop when writes have ended. */
void bulk_puts_init(struct bulk_puts *puts, struct exchange *e,
                    struct bulk_report *report, void (*moved)(void *ctx), void *ctx);

/* Forgets all writes; those under way may still happen. */
void bulk_puts_free(struct bulk_puts *puts);

/* True where another document may be added. */
bool bulk_puts_has_room(const struct bulk_puts *puts);

/* Writes a document whose id and bytes lie in `records`, of which a reference is taken.
 */
void bulk_puts_add(struct bulk_puts *puts, uint64_t line, struct slice id,
                   struct slice document, struct blob *records);

/* True where what was refused waits for bulk_puts_retry(), which is to be called every
   BULK_PUTS_RETRY_MS then. */
bool bulk_puts_wait(const struct bulk_puts *puts);

/* Writes again what was refused, when it is time; what was for too long fails. Returns
   true where it is to be called again soon, as until_ns (clock_now_ns() terms) came. */
bool bulk_puts_retry(struct bulk_puts *puts, uint64_t until_ns);

#endif
