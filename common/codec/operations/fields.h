/*
 * Projection: which members of a document a reply keeps ("a,b.c,items.0.d").
 *
 * A path's names are separated by '.', paths by ','; a name may be percent-
 * encoded, so that it can hold both, and '%' alone is the empty name. On an array a name
 * is an item's number; kept items close up. Members keep the document's order. A
 * container that a path leads through stays, with what is wanted of it, perhaps nothing;
 * what a path does not find is left out. A document that is no container is kept whole.
 *
 * Time is n log f for a document of n bytes and f names, and f log f for reading the
 * names.
 */
#ifndef OFFLOOP_COMMON_CODEC_OPERATIONS_FIELDS_H
#define OFFLOOP_COMMON_CODEC_OPERATIONS_FIELDS_H

#include "common/codec/msgpack/tape.h"

/* Longest text of fields, and most names in it. */
#define FIELDS_MAX_BYTES 8192
#define FIELDS_MAX_NAMES 1024

/* What reading a byte of the text takes, in units of a budget (codec.h). */
#define FIELDS_PARSE_WORK 8

/* The names of a projection as a tree. */
struct fields;

/* What projecting keeps between jobs; all zero is empty. */
struct projection {
    struct tape tape;
};

/* Reads the text; NULL where it is malformed (an empty name, a broken escape) or over a
   limit. The caller ends it with fields_destroy(). */
struct fields *fields_parse(struct slice text);

/* 0 where fields_parse() takes the text, without the work of it; -1 where it does not, or
   where the text has more than FIELDS_MAX_NAMES names, the same ones counted again. */
int fields_check(struct slice text) __attribute__((warn_unused_result));

/* Frees; NULL inside is allowed. */
void fields_destroy(struct fields **fields);

/* Appends what the fields keep of each of the MessagePack values in
   `documents` (back to back) to job->out, as MessagePack. Returns CODEC_OK, or a status
   with the offset in `documents`; CODEC_TOO_LARGE for 4 GiB of them. */
enum codec_status fields_project(struct projection *projection, struct engine_job *job,
                                 const struct fields *fields, struct slice documents)
    __attribute__((warn_unused_result));

/* Frees what is kept. */
void projection_free(struct projection *projection);

#endif
