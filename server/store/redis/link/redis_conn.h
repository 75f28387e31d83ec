/*
 * One connection to Redis, pipelined, through hiredis' async API on the loop:
 * it connects, greets (AUTH, SELECT, our scripts), and starts again by itself
 * whenever it is lost.
 *
 * - What is not up takes no commands: the caller knows at once (the breaker).
 * - A lost connection ends every command under way with a NULL reply; nothing is
 *   ever sent twice.
 * - No reply for REDIS_CONN_SILENCE_S while commands wait is a lost connection:
 *   a server that hangs.
 * - A connection that Redis closes while it is idle is made anew at once, and what
 *   comes meanwhile may wait for it (redis_conn_is_renewing()). Where Redis tells
 *   its `timeout` it is asked for something now and then, so that it does not.
 * - The pause before a new attempt grows from REDIS_CONN_PAUSE_MIN_S to _MAX_S.
 * - At most REDIS_CONN_MAX_WAITING commands and REDIS_CONN_MAX_BYTES unsent.
 * - Commands given in one turn of the loop are written with one system call
 *   before the loop goes to poll.
 *
 * Loop thread only.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_LINK_REDIS_CONN_H
#define OFFLOOP_SERVER_STORE_REDIS_LINK_REDIS_CONN_H

#include "server/store/redis/redis_command.h"
#include "server/store/redis/link/redis_error.h"
#include "server/store/redis/redis_script.h"
#include "server/store/redis/link/redis_tls.h"
#include "server/store/redis/redis_url.h"

#define REDIS_CONN_SILENCE_S   5.0
#define REDIS_CONN_GREETING_S  2.0
#define REDIS_CONN_PAUSE_MIN_S 0.05
#define REDIS_CONN_PAUSE_MAX_S 0.5
#define REDIS_CONN_MAX_WAITING 16384
#define REDIS_CONN_MAX_BYTES   (UINT64_C(16) << 20) /* hiredis moves them at each write */

struct redisReply;
struct redis_conn;
struct redis_sentinels;

/* What waits for replies: embedded in the caller's object, which must stay until on_reply
   was called as often as commands were sent with it. */
struct redis_call {
    /* reply is NULL where the connection was lost; it is freed on return. */
    void (*on_reply)(struct redis_call *call, const struct redisReply *reply);
    struct redis_conn *from; /* what the reply came by; good while on_reply runs */
};

/* What a connection is for. */
enum redis_purpose {
    REDIS_FOR_DATA,
    REDIS_FOR_CLUSTER, /* to a node: it says itself what it does not take */
    REDIS_FOR_SENTINEL /* to one: it is asked for masters and nothing else */
};

/* How to connect; what it points to is the caller's and must stay. */
struct redis_conn_config {
    const struct redis_url *url;
    const struct redis_tls *tls; /* NULL where the URL asks for none */
    struct redis_sentinels
        *sentinels; /* who say where the server is; NULL: the URL does */
    enum redis_purpose purpose;
};

/* Starts connecting. */
struct redis_conn *redis_conn_create(struct ev_loop *loop,
                                     const struct redis_conn_config *config);

/* Closes: commands under way end with NULL. Never from within on_reply. NULL inside is
   allowed. */
void redis_conn_destroy(struct redis_conn **conn);

/* True where commands are taken; else *why_r is a static text. */
bool redis_conn_is_up(const struct redis_conn *conn, const char **why_r);

/* True from when an idle connection was closed until the first attempt to make it anew
   has ended: it is not up, but hardly ever for longer than a moment. */
bool redis_conn_is_renewing(const struct redis_conn *conn);

/* True once the first attempt to connect has ended, well or not. */
bool redis_conn_is_settled(const struct redis_conn *conn);

/* True where the server also takes writes, as far as is known. */
bool redis_conn_is_writable(const struct redis_conn *conn);

/* Sends a command; -1 where the connection is not up or too much waits: then on_reply is
   not called. */
int redis_conn_send(struct redis_conn *conn, const struct redis_command *args,
                    struct redis_call *call) __attribute__((warn_unused_result));

/* The meaning of an error reply, with what follows for the connection done, and a line in
   the log where an operator should know. */
struct redis_error redis_conn_take_error(struct redis_conn *conn,
                                         const struct redisReply *reply);

/* Drops the connection and makes a new one; not from within on_reply. */
void redis_conn_drop(struct redis_conn *conn, const char *why);

/* The name by which the server knows a script; "" where it does not. */
const char *redis_conn_digest(const struct redis_conn *conn, enum redis_script script);

/* Commands without a reply yet. */
uint64_t redis_conn_waiting(const struct redis_conn *conn);

/* Bytes that the socket has not taken yet. */
uint64_t redis_conn_unsent(const struct redis_conn *conn);

/* Connections made, beyond the first. */
uint64_t redis_conn_reconnects(const struct redis_conn *conn);

#endif
