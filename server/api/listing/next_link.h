/*
 * The link of a page of a collection to the next one (RFC 8288). Pure; the loop thread
 * only.
 */
#ifndef OFFLOOP_SERVER_API_LISTING_NEXT_LINK_H
#define OFFLOOP_SERVER_API_LISTING_NEXT_LINK_H

#include "server/api/exchange.h"

/* Appends "Link: <...>; rel="next"": the request again, after the id. */
void next_link_put(const struct exchange *e, struct slice last_id, struct buf *headers);

#endif
