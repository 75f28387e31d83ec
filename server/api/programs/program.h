/*
 * The program of a request: `?jq=`, `?view=` or the body of a PATCH, with the arguments
 * `?arg.NAME=`, put together as the codec takes it (program_argument.h). What the request
 * may not do is refused here.
 *
 * The loop thread only. A program belongs to its exchange.
 */
#ifndef OFFLOOP_SERVER_API_PROGRAMS_PROGRAM_H
#define OFFLOOP_SERVER_API_PROGRAMS_PROGRAM_H

#include "server/api/exchange.h"

/* The media type of a PATCH whose body is a program. */
#define PROGRAM_MEDIA "application/jq"

struct program {
    struct stats_program *row; /* where it is counted */
    struct buf text;
    struct buf arguments;  /* a MessagePack map */
    struct blob *argument; /* of a call on the document that the route names */
    uint64_t hash;         /* of all but the document's name; not 0 */
};

/* Gives the exchange the program that its query asks for, if it does. Returns -1 where it
   must not or cannot: it is answered. */
int program_of_query(struct exchange *e) __attribute__((warn_unused_result));

/* What a PATCH of this client may carry: the "Accept-Patch: ..." line (RFC 5789 section
   3.1) of OPTIONS and a 415, and a text for people. Static texts. */
const char *program_accept_patch(const struct exchange *e);
const char *program_patch_types(const struct exchange *e);

/* True where the exchange may bring a program of its own; else it is answered. */
bool program_may_be_own(struct exchange *e);

/* Gives the exchange a program of its own with that text. Returns as above. */
int program_of_body(struct exchange *e, struct slice text)
    __attribute__((warn_unused_result));

/* Sets a call's transformation for the document that the route names. */
void program_put_call(const struct exchange *e, struct codec_call *call);

/* A call's argument for documents with these names, a '\n' behind each; data NULL for
   none. One reference. */
struct blob *program_argument_for(const struct exchange *e, struct slice ids);

/* Counts the exchange's program, if it has one, by the status of its reply. */
void program_count(const struct exchange *e, int status);

/* Frees what the exchange has; none is allowed. */
void program_free(struct exchange *e);

#endif
