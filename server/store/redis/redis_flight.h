/*
 * A request in flight to Redis: where its commands go, how they are sent again
 * after a redirection or a lost script, and what a reply means for the request.
 *
 * A cancelled flight stays until its last reply has come, because hiredis cannot
 * take a command back. Loop thread only.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_REDIS_FLIGHT_H
#define OFFLOOP_SERVER_STORE_REDIS_REDIS_FLIGHT_H

#include "common/base/list.h"
#include "server/store/redis/place/redis_servers.h"
#include "server/store/redis/redis_layout.h"
#include "server/store/store_backend.h"

/* A document up to this size travels in one command, a larger one in pieces of this size,
   so that no step, here or in Redis, grows with the document. */
#define REDIS_PIECE_BYTES 65536

/* The pieces of an upload. They are larger, because Redis may flush its log to the disk
   for each. */
#define REDIS_UPLOAD_BYTES 262144

/* Pieces of one document under way at a time. */
#define REDIS_PIECES 8

/* Redirections and pauses of one flight before it ends as DOWN: a second in all. */
#define REDIS_TRIES       40
#define REDIS_TRY_PAUSE_S 0.025

/* The head of every flight. */
struct redis_flight {
    struct store_flight flight; /* first: store_cancel() has its address */
    struct redis_call call;
    struct redis_servers *servers;
    struct redis_conn *conn; /* where its commands go; NULL for nowhere */
    struct slice key;        /* a key of that server, or a collection's name */
    unsigned tries;
    bool cancelled;  /* the request is gone */
    bool as_text;    /* scripts go as text: Redis has lost them */
    bool asking;     /* conn takes a command only after ASKING */
    bool delayed;    /* its next command waits a moment */
    bool unsent;     /* its last NULL reply is for a command that was never sent */
    unsigned behind; /* its commands that wait; later ones wait too, to keep the order */
};

/* Begins a request's flight. Its cancel only marks it. The key's bytes must stay until
   the request is done or cancelled. */
void redis_flight_init(struct redis_flight *flight, struct redis_servers *servers,
                       struct store_request *request, struct slice key,
                       void (*on_reply)(struct redis_call *, const struct redisReply *));

/* The flight's next commands go to the server of another key. */
void redis_flight_turn_to(struct redis_flight *flight, struct slice key);

/* Sends a command; its reply, or NULL, goes to the flight's on_reply. Returns -1 if it
   cannot be sent: then on_reply is not called. */
int redis_flight_send(struct redis_flight *flight, const struct redis_command *args)
    __attribute__((warn_unused_result));

/* Prepares open servers for flights. */
void redis_flight_init_servers(struct redis_servers *servers);

/* Ends all commands that wait. Call it before redis_servers_close(). */
void redis_flight_end_servers(struct redis_servers *servers);

/* The flight of a call. */
static inline struct redis_flight *redis_flight_of(struct redis_call *call)
{
    return container_of(call, struct redis_flight, call);
}

/* Begins a script's call, as redis_command_script() does. */
void redis_flight_script(const struct redis_flight *flight, struct redis_command *args,
                         enum redis_script script, int keys);

/* The status that an error reply, or none (NULL), means for the request; OK for any other
   reply. Sets *again_r if the command must be sent again: a script as text, or anything
   to another node. */
enum store_status redis_flight_status(struct redis_flight *flight,
                                      const struct redisReply *reply, bool *again_r);

/* Logs that a document is damaged, and returns STORE_ERROR. */
enum store_status redis_flight_damaged(struct slice collection, struct slice id);

/* An element of an array reply; NULL if there is none or it has another type. */
const struct redisReply *redis_flight_element(const struct redisReply *reply, size_t i,
                                              int type);

/* The name (of a document or a collection) in an element of an array reply; of no length
   if the element is no sound name. */
struct slice redis_flight_name(const struct redisReply *reply, size_t i);

#endif
