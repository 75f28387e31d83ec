/*
 * What a client asks for, and whether it was answered rightly: the reply is compared with
 * what the store held between the request's first byte and the reply's last.
 */
#ifndef OFFLOOP_TESTS_SIMULATION_CLIENTS_SIM_REQUEST_H
#define OFFLOOP_TESTS_SIMULATION_CLIENTS_SIM_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "tests/simulation/clients/sim_document.h"
#include "tests/simulation/clients/sim_reply.h"
#include "tests/simulation/system/sim_world.h"

/* Lines of a bulk load, at most. */
#define SIM_LINES_MAX 24

enum sim_ask {
    SIM_GET,
    SIM_GET_FIELDS,
    SIM_GET_PRETTY,
    SIM_GET_PROGRAM,
    SIM_GET_MSGPACK,
    SIM_GET_CHANGED, /* If-None-Match */
    SIM_HEAD,
    SIM_PUT,
    SIM_PUT_MSGPACK,
    SIM_PUT_NEW,     /* If-None-Match: * */
    SIM_PUT_VERSION, /* If-Match */
    SIM_PUT_BROKEN,  /* no document */
    SIM_DELETE,
    SIM_PATCH,
    SIM_POST,
    SIM_BULK,
    SIM_LIST,
    SIM_LIST_LINES,
    SIM_LIST_MSGPACK,
    SIM_COLLECTIONS,
    SIM_MALFORMED, /* no request */
    SIM_ASKS
};

struct sim_request {
    enum sim_ask ask;
    unsigned name;   /* of the document, or one of its collection */
    unsigned number; /* of the write; of the first line of a bulk load */
    unsigned lines;
    uint64_t version; /* of the condition */
    struct sim_document document;
    struct buf bytes; /* to be sent; freed by the caller */
    uint64_t begun_ns;
};

/* Makes up a request that is sent from now on. */
void sim_request_make(struct sim_random *random, struct sim_request *request_r);

/* Checks the reply. */
void sim_request_check(const struct sim_request *request, const struct sim_reply *reply);

/* True where its reply may be cut short, so that nobody takes the part for the whole: a
   list that could not become what its head promised, or could not be continued. */
bool sim_request_may_be_cut(const struct sim_request *request);

#endif
