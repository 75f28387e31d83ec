/*
 * What a program makes of a collection, as one MessagePack array: how many results there
 * are must be said before the first of them, so that they are kept until the last run of
 * documents is done.
 *
 * The loop thread only.
 */
#ifndef OFFLOOP_SERVER_API_LISTING_PACKED_RESULTS_H
#define OFFLOOP_SERVER_API_LISTING_PACKED_RESULTS_H

#include "common/base/blob.h"
#include "server/http/http.h"

/* Bytes of results that one reply may keep. */
#define PACKED_RESULTS_MAX_BYTES ((size_t)64 << 20)

struct packed_results {
    struct blob **runs;
    size_t count;
    uint64_t results;
    size_t bytes;
};

/* How taking a run can end. */
enum packed_end { PACKED_TAKEN, PACKED_TOO_LARGE, PACKED_MALFORMED };

/* Takes a reference of a run, an array as PROJECT gives it (codec.h). */
enum packed_end packed_results_take(struct packed_results *packed, struct blob *run);

/* Sends the results, without their array's head. */
void packed_results_send(const struct packed_results *packed, struct http_exchange *x);

/* Lets go of all. */
void packed_results_free(struct packed_results *packed);

#endif
