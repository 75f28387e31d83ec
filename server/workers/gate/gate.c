#include "server/workers/gate/gate.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/credentials/credentials.h"
#include "common/nng_faults/tls_probe.h"
#include "common/base/list.h"
#include "common/base/log.h"
#include "common/process/spawn.h"
#include "proto/wire.h"
#include "server/workers/link/rpc_address.h"
#include "server/workers/gate/gate_fronts.h"
#include "server/workers/gate/gate_message.h"
#include "server/workers/nng_faults/gate_probe.h"
#include "server/workers/gate/gate_socket.h"
#include "server/workers/gate/gate_secret.h"
#include "server/workers/link/tls.h"

/* A worker's first hello waits so long for the fronts to make their seats; where there is
   no front, as while the only one is being restarted, until the worker's next hello. */
#define OFFERS_WAIT_S 0.2
#define FRONTS_WAIT_S (WIRE_HELLO_EVERY_MS / 1e3)

/* The address may still be the gate's that is about to leave (USR2), or a killed one's
   last connections. */
#define LISTEN_RETRY_S 0.1
#define LISTEN_TRIES   50

/* From a front's leaving to looking for what it left behind; and again, as its sockets
   close a moment before the process counts as dead. */
#define SWEEP_AFTER_S 0.05
#define SWEEP_AGAIN_S 1.0
#define SWEEPS        2

#define DEAF_LOG_MAX 5

/* Should no look at ourselves get through TLS: workers say hello every second, and where
   none has for so long there is nothing to lose by listening again. */
#define TLS_QUIET_S 5.0

/* Hellos that are passed on to the fronts in a second, each of which costs every front a
   little: more than a thousand workers say. */
#define HELLOS_PER_S 2048

struct gate {
    struct ev_loop *loop;
    const struct rpc_gate_config *config;
    struct gate_socket *rep;
    struct gate_fronts *fronts;
    struct gate_probe *probe; /* NULL before the gate listens */
    struct list waiting;      /* hellos that wait for offers */
    struct gate_secret secret_state;
    struct nng_tls_config *tls; /* NULL without */
    struct tls_probe *visitor;  /* the probe's, with TLS */
    struct log_limited refusals_log;
    struct log_limited floods_log;
    uint64_t second_ns; /* when hellos were counted from... */
    unsigned hellos;    /* ...and how many there have been */
    bool heard;         /* a request, since quiet_timer last looked */
    ev_timer quiet_timer;
    ev_timer sweep_timer; /* active after a front has left */
    unsigned sweeps;      /* still to come then */
    ev_timer listen_timer;
    ev_timer alive_timer;
    unsigned listen_tries;
    unsigned deaf_logged;
    bool did; /* a worker was answered */
    ev_signal term;
    ev_io control;
    int status; /* of the process */
};

/* A hello that waits for the fronts' offers. */
struct waiting {
    struct list link;
    struct gate *gate;
    struct gate_request *request;
    struct wire_id worker;
    ev_timer timer;
};

/* Fronts that listen at all addresses do not know by which a worker reaches them; the
   connection does. */
static void name_hosts(const struct gate_request *request, struct wire_welcome *welcome,
                       struct rpc_address seats[WIRE_MAX_SEATS])
{
    char host[RPC_ADDRESS_MAX_BYTES / 2];
    bool known = gate_request_local_host(request, host, sizeof host) == 0;

    for (unsigned i = 0; known && i < welcome->seat_count; i++) {
        struct slice *url = &welcome->seats[i].url;

        if (url->len >= sizeof seats[i].url)
            continue;
        snprintf(seats[i].url, sizeof seats[i].url, "%.*s", (int)url->len,
                 (const char *)url->data);
        if (rpc_address_set_host(&seats[i], host))
            *url = (struct slice){(const uint8_t *)seats[i].url, strlen(seats[i].url)};
    }
}

static void send_welcome(struct gate *gate, struct gate_request *request,
                         struct wire_welcome *welcome)
{
    const struct rpc_gate_config *config = gate->config;
    struct buf answer = BUF_INIT;
    struct rpc_address seats[WIRE_MAX_SEATS];

    name_hosts(request, welcome, seats);
    welcome->generation = config->generation;
    wire_put_welcome(&answer, welcome);
    gate_request_answer(request, buf_slice(&answer));
    buf_free(&answer);
    if (!gate->did && config->on_did != NULL)
        config->on_did(config->ctx);
    gate->did = true;
}

static void refuse(struct gate_request *request, enum wire_refusal reason,
                   const char *text)
{
    struct buf answer = BUF_INIT;

    wire_put_refused(&answer, reason, text);
    gate_request_answer(request, buf_slice(&answer));
    buf_free(&answer);
}

static void waiting_destroy(struct waiting **waiting)
{
    list_remove(&(*waiting)->link);
    ev_timer_stop((*waiting)->gate->loop, &(*waiting)->timer);
    mem_free(*waiting);
    *waiting = NULL;
}

/* Answers a waiting hello where all offers are there, or with what there is. */
static void answer_waiting(struct waiting *waiting, bool incomplete_too)
{
    struct wire_welcome welcome;
    struct gate *gate = waiting->gate;

    if (!gate_fronts_seats(gate->fronts, &waiting->worker, &welcome) && !incomplete_too)
        return;
    send_welcome(waiting->gate, waiting->request, &welcome);
    waiting_destroy(&waiting);
}

static void on_offers_late(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    answer_waiting(container_of(timer, struct waiting, timer), true);
}

static void on_fronts_changed(void *ctx)
{
    struct gate *gate = ctx;

    for (struct list *at = gate->waiting.next, *next; at != &gate->waiting; at = next) {
        next = at->next;
        answer_waiting(container_of(at, struct waiting, link), false);
    }
}

/* It knows no worker: those that wait are told to it, and the others, which do not know
   it either, are asked to come by. */
static void on_front_came(void *ctx)
{
    struct gate *gate = ctx;

    for (struct list *at = gate->waiting.next; at != &gate->waiting; at = at->next) {
        struct waiting *waiting = container_of(at, struct waiting, link);

        gate_fronts_tell(gate->fronts, gate_request_bytes(waiting->request));
    }
    gate_fronts_prompt(gate->fronts);
}

static void on_front_left(void *ctx)
{
    struct gate *gate = ctx;

    ev_timer_stop(gate->loop, &gate->sweep_timer);
    ev_timer_set(&gate->sweep_timer, SWEEP_AFTER_S, SWEEP_AGAIN_S);
    ev_timer_start(gate->loop, &gate->sweep_timer);
    gate->sweeps = SWEEPS;
}

static void on_sweep_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct gate *gate = container_of(timer, struct gate, sweep_timer);

    (void)events;
    rpc_address_sweep(gate->config->rpc_url);
    if (--gate->sweeps == 0)
        ev_timer_stop(loop, timer);
}

static void wait_for_offers(struct gate *gate, struct gate_request *request,
                            const struct wire_id *worker)
{
    struct waiting *waiting = mem_zalloc(sizeof *waiting);

    waiting->gate = gate;
    waiting->request = request;
    waiting->worker = *worker;
    list_init(&waiting->link);
    list_append(&gate->waiting, &waiting->link);
    ev_timer_init(&waiting->timer, on_offers_late,
                  gate_fronts_is_empty(gate->fronts) ? FRONTS_WAIT_S : OFFERS_WAIT_S, 0);
    ev_timer_start(gate->loop, &waiting->timer);
}

static void turn_away(struct gate *gate, struct gate_request *request,
                      enum wire_refusal reason, const char *why, const char *answer)
{
    log_limited_warn(&gate->refusals_log, LOG_EVERY_MINUTE,
                     "%s: a stranger was turned away: %s", gate->config->rpc_url, why);
    refuse(request, reason, answer);
}

/* A flood of hellos is not passed on to the fronts. */
static bool may_pass_on(struct gate *gate, uint64_t now_ns)
{
    if (now_ns - gate->second_ns >= NS_PER_S) {
        gate->second_ns = now_ns;
        gate->hellos = 0;
    }
    return gate->hellos++ < HELLOS_PER_S;
}

static void take_ask(struct gate *gate, struct gate_request *request,
                     const struct wire_ask *ask)
{
    struct buf answer = BUF_INIT;

    if (!gate_secret_is_needed(&gate->secret_state)) {
        turn_away(gate, request, WIRE_REFUSED_AUTH,
                  "it wants a worker secret, which this server has not",
                  "this server has no worker secret");
        return;
    }
    gate_secret_put_challenge(&gate->secret_state, ask, gate_request_pipe(request),
                              clock_now_ns(), &answer);
    gate_request_answer(request, buf_slice(&answer));
    buf_free(&answer);
}

static void take_hello(struct gate *gate, struct gate_request *request,
                       const struct wire_hello *hello)
{
    struct slice bytes = gate_request_bytes(request);
    struct wire_welcome welcome;
    uint64_t now_ns = clock_now_ns();
    const char *why = NULL;

    if (gate_secret_is_needed(&gate->secret_state))
        why = gate_secret_judge(&gate->secret_state, bytes, hello,
                                gate_request_pipe(request), now_ns);
    if (why != NULL) {
        turn_away(gate, request, WIRE_REFUSED_AUTH, why,
                  "the worker secret is missing or wrong");
        return;
    }
    if (!may_pass_on(gate, now_ns)) {
        log_limited_warn(&gate->floods_log, LOG_EVERY_MINUTE,
                         "%s: a stranger was turned away: too many hellos a second",
                         gate->config->rpc_url);
        gate_request_drop(request);
        return;
    }
    gate_fronts_tell(gate->fronts, bytes);
    if (gate_fronts_seats(gate->fronts, &hello->worker, &welcome))
        send_welcome(gate, request, &welcome);
    else
        wait_for_offers(gate, request, &hello->worker);
}

/* A worker's hello, or what somebody else sent to this address. */
static void on_request(void *ctx, struct gate_request *request)
{
    struct gate *gate = ctx;
    struct slice bytes = gate_request_bytes(request);
    struct wire_message message;
    enum wire_error error = wire_decode(bytes, &message, NULL);

    gate->heard = true;
    if (error == WIRE_BAD_VERSION)
        refuse(request, WIRE_REFUSED_VERSION, "the server speaks another version");
    else if (error == WIRE_OK && message.type == WIRE_ASK)
        take_ask(gate, request, &message.ask);
    else if (error == WIRE_OK && message.type == WIRE_HELLO &&
             bytes.len < GATE_MESSAGE_MAX_BYTES)
        take_hello(gate, request, &message.hello);
    else if (gate_probe_is_question(bytes))
        refuse(request, WIRE_REFUSED_OTHER, "that is no hello");
    else
        turn_away(gate, request, WIRE_REFUSED_OTHER, "what it sent is no hello",
                  "that is no hello");
}

static void on_deaf(void *ctx)
{
    struct gate *gate = ctx;
    const char *why;

    if (gate->deaf_logged++ < DEAF_LOG_MAX)
        log_warn("nothing answers at %s any more; listening again",
                 gate->config->rpc_url);
    /* Where this fails, the next probe finds it deaf still. */
    if (gate_socket_listen_again(gate->rep, gate->config->rpc_url, &why) != 0)
        log_warn("cannot listen at %s: %s", gate->config->rpc_url, why);
}

static void on_quiet_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct gate *gate = container_of(timer, struct gate, quiet_timer);
    const char *why;

    (void)loop;
    (void)events;
    if (!gate->heard && (gate->probe == NULL || !gate_probe_works(gate->probe)) &&
        gate_socket_listen_again(gate->rep, gate->config->rpc_url, &why) != 0)
        log_warn("cannot listen at %s: %s", gate->config->rpc_url, why);
    gate->heard = false;
}

/* nng 1.5.2 can lose a listener and not know it. */
static void watch_listener(struct gate *gate)
{
    if (gate->tls == NULL || gate->visitor != NULL)
        gate->probe = gate_probe_create(gate->loop, gate->config->rpc_url, gate->visitor,
                                        on_deaf, gate);
    if (gate->tls == NULL)
        return;
    ev_timer_init(&gate->quiet_timer, on_quiet_timer, TLS_QUIET_S, TLS_QUIET_S);
    ev_timer_start(gate->loop, &gate->quiet_timer);
}

static void on_listen_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct gate *gate = container_of(timer, struct gate, listen_timer);
    const char *url = gate->config->rpc_url, *why = "another process listens there";

    (void)events;
    if (!rpc_address_is_taken(url) && gate_socket_listen(gate->rep, url, &why) == 0) {
        ev_timer_stop(loop, timer);
        watch_listener(gate);
        if (gate->config->on_ready != NULL)
            gate->config->on_ready(gate->config->ctx);
    } else if (++gate->listen_tries == LISTEN_TRIES) {
        log_warn("cannot listen at %s: %s", url, why);
        gate->status = EXIT_FATAL;
        ev_break(loop, EVBREAK_ALL);
    }
}

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
    (void)watcher;
    (void)events;
    ev_break(loop, EVBREAK_ALL);
}

/* The master says nothing to a gate but by closing. */
static void on_control(struct ev_loop *loop, ev_io *control, int events)
{
    char byte;
    ssize_t got = read(control->fd, &byte, sizeof byte);

    (void)events;
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        ev_break(loop, EVBREAK_ALL);
}

/* The loop turns. */
static void on_alive_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct gate *gate = container_of(timer, struct gate, alive_timer);

    (void)loop, (void)events;
    gate->config->on_alive(gate->config->ctx);
}

static void start_watchers(struct gate *gate)
{
    const double every_s = SPAWN_ALIVE_EVERY_MS / 1e3;

    ev_signal_init(&gate->term, on_signal, SIGTERM);
    ev_signal_start(gate->loop, &gate->term);
    signal(SIGINT, SIG_IGN); /* a terminal's Ctrl-C: the master decides */
    if (gate->config->control_fd >= 0) {
        ev_io_init(&gate->control, on_control, gate->config->control_fd, EV_READ);
        ev_io_start(gate->loop, &gate->control);
    }
    ev_timer_init(&gate->alive_timer, on_alive_timer, 0., every_s);
    if (gate->config->on_alive != NULL)
        ev_timer_start(gate->loop, &gate->alive_timer);
    ev_init(&gate->sweep_timer, on_sweep_timer);
    ev_timer_init(&gate->listen_timer, on_listen_timer, 0, LISTEN_RETRY_S);
    ev_timer_start(gate->loop, &gate->listen_timer);
}

/* With TLS the gate lets in its own probe beside the holders of the CA's certificates. */
static void create_tls(struct gate *gate)
{
    struct credentials credentials;

    if (!rpc_address_is_tls(gate->config->rpc_url))
        return;
    credentials = *gate->config->credentials;
    gate->visitor = tls_probe_create();
    if (gate->visitor == NULL)
        log_warn("cannot make a certificate to look at %s with", gate->config->rpc_url);
    else
        credentials.ca =
            str_printf("%s\n%s", credentials.ca, tls_probe_certificate(gate->visitor));
    gate->tls = rpc_tls_create(gate->config->rpc_url, &credentials);
    if (gate->visitor != NULL)
        mem_free(credentials.ca);
}

int rpc_gate_main(const struct rpc_gate_config *config)
{
    static const struct gate_fronts_events events = {on_front_came, on_fronts_changed,
                                                     on_front_left};
    struct gate gate = {.config = config, .loop = ev_default_loop(EVFLAG_NOSIGMASK)};

    assert(config->listen_fd >= 0);
    list_init(&gate.waiting);
    gate_secret_init(&gate.secret_state, config->credentials == NULL
                                             ? (struct slice){NULL, 0}
                                             : buf_slice(&config->credentials->secret));
    if (rpc_address_make_directory(config->rpc_url) != 0) {
        log_warn("cannot make the directory of %s: %s", config->rpc_url, strerror(errno));
        return EXIT_FATAL;
    }
    rpc_address_sweep(config->rpc_url);
    create_tls(&gate);
    gate.rep = gate_socket_create(gate.loop, gate.tls, on_request, &gate);
    gate.fronts = gate_fronts_create(gate.loop, config->listen_fd, &events, &gate);
    start_watchers(&gate);
    ev_run(gate.loop, 0);
    gate_probe_destroy(&gate.probe);
    tls_probe_destroy(&gate.visitor);
    gate_fronts_destroy(&gate.fronts);
    gate_socket_close(&gate.rep);
    rpc_address_sweep(config->rpc_url); /* a front may have been killed a moment ago */
    return gate.status;
}
