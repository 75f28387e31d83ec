/*
 * One connection of an application to the job socket: the greeting, frames in both
 * directions, and what each message means. PROTOCOL.md, section 6.
 *
 * What is read is bounded: of an application that does not take its answers, or that asks
 * for more than it may after it has been told so, nothing more is read; of messages that
 * are too large for many to be under way, one is read at a time. Loop thread only.
 */
#ifndef OFFLOOP_WORKER_BROKER_APP_H
#define OFFLOOP_WORKER_BROKER_APP_H

#include <ev.h>

#include "proto/frame.h"
#include "worker/broker/app_jobs.h"
#include "worker/broker/peer.h"

/* How long an application may take for APP_HELLO, may leave a message half sent, and may
   take nothing of its answers. */
#define APP_HELLO_MS 10000
#define APP_STALL_MS 30000
/* Connections that may have an arena at a time. */
#define APP_MAX_ARENAS 128u

enum app_state {
    APP_GREETING, /* its first 8 bytes are awaited */
    APP_HELLO,    /* its APP_HELLO is awaited */
    APP_SERVING,  /* jobs are awaited */
    APP_DRAINING, /* told BYE: read no more, closed when all is answered */
    APP_CLOSING   /* told REFUSED: read no more, closed when that is sent */
};

/* What connections share beside their jobs. */
struct app_world {
    struct app_shared shared;
    struct ev_loop *loop;
    const char *engine; /* told to applications */
    struct list *large; /* the connection that may read a large message; NULL for none */
    unsigned arenas;    /* offered */
};

struct app {
    struct list link; /* among all */
    struct app_world *world;
    enum app_state state;
    uint64_t since_ns; /* when the state was entered */
    int fd;
    ev_io on_read, on_write;
    struct peer peer;
    char name[WIRE_MAX_APP_BYTES + 1]; /* empty before its APP_HELLO */
    uint8_t greeting[WIRE_GREETING_BYTES];
    size_t greeting_bytes;
    struct frame_reader in;
    uint64_t heard_ns; /* the last bytes read */
    struct output out;
    uint64_t took_ns; /* when it last took something, or had nothing to take */
    struct app_jobs jobs;
};

/* Begins to serve a connected socket, which is the connection's from now on. */
struct app *app_create(struct app_world *world, int fd);

/* Closes at once; the jobs are forgotten. */
void app_destroy(struct app *app);

/* Refuses: the connection ends when that is told. */
void app_refuse(struct app *app, enum wire_refusal reason, const char *text);

/* Says goodbye. The connection may be gone afterwards. */
void app_drain(struct app *app);

/* Sends the answers that are there; reads on where it may. The connection may be gone
   afterwards. */
void app_flush(struct app *app);

/* Ends what is late, and the connection where the application is. It may be gone
   afterwards. */
void app_tick(struct app *app, uint64_t now_ns);

#endif
