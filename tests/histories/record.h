/*
 * The lines of a history: one for each operation, written when its outcome is known.
 *
 * A line has ten fields with a space between; '-' stands for nothing:
 *
 *     CLIENT START END KIND NAME CONDITION VALUE STATUS TAG RESULT
 *
 * START and END are nanoseconds of CLOCK_MONOTONIC, before the request's first byte was
 * sent and after the reply's last byte came; END is 0 where no whole reply came, and then
 * STATUS is 0 too. Behind STATUS comes '?' where the operation may have happened although
 * nobody said so, and '!' where it must not have happened.
 *
 * KIND        NAME      CONDITION           VALUE          TAG            RESULT
 * get         h0/k001   - n17 (None-Match)  -              version        n/p/w
 * put         h0/k001   - m17 m* n17 n*     its w          version        -
 * merge       h0/k001   - m17               its p          version        n/p/w
 * jq          h0/k001   - m17               its p          version        n/p/w
 * delete      h0/k001   - m17               -              -              -
 * list        h0        `after`             `limit`, or 0  the Link's id  k001=n/p/w,…
 * bulk        h0        -                   k001=w,…       lines stored   lines that
 * failed wrong       h0/k001   -                   -              -              what is
 * wrong
 *
 * A failed line is its number and '?' where it may have been stored, else '!'.
 *
 * A wrong reply (a status that the contract does not have, a body that none of the
 * operations can have made) has what is wrong and the first bytes of its body instead.
 */
#ifndef OFFLOOP_TESTS_HISTORIES_RECORD_H
#define OFFLOOP_TESTS_HISTORIES_RECORD_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "tests/histories/operation.h"

/* What came back; the text lies in the connection's buffer. */
struct record_reply {
    unsigned status; /* 0 where no whole reply came */
    uint64_t tag;    /* 0 for none */
    const char *link;
    size_t link_len; /* of the Link field; 0 for none */
    const char *body;
    size_t body_len;
};

/* Writes the operation's line, and learns the versions that the reply shows. If a list
   goes on at a Link, the client may follow it: next_r->after is where then, else empty.
 */
void record_write(FILE *history, const struct operation *op, unsigned client,
                  const struct record_reply *reply, uint64_t end_ns,
                  struct operation_space *space, struct operation *next_r);

#endif
