/*
 * What a codec call asks for beyond a job's own members, as the `options` bytes
 * of a job (wire.h, PROTOCOL.md "Options"): absent for a call that asks for
 * nothing of it. The call's argument follows its input in the payload. Pure; any thread
 * may call.
 */
#ifndef OFFLOOP_PROTO_CALL_OPTIONS_H
#define OFFLOOP_PROTO_CALL_OPTIONS_H

#include "common/codec/codec.h"

/* Appends the options of a call; nothing where all are the defaults. At most
   WIRE_MAX_OPTIONS_BYTES: call.fields must be no longer than CALL_OPTIONS_MAX_FIELDS. */
void call_options_put(struct buf *out, const struct codec_call *call);

/* The same from the parts as PROTOCOL.md has them, for one that knows no more of them. */
void call_options_put_parts(struct buf *out, unsigned flags, uint64_t argument_bytes,
                            uint64_t max_expanded, struct slice fields);

/* Longest call.fields that can travel. */
#define CALL_OPTIONS_MAX_FIELDS 8128

/* Reads options into a call whose op and in are set, `in` being the whole payload: the
   argument is the end of it. Slices point into the options and the payload.
   Returns 0, or -1 where they are malformed or do not fit the call: the sender's fault.
 */
int call_options_read(struct slice options, struct codec_call *call)
    __attribute__((warn_unused_result));

/* Notes in a call what options say that changes what it costs and how far into its input
   a fault can be, for one that only passes them on: flags that this side does not know
   are no fault, and neither are options that cannot be read. The call's input stays
   whole. */
void call_options_glance(struct slice options, struct codec_call *call);

#endif
