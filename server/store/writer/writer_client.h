/*
 * A front's connection to the writer process: a queue of writes, which are sent
 * and answered in order.
 *
 * - If the writer is lost, writes that were sent end as UNSURE, and a write that
 *   was sent in part ends as DOWN; they are never sent again. Unsent writes wait
 *   for the next writer, for WRITER_CLIENT_WAIT_S at most. After that, all writes
 *   end as DOWN at once until there is a writer.
 * - A writer that makes no progress (takes no byte, gives no answer) for the
 *   timeout while writes wait hangs: it counts as lost. Each 16 MiB that wait add
 *   a second to the timeout.
 * - A writer that is asked to end sends BYE: no write is lost then.
 * - At most WRITER_CLIENT_MAX_WRITES and _MAX_BYTES wait; further writes end as
 *   DOWN at once.
 * - One sendmsg and one recv per turn of the loop: a large document goes in
 *   steps of as many bytes as the socket takes (about 200 KB).
 *
 * Loop thread only.
 */
#ifndef OFFLOOP_SERVER_STORE_WRITER_WRITER_CLIENT_H
#define OFFLOOP_SERVER_STORE_WRITER_WRITER_CLIENT_H

#include "server/store/store.h"

#define WRITER_CLIENT_WAIT_S     1.0
#define WRITER_CLIENT_MAX_WRITES 4096
#define WRITER_CLIENT_MAX_BYTES  (UINT64_C(256) << 20)

struct writer_client;

/* Connects, again and again, to the address of the writer's listening socket. timeout_s:
   see above. on_up is called whenever a writer has sent HELLO. Returns NULL, with a line
   in the log, if the descriptor is no such socket. */
struct writer_client *writer_client_create(struct ev_loop *loop, int listen_fd,
                                           double timeout_s, void (*on_up)(void *ctx),
                                           void *ctx);

/* Closes; all writes must be done or cancelled. NULL inside is allowed. */
void writer_client_destroy(struct writer_client **client);

/* True while a writer is connected. */
bool writer_client_is_up(const struct writer_client *client);

/* True after a writer was found to hang, until a writer sends HELLO. */
bool writer_client_is_hung(const struct writer_client *client);

/* The last version in the store at the writer's HELLO; 0 before the first. */
uint64_t writer_client_last_version(const struct writer_client *client);

/* Queues a write; ends it by its done. */
void writer_client_put(struct writer_client *client, struct store_put *put);

/* Fills in the counters of writes and of the writer. */
void writer_client_read_counters(const struct writer_client *client,
                                 struct store_counters *counters_r);

#endif
