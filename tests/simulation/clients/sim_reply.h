/*
 * What a client reads: one reply at a time, off the start of the bytes that have come.
 */
#ifndef OFFLOOP_TESTS_SIMULATION_CLIENTS_SIM_REPLY_H
#define OFFLOOP_TESTS_SIMULATION_CLIENTS_SIM_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"

struct sim_reply {
    int status;
    bool closes;      /* Connection: close */
    uint64_t version; /* of the ETag; 0 where there is none */
    char location[128];
    struct buf body; /* freed by the caller */
};

enum sim_reply_end {
    SIM_REPLY_MORE,  /* it is not whole yet */
    SIM_REPLY_WHOLE, /* and taken off the bytes */
    SIM_REPLY_BAD    /* it is no reply */
};

/* Reads a reply; one to HEAD has no body. */
enum sim_reply_end sim_reply_take(struct buf *bytes, bool to_head,
                                  struct sim_reply *reply_r);

#endif
