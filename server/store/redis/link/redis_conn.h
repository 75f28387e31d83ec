/*
 * One pipelined connection to Redis, through hiredis' async API on the loop. It
 * connects, greets (AUTH, SELECT, our scripts), and connects again by itself
 * whenever it is lost.
 *
 * - A connection that is not up takes no commands: the caller knows at once.
 * - When a connection is lost, every command under way ends with a NULL reply. No
 *   command is ever sent twice.
 * - If neither a reply nor a MiB of one (REDIS_READER_PROGRESS_BYTES) comes for
 *   REDIS_CONN_SILENCE_S while commands wait, the server hangs: the connection
 *   counts as lost.
 * - If Redis closes an idle connection, a new one is made at once, and commands
 *   may wait for it (redis_conn_is_renewing()). If the `timeout` of Redis is
 *   known, a command goes out now and then, so that it is not closed.
 * - The pause before a new attempt grows from REDIS_CONN_PAUSE_MIN_S to _MAX_S.
 * - At most REDIS_CONN_MAX_WAITING commands wait, and at most REDIS_CONN_MAX_BYTES
 *   are unsent.
 * - Commands of one turn of the loop are written with one system call, before
 *   the loop polls.
 *
 * Loop thread only.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_LINK_REDIS_CONN_H
#define OFFLOOP_SERVER_STORE_REDIS_LINK_REDIS_CONN_H

#include "server/store/redis/link/redis_error.h"
#include "server/store/redis/link/redis_locator.h"
#include "server/store/redis/link/redis_tls.h"
#include "server/store/redis/redis_command.h"
#include "server/store/redis/redis_url.h"

#define REDIS_CONN_SILENCE_S   5.0
#define REDIS_CONN_GREETING_S  2.0
#define REDIS_CONN_PAUSE_MIN_S 0.05
#define REDIS_CONN_PAUSE_MAX_S 0.5
#define REDIS_CONN_MAX_WAITING 16384
#define REDIS_CONN_MAX_BYTES   (UINT64_C(16) << 20) /* hiredis moves them at each write */

struct ev_loop;

/* What a connection is for. */
enum redis_purpose {
    REDIS_FOR_DATA,
    REDIS_FOR_CLUSTER, /* to a node of a cluster, which redirects commands by itself */
    REDIS_FOR_SENTINEL /* to a Sentinel, which is only asked for the master */
};

/* How to connect. The objects that it points to are the caller's and must stay. */
struct redis_conn_config {
    const struct redis_url *url;
    const struct redis_tls *tls;   /* NULL if the URL does not ask for TLS */
    struct redis_locator *locator; /* says where the server is; NULL: the URL does */
    enum redis_purpose purpose;
};

/* Starts connecting. */
struct redis_conn *redis_conn_create(struct ev_loop *loop,
                                     const struct redis_conn_config *config);

/* Closes; commands under way get a NULL reply. Must not be called from on_reply. NULL
   inside is allowed. */
void redis_conn_destroy(struct redis_conn **conn);

/* True if the connection takes commands; else *why_r is a static text. */
bool redis_conn_is_up(const struct redis_conn *conn, const char **why_r);

/* True after an idle connection was closed, until the first attempt to connect again has
   ended: it is not up, but usually only for a moment. */
bool redis_conn_is_renewing(const struct redis_conn *conn);

/* True once the first attempt to connect has ended, well or not. */
bool redis_conn_is_settled(const struct redis_conn *conn);

/* True if the server takes writes, as far as is known. */
bool redis_conn_is_writable(const struct redis_conn *conn);

/* Sends a command. Returns -1 if the connection is not up or too much waits: then
   on_reply is not called. */
int redis_conn_send(struct redis_conn *conn, const struct redis_command *args,
                    struct redis_call *call) __attribute__((warn_unused_result));

/* The meaning of an error reply. Also does what the error means for the connection, and
   logs it if an operator should know. */
struct redis_error redis_conn_take_error(struct redis_conn *conn,
                                         const struct redisReply *reply);

/* The digest by which the server knows a script; "" if it does not know it. */
const char *redis_conn_digest(const struct redis_conn *conn, enum redis_script script);

/* Commands without a reply yet. */
uint64_t redis_conn_waiting(const struct redis_conn *conn);

/* Bytes that the socket has not taken yet. */
uint64_t redis_conn_unsent(const struct redis_conn *conn);

/* Connections made, beyond the first. */
uint64_t redis_conn_reconnects(const struct redis_conn *conn);

#endif
