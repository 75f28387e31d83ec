/*
 * What all requests in flight to Redis have in common, and the verbs that carry
 * them out: each makes a flight, sends, and ends the request by its done.
 *
 * A cancelled flight stays behind until its last reply has come: hiredis cannot
 * take a command back. Loop thread only.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_REDIS_FLIGHT_H
#define OFFLOOP_SERVER_STORE_REDIS_REDIS_FLIGHT_H

#include "common/base/list.h"
#include "server/store/redis/place/redis_servers.h"
#include "server/store/redis/redis_layout.h"
#include "server/store/store_backend.h"

/* Documents up to this travel in one command; larger ones in pieces of it, so that no
   step, here or in Redis, grows with the document. */
#define REDIS_PIECE_BYTES 65536

/* The pieces of an upload: larger, since Redis may flush its log to the disk for each. */
#define REDIS_UPLOAD_BYTES 262144

/* Pieces of one document under way at a time. */
#define REDIS_PIECES 8

/* Redirections and pauses of one flight before it is DOWN: a second in all. */
#define REDIS_TRIES       40
#define REDIS_TRY_PAUSE_S 0.025

/* The head of every flight. */
struct redis_flight {
    struct store_flight flight; /* first: store_cancel() has its address */
    struct redis_call call;
    struct redis_servers *servers;
    struct redis_conn *conn; /* where its commands go; NULL for nowhere */
    struct slice key;        /* a key, or a collection's name, that lies there */
    unsigned tries;
    bool cancelled;  /* the request is gone */
    bool as_text;    /* scripts go as text: Redis has lost them */
    bool asking;     /* conn takes its commands only behind ASKING */
    bool delayed;    /* its next command waits a moment */
    bool unsent;     /* its last NULL reply is for a command that was never sent */
    unsigned behind; /* commands of it that wait; others wait behind them */
};

/* Makes a flight the one of a request; its cancel only marks it. The key's bytes must
   stay until the request is done or cancelled. */
void redis_flight_init(struct redis_flight *flight, struct redis_servers *servers,
                       struct store_request *request, struct slice key,
                       void (*on_reply)(struct redis_call *, const struct redisReply *));

/* Sends the flight's next commands to where another key lies. */
void redis_flight_turn_to(struct redis_flight *flight, struct slice key);

/* Sends a command; its reply, or NULL, goes to the flight's on_reply. -1 where it cannot
   be sent: then on_reply is not called. */
int redis_flight_send(struct redis_flight *flight, const struct redis_command *args)
    __attribute__((warn_unused_result));

/* The hub's part in what redis_flight_send() delays; the second ends all of it. */
void redis_flight_init_delays(struct redis_servers *servers);
void redis_flight_end_delays(struct redis_servers *servers);

/* The flight of a call. */
static inline struct redis_flight *redis_flight_of(struct redis_call *call)
{
    return container_of(call, struct redis_flight, call);
}

/* Begins a script's call, as redis_command_script() does. */
void redis_flight_script(const struct redis_flight *flight, struct redis_command *args,
                         enum redis_script script, int keys);

/* How a reply ends a request as far as it is an error or none (NULL): OK where it is
   neither. *again_r where the command is to be sent again: a script as text, or anything
   to another node. */
enum store_status redis_flight_status(struct redis_flight *flight,
                                      const struct redisReply *reply, bool *again_r);

/* Logs that what a key holds is not ours, and gives STORE_ERROR. */
enum store_status redis_flight_damaged(const char *what, struct slice collection,
                                       struct slice id);

/* redis_get.c: reads a document, large ones piece by piece. Where that gives up because
   the document changes all the time, it is fetched whole. */
void redis_get(struct redis_servers *servers, struct store_get *get);

/* redis_learn.c: see store.h. */
void redis_learn(struct redis_servers *servers, struct store_learn *learn);

/* redis_put.c: writes or deletes a document, large ones by way of an upload. */
void redis_put(struct redis_servers *servers, struct store_put *put);

/* redis_list.c: see store.h. */
void redis_list(struct redis_servers *servers, struct store_list *list);

/* redis_list.c: counts by ranks; it costs the same for any number. */
void redis_count(struct redis_servers *servers, struct store_count *count);

/* redis_names.c: see store.h. */
void redis_collections(struct redis_servers *servers,
                       struct store_collections *collections);

#endif
