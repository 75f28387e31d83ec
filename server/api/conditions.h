/*
 * The conditions that a request puts on a document (RFC 9110 section 13): If-Match, then
 * If-None-Match, both on the document's version. Dates are not kept, so If-Modified-Since
 * and If-Unmodified-Since are ignored, as section 13.1 asks for.
 *
 * The loop thread only; the fields stay in the request.
 */
#ifndef OFFLOOP_SERVER_API_CONDITIONS_H
#define OFFLOOP_SERVER_API_CONDITIONS_H

#include "server/http/http.h"
#include "server/store/store.h"

struct conditions {
    struct slice match, none_match; /* data NULL where there is no such field */
};

/* What they come to for a write. */
enum conditions_plan {
    CONDITIONS_STORE, /* the store can check them, with one store_condition */
    CONDITIONS_READ   /* the version must be read first and given to conditions_hold() */
};

/* Takes the fields from a request. Returns NULL, or a static text that says which is
   malformed. */
const char *conditions_read(struct http_exchange *x, struct conditions *conditions_r);

/* How to check them for a write; where it says STORE, put's condition is set. */
enum conditions_plan conditions_plan(const struct conditions *conditions,
                                     struct store_put *put);

/* True where If-Match allows a request on a document of that version. */
bool conditions_match(const struct conditions *conditions, uint64_t version);

/* True where both fields allow changing a document of that version. */
bool conditions_hold(const struct conditions *conditions, uint64_t version);

/* Why a request's If-Match or If-None-Match does not hold, for people: where proxies have
   changed the tags so that they never will, it says that. Static text. */
const char *conditions_failed_text(struct http_exchange *x);

/* True where they allow writing a document that is not there. */
bool conditions_hold_absent(const struct conditions *conditions);

#endif
