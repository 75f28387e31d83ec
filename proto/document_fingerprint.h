/*
 * The fingerprint by which a crash report names a document (PROTOCOL.md): its length
 * and a hash of its bytes, so that whoever compares needs to hash only
 * documents of the same length. Of a long document only parts are hashed: fronts
 * compare on their loops, and it takes them a fifth of a millisecond at most. Not a
 * secret and no proof against malice: a front believes a crash only of documents
 * that workers had which it lost itself.
 *
 * Pure; any thread may call, and signal handlers.
 */
#ifndef OFFLOOP_PROTO_DOCUMENT_FINGERPRINT_H
#define OFFLOOP_PROTO_DOCUMENT_FINGERPRINT_H

#include "proto/wire.h"

/* Up to this length all bytes count; of longer documents so many at each end, and so many
   pieces of this length between them, whose starts are evenly spread. */
#define DOCUMENT_FINGERPRINT_WHOLE_BYTES  ((size_t)256 << 10)
#define DOCUMENT_FINGERPRINT_END_BYTES    ((size_t)64 << 10)
#define DOCUMENT_FINGERPRINT_SAMPLES      32
#define DOCUMENT_FINGERPRINT_SAMPLE_BYTES ((size_t)4 << 10)

/* The id of the document whose bytes are those of head and then those of tail. */
void document_fingerprint_of(struct slice head, struct slice tail, struct wire_id *id_r);

/* True where a document of that length could have that id. */
bool document_fingerprint_has_length(const struct wire_id *id, uint64_t length);

/* True where the ids are the same. */
bool document_fingerprint_is(const struct wire_id *a, const struct wire_id *b);

#endif
