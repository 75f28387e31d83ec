/*
 * A document as a reply: how stored bytes become the representation that the request
 * asks for, and its head. What GET, HEAD and PATCH share.
 */
#ifndef OFFLOOP_SERVER_API_DOCUMENT_DOCUMENT_REPLY_H
#define OFFLOOP_SERVER_API_DOCUMENT_DOCUMENT_REPLY_H

#include "server/api/exchange.h"

/* The job that turns a stored document into the reply's bytes; false where they are the
   stored ones. *call_r is whole but for the limits. */
bool document_reply_plan(const struct exchange *e, enum store_format format,
                         struct slice stored, struct codec_call *call_r);

/* Replies 200 with those bytes: plain, or as the job left them (gzip). Of a program's
   results, 204 where there is none; several, of a reply that is NDJSON, are streamed. */
void document_reply_send(struct exchange *e, uint64_t version, struct blob *body);

#endif
