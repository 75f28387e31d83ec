#include "server/http/http_server.h"

#include <assert.h>

/* Runs the connections that are ready now. Those that become ready meanwhile wait for the
   next turn, so that the loop looks at descriptors in between. */
static void run_ready(struct http_server *server)
{
    struct list batch;

    list_init(&batch);
    if (!list_is_empty(&server->ready)) {
        list_insert_before(&server->ready, &batch);
        list_remove(&server->ready);
    }
    for (struct list *link = list_shift(&batch); link != NULL; link = list_shift(&batch))
        server->run(link);
}

/* Must be the last step of a callback, because the server may be gone afterwards. */
static void end_drain(struct http_server *server)
{
    void (*done)(void *context) = server->drain_done;

    if (!server->draining || server->count > 0 || done == NULL)
        return;
    server->drain_done = NULL;
    done(server->drain_context);
}

static void turn(struct http_server *server)
{
    server->turning = true;
    run_ready(server);
    server->turning = false;
    if (list_is_empty(&server->ready))
        ev_idle_stop(server->loop, &server->again);
    else
        ev_idle_start(server->loop, &server->again);
    end_drain(server);
}

static void on_kick(struct ev_loop *loop, struct ev_prepare *kick, int revents)
{
    (void)loop, (void)revents;
    turn(container_of(kick, struct http_server, kick));
}

static void on_again(struct ev_loop *loop, struct ev_idle *again, int revents)
{
    (void)loop, (void)revents;
    turn(container_of(again, struct http_server, again));
}

void http_server_kick(struct http_server *server)
{
    if (!ev_is_pending(&server->kick))
        ev_feed_event(server->loop, &server->kick, EV_CUSTOM);
}

void http_server_make_ready(struct http_server *server, struct list *ready_link)
{
    if (!list_is_empty(ready_link))
        return;
    list_append(&server->ready, ready_link);
    if (!server->turning && !ev_is_active(&server->again))
        http_server_kick(server);
}

void http_server_init(struct http_server *server, struct ev_loop *loop,
                      void (*run)(struct list *ready_link))
{
    server->loop = loop;
    server->run = run;
    list_init(&server->listeners);
    list_init(&server->connections);
    list_init(&server->idle);
    list_init(&server->ready);
    ev_prepare_init(&server->kick, on_kick);
    ev_set_priority(&server->kick, EV_MINPRI);
    ev_idle_init(&server->again, on_again);
    ev_set_priority(&server->again, EV_MAXPRI);
}

void http_server_stop(struct http_server *server)
{
    assert(server->count == 0);
    ev_idle_stop(server->loop, &server->again);
    ev_clear_pending(server->loop, &server->kick);
}

const char *http_server_date(struct http_server *server)
{
    time_t now = (time_t)ev_now(server->loop);

    if (now != server->date_second || server->date[0] == '\0') {
        server->date_second = now;
        http_head_date(server->date, now);
    }
    return server->date;
}

void http_server_add(struct http_server *server, struct list *all_link)
{
    list_append(&server->connections, all_link);
    server->count++;
    server->accepted++;
}

void http_server_remove(struct http_server *server, struct list *all_link)
{
    list_remove(all_link);
    assert(server->count > 0);
    server->count--;
    if (server->draining && server->count == 0 && server->drain_done != NULL)
        http_server_kick(server);
}

size_t http_server_share(struct http_server *server, size_t wanted)
{
    unsigned turn = ev_iteration(server->loop);

    if (turn != server->turn)
        server->turn_bytes = 0;
    server->turn = turn;
    if (wanted <= HTTP_SERVER_SHARE_BYTES || server->turn_bytes < HTTP_SERVER_TURN_BYTES)
        return wanted;
    return HTTP_SERVER_SHARE_BYTES;
}

void http_server_add_moved(struct http_server *server, size_t bytes)
{
    server->turn_bytes += bytes;
}
