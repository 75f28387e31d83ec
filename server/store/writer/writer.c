#include "server/store/writer/writer.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/process/spawn.h"
#include "server/store/lmdb/lmdb_open_writer.h"
#include "server/store/store_url.h"
#include "server/store/writer/writer_commit.h"
#include "server/store/writer/writer_conn.h"

/* Connections accepted in one turn of the loop. */
#define TURN_ACCEPTS 16

enum writer_state {
    WRITER_SERVING,  /* accepts and serves */
    WRITER_ORPHANED, /* the master is gone; serves until the fronts are gone or the timer
                      */
    WRITER_DRAINING, /* BYE was sent; waits until the fronts have closed or the timer */
    WRITER_ENDED     /* the loop ends */
};

struct writer {
    const struct store_writer_config *config;
    struct lmdb_db db;
    struct writer_commit *commit;
    struct writer_shared shared;
    enum writer_state state;
    bool did;
    struct ev_io accept;
    struct ev_io control;
    struct ev_signal term;
    struct ev_timer deadline;
    struct ev_timer alive;
};

/* Sets the state, which only goes forward, and how long it may last. */
static void enter(struct writer *writer, enum writer_state state, double seconds)
{
    assert(state > writer->state);
    writer->state = state;
    ev_timer_stop(writer->shared.loop, &writer->deadline);
    ev_timer_set(&writer->deadline, seconds, 0.);
    if (seconds > 0.)
        ev_timer_start(writer->shared.loop, &writer->deadline);
}

static void on_accept(struct ev_loop *loop, struct ev_io *io, int events)
{
    struct writer *writer = io->data;

    (void)loop;
    (void)events;
    for (int i = 0; i < TURN_ACCEPTS; i++) {
        int fd = accept4(io->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0)
            return; /* no more, or another writer was faster */
        writer_conn_create(&writer->shared, fd);
    }
}

static void on_control(struct ev_loop *loop, struct ev_io *io, int events)
{
    struct writer *writer = io->data;
    char byte;
    ssize_t n = recv(io->fd, &byte, sizeof byte, MSG_DONTWAIT);

    (void)events;
    if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
        return;
    ev_io_stop(loop, io);
    if (writer->state == WRITER_SERVING)
        enter(writer, WRITER_ORPHANED, WRITER_ORPHAN_S);
}

static void on_term(struct ev_loop *loop, struct ev_signal *term, int events)
{
    struct writer *writer = term->data;

    (void)events;
    if (writer->state >= WRITER_DRAINING)
        return;
    ev_io_stop(loop, &writer->accept); /* the next writer accepts later fronts */
    enter(writer, WRITER_DRAINING, WRITER_DRAIN_S);
    writer_conn_say_bye_all(&writer->shared);
}

static void on_deadline(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    enter(timer->data, WRITER_ENDED, 0.);
}

static void tell_alive(const struct writer *writer, bool is_busy)
{
    if (writer->config->on_alive != NULL)
        writer->config->on_alive(writer->config->ctx, is_busy);
}

static void on_alive(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop, (void)events;
    tell_alive(timer->data, false);
}

static bool has_much_to_do(const struct writer *writer)
{
    return writer->shared.group_bytes > WRITER_BUSY_BYTES;
}

/* A transaction of a group has ended; others of the group may follow. */
static void on_step(void *ctx)
{
    tell_alive(ctx, has_much_to_do(ctx));
}

static void init_watchers(struct writer *writer)
{
    const double every_s = SPAWN_ALIVE_EVERY_MS / 1e3;
    struct ev_loop *loop = writer->shared.loop;

    ev_io_init(&writer->accept, on_accept, writer->config->listen_fd, EV_READ);
    ev_io_init(&writer->control, on_control, writer->config->control_fd, EV_READ);
    ev_signal_init(&writer->term, on_term, SIGTERM);
    ev_init(&writer->deadline, on_deadline);
    ev_timer_init(&writer->alive, on_alive, 0., every_s);
    writer->alive.data = writer;
    ev_timer_start(loop, &writer->alive);
    writer->accept.data = writer->control.data = writer;
    writer->term.data = writer->deadline.data = writer;
    ev_io_start(loop, &writer->accept);
    if (writer->config->control_fd >= 0)
        ev_io_start(loop, &writer->control);
    ev_signal_start(loop, &writer->term);
}

/* Commits and answers the writes that have arrived. */
static int do_group(struct writer *writer)
{
    struct list *at;
    int rc;

    if (list_is_empty(&writer->shared.group))
        return 0;
    if (has_much_to_do(writer))
        tell_alive(writer, true);
    rc = writer_commit_run(writer->commit, &writer->shared.group);
    while ((at = list_shift(&writer->shared.group)) != NULL)
        writer_conn_answer(container_of(at, struct writer_op, link),
                           writer_commit_totals(writer->commit));
    writer->shared.last_version = writer_commit_totals(writer->commit).last_version;
    writer->shared.group_bytes = writer->shared.group_writes = 0;
    if (!writer->did && writer->config->on_did != NULL)
        writer->config->on_did(writer->config->ctx);
    writer->did = true;
    return rc;
}

static int run(struct writer *writer)
{
    int rc;

    while (writer->state != WRITER_ENDED) {
        if (writer->state != WRITER_SERVING && list_is_empty(&writer->shared.conns))
            break;
        ev_run(writer->shared.loop, EVRUN_ONCE);
        rc = do_group(writer);
        if (writer_conn_sweep(&writer->shared) > 0) /* a front is gone, perhaps killed */
            lmdb_db_reap_readers(&writer->db);
        if (rc < 0)
            return -1;
    }
    return 0;
}

/* SIGPIPE and SIGXFSZ: the calls return errors instead. */
static void ignore_signals(void)
{
    signal(SIGINT, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
}

static int open_store(struct writer *writer)
{
    const char *dir = store_url_lmdb_dir(writer->config->url);
    int flags = fcntl(writer->config->listen_fd, F_GETFL);

    if (dir == NULL) {
        log_warn("the store '%s' needs no writer", writer->config->url);
        return -1;
    }
    if (flags < 0 || fcntl(writer->config->listen_fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        log_warn("store: the writer's listening socket is missing");
        return -1;
    }
    if (lmdb_open_writer(&writer->db, dir, writer->config->lmdb_max,
                         writer->config->sync) < 0)
        return -1;
    return 0;
}

int store_writer_main(const struct store_writer_config *config)
{
    struct writer writer = {.config = config};
    int rc;

    ignore_signals();
    if (open_store(&writer) < 0)
        return 1;
    writer.shared.loop = ev_loop_new(EVFLAG_AUTO);
    if (writer.shared.loop == NULL)
        log_fatal("store: the writer's event loop cannot be made");
    list_init(&writer.shared.conns);
    list_init(&writer.shared.group);
    writer.commit = writer_commit_create(&writer.db);
    writer.shared.last_version = writer_commit_totals(writer.commit).last_version;
    writer_commit_set_step(writer.commit, on_step, &writer);
    init_watchers(&writer);
    if (config->on_ready != NULL)
        config->on_ready(config->ctx);
    rc = run(&writer);
    writer_conn_close_all(&writer.shared);
    ev_loop_destroy(writer.shared.loop);
    writer_commit_destroy(&writer.commit);
    lmdb_db_close(&writer.db);
    return rc == 0 ? 0 : 1;
}
