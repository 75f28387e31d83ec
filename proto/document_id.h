/*
 * The id by which a crash report names a document (PROTOCOL.md): its length
 * and a hash of its bytes, so that whoever compares needs to hash only
 * documents of the same length. Not a secret and no proof against malice: all
 * that a forged one could do is to have a document refused for ten minutes.
 *
 * Pure; any thread may call, and signal handlers.
 */
#ifndef OFFLOOP_PROTO_DOCUMENT_ID_H
#define OFFLOOP_PROTO_DOCUMENT_ID_H

#include "proto/wire.h"

/* The id of the document whose bytes are those of head and then those of tail. */
void document_id_of(struct slice head, struct slice tail, struct wire_id *id_r);

/* True where a document of that length could have that id. */
bool document_id_has_length(const struct wire_id *id, uint64_t length);

/* True where the ids are the same. */
bool document_id_is(const struct wire_id *a, const struct wire_id *b);

#endif
