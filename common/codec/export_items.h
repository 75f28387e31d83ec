/*
 * Items of an export: a document with its name, {"id": "name", "document": any value}, as
 * CODEC_OP_BULK reads them. These functions write the bytes before and after a document.
 * Pure; one thread at a time. Used by codec.c.
 */
#ifndef OFFLOOP_COMMON_CODEC_EXPORT_ITEMS_H
#define OFFLOOP_COMMON_CODEC_EXPORT_ITEMS_H

#include "common/codec/engine.h"

/* An item has at most so many bytes beside its document, for each byte of its name and
   the
   '\n' after the name. It limits the growth of a job's output. */
#define EXPORT_ITEMS_BYTES_PER_NAME_BYTE 12

/* Removes the first name and its '\n' from *names. Returns CODEC_OK, or CODEC_NAME where
   there is no valid name. A valid name needs no escape in JSON. */
enum codec_status export_items_next_name(struct engine_job *job, struct slice *names,
                                         struct slice *name_r)
    __attribute__((warn_unused_result));

/* Appends the JSON before a document of that name. Returns CODEC_OK, CODEC_TOO_LARGE or
   CODEC_MEMORY. */
enum codec_status export_items_open(struct engine_job *job, struct slice name)
    __attribute__((warn_unused_result));

/* Appends the JSON after the document. Returns as export_items_open(). */
enum codec_status export_items_close(struct engine_job *job)
    __attribute__((warn_unused_result));

/* Appends all of job->in, MessagePack values one after another, as items of those names.
   Returns CODEC_OK, or a status with the offset in job->in. */
enum codec_status export_items_pack(struct engine_job *job, struct slice names)
    __attribute__((warn_unused_result));

#endif
