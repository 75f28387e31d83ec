/*
 * The kinds of exchanges, one for each thing that a client can ask for. Each is
 * defined in the file that it is named after; api.c chooses among them. Inside
 * the api room, on the front's loop.
 */
#ifndef OFFLOOP_SERVER_API_EXCHANGE_KINDS_H
#define OFFLOOP_SERVER_API_EXCHANGE_KINDS_H

#include "server/api/exchange.h"

const struct exchange_kind *document_read_kind(void);
const struct exchange_kind *document_put_kind(void);
const struct exchange_kind *document_post_kind(void);
const struct exchange_kind *document_delete_kind(void);
const struct exchange_kind *document_patch_kind(void);
const struct exchange_kind *bulk_kind(void);
const struct exchange_kind *listing_kind(void);
const struct exchange_kind *collections_kind(void);
const struct exchange_kind *openapi_kind(void);

#endif
