/*
 * A front's connection to the writer process: a queue of writes, sent in order,
 * answered in order.
 *
 * - A lost writer ends the writes that were sent as UNSURE, and one that was sent
 *   in part as DOWN; they are never sent again. Those not sent wait for the next
 *   writer, for WRITER_CLIENT_HOLD_S at most; then all are DOWN at once until one is
 *   there.
 * - A writer that shows no progress (takes no byte, gives no answer) for the
 *   timeout while writes wait is lost too: it hangs. Each 16 MiB that wait give it
 *   another second.
 * - A writer that is asked to end says BYE: nothing is lost then.
 * - At most WRITER_CLIENT_MAX_WRITES and _MAX_BYTES wait; more are DOWN at once.
 * - One sendmsg and one recv per turn of the loop: a large document goes in
 *   steps of what the socket takes (about 200 KB).
 *
 * Loop thread only.
 */
#ifndef OFFLOOP_SERVER_STORE_WRITER_WRITER_CLIENT_H
#define OFFLOOP_SERVER_STORE_WRITER_WRITER_CLIENT_H

#include "server/store/store.h"

#define WRITER_CLIENT_HOLD_S     1.0
#define WRITER_CLIENT_MAX_WRITES 4096
#define WRITER_CLIENT_MAX_BYTES  (UINT64_C(256) << 20)

struct writer_client;

/* Connects (and connects again, for ever) to the address that the writer's listening
   socket has. timeout_s: see above. on_up is called whenever a writer has been met. NULL,
   with a line in the log, where the descriptor is no such socket. */
struct writer_client *writer_client_create(struct ev_loop *loop, int listen_fd,
                                           double timeout_s, void (*on_up)(void *ctx),
                                           void *ctx);

/* Closes; no write may be in flight but cancelled ones. NULL inside is allowed. */
void writer_client_destroy(struct writer_client **link);

/* True while a writer is connected. */
bool writer_client_is_up(const struct writer_client *link);

/* True from when a writer was found to hang until another greets, or that one does. */
bool writer_client_is_hung(const struct writer_client *link);

/* The last version in the store when the writer greeted, 0 before; writes have had
   others since. */
uint64_t writer_client_last_version(const struct writer_client *link);

/* Queues a write; it ends by its done. */
void writer_client_put(struct writer_client *link, struct store_put *put);

/* Fills in the counters of writes and of the writer. */
void writer_client_read_counters(const struct writer_client *link,
                                 struct store_counters *counters_r);

#endif
