/*
 * Projection: selects the members of a document that a reply keeps ("a,b.c,items.0.d").
 *
 * '.' separates the names of a path, ',' separates paths. A name may be percent-encoded,
 * so that it can contain both; '%' alone is the empty name. In an array a name is an
 * item's number, and the kept items get new numbers. Members keep the document's order. A
 * container on a path stays, with its selected members, perhaps none. A path that finds
 * nothing has no effect. A document that is no container is kept whole.
 *
 * The time is n log f for a document of n bytes and f names, plus f log f to read the
 * names.
 */
#ifndef OFFLOOP_COMMON_CODEC_OPERATIONS_FIELDS_H
#define OFFLOOP_COMMON_CODEC_OPERATIONS_FIELDS_H

#include "common/codec/msgpack/tape.h"

/* The longest text of fields, and the most names in it. */
#define FIELDS_MAX_BYTES 8192
#define FIELDS_MAX_NAMES 1024

/* The cost of a byte of the text, in units of a budget (codec.h). */
#define FIELDS_PARSE_WORK 8

/* The names of a projection as a tree. */
struct fields;

/* The memory that projection keeps between jobs; all zero is empty. */
struct projection {
    struct tape tape;
};

/* Reads the text. NULL where it is malformed (an empty name, a bad escape) or over a
   limit. The caller ends it with fields_destroy(). */
struct fields *fields_parse(struct slice text);

/* Checks the text with less work than fields_parse(). -1 where fields_parse() refuses it,
   or where it has more than FIELDS_MAX_NAMES names, repeated ones included. */
int fields_check(struct slice text) __attribute__((warn_unused_result));

/* Frees the tree; *fields may be NULL. */
void fields_destroy(struct fields **fields);

/* Appends what the fields keep of each of the MessagePack values in
   `documents` (back to back) to job->out, as MessagePack. Returns CODEC_OK, or a status
   with the offset in `documents`; CODEC_TOO_LARGE for 4 GiB of them. */
enum codec_status fields_project(struct projection *projection, struct engine_job *job,
                                 const struct fields *fields, struct slice documents)
    __attribute__((warn_unused_result));

/* Frees the memory. */
void projection_free(struct projection *projection);

#endif
