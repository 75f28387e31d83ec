/*
 * What an error reply of Redis means for a request. Pure; any thread may call.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_LINK_REDIS_ERROR_H
#define OFFLOOP_SERVER_STORE_REDIS_LINK_REDIS_ERROR_H

#include "server/store/store.h"

/* What to do about an error, besides the status. */
enum redis_remedy {
    REDIS_REMEDY_NONE,
    REDIS_REMEDY_LOAD,     /* the script is not known any more: send its text */
    REDIS_REMEDY_REPLICA,  /* no writes here until it is a master again */
    REDIS_REMEDY_MOVED,    /* another node of the cluster has the slot */
    REDIS_REMEDY_ASK,      /* another node has it for this command */
    REDIS_REMEDY_WAIT,     /* the slot is on its way to another node */
    REDIS_REMEDY_NEW_MAP,  /* the cluster is not whole: its map may have changed */
    REDIS_REMEDY_RECONNECT /* this connection is of no more use to us */
};

/* An error that was read. */
struct redis_error {
    const char *code; /* "OOM"; "" for an error that is not in the table */
    enum store_status status;
    enum redis_remedy remedy;
};

/* Reads an error's text ("OOM command not allowed …"), also if a script of an older Redis
   wraps it ("ERR Error running script …: -OOM …"). */
struct redis_error redis_error_read(const char *text, size_t len);

#endif
