/*
 * The documents of the simulation, printed and read by code of its own, so that the codec
 * is checked and not asked. A document says which request wrote it and which patch was
 * the last one applied to it: {"w":17,"pad":"ccc","m":5}.
 */
#ifndef OFFLOOP_TESTS_SIMULATION_CLIENTS_SIM_DOCUMENT_H
#define OFFLOOP_TESTS_SIMULATION_CLIENTS_SIM_DOCUMENT_H

#include <stdbool.h>

#include "common/base/buf.h"

struct sim_document {
    unsigned written; /* number of the write that made it */
    unsigned patched; /* number of the last patch; 0 for none */
    unsigned padding; /* bytes that follow from `written` */
};

/* True where they are the same. */
bool sim_document_is(const struct sim_document *a, const struct sim_document *b);

/* Append it as compact JSON, as indented JSON, and as MessagePack. */
void sim_document_put_json(const struct sim_document *document, struct buf *out);
void sim_document_put_pretty(const struct sim_document *document, struct buf *out);
void sim_document_put_msgpack(const struct sim_document *document, struct buf *out);

/* Takes a document off the start of compact JSON, or of MessagePack; -1 where none is
   there. */
int sim_document_take_json(struct slice *text, struct sim_document *document_r);
int sim_document_take_msgpack(struct slice *bytes, struct sim_document *document_r);

/* True where the bytes are those. */
bool sim_slice_is(struct slice bytes, struct slice others);

/* Takes the text off the start; false where it is not there. */
bool sim_slice_take(struct slice *from, const char *text);

#endif
