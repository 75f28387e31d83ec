/*
 * Items of an export: a document with its name, {"id": "name", "document": any
 * value}, as CODEC_OP_BULK takes them. What stands before a document, and
 * behind it. Pure; one thread at a time. Used by codec.c.
 */
#ifndef OFFLOOP_COMMON_CODEC_ITEMS_H
#define OFFLOOP_COMMON_CODEC_ITEMS_H

#include "common/codec/engine.h"

/* The most bytes of an item that are not its document, by the bytes of its name and the
   '\n' behind it: what a job's output may grow by for each byte of names. */
#define ITEMS_BYTES_PER_NAME_BYTE 12

/* Takes the first name, up to its '\n', off *names. Returns CODEC_OK, or CODEC_NAME where
   there is none or it is no name: so a name needs no escape in JSON. */
enum codec_status items_next_name(struct engine_job *job, struct slice *names,
                                  struct slice *name_r)
    __attribute__((warn_unused_result));

/* Appends what stands in JSON before a document of that name. Returns CODEC_OK,
   CODEC_TOO_LARGE or CODEC_MEMORY. */
enum codec_status items_open(struct engine_job *job, struct slice name)
    __attribute__((warn_unused_result));

/* Appends what stands in JSON behind the document; returns as items_open(). */
enum codec_status items_close(struct engine_job *job) __attribute__((warn_unused_result));

/* Appends all of job->in, MessagePack values back to back, as the items of those names.
   Returns CODEC_OK, or a status with the offset in job->in. */
enum codec_status items_pack(struct engine_job *job, struct slice names)
    __attribute__((warn_unused_result));

#endif
