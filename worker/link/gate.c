#include "worker/link/gate.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "worker/nng_faults/pipe_order.h"
#include "worker/nng_faults/dialer.h"
#include "worker/link/secret_exchange.h"

/* The longest that one hello may be on its way, either direction: a lost answer costs
   this much and no more. */
#define GATE_TIMEOUT_MS 2000

/* When the log says that no server answers: soon, then every few seconds while somebody
   may be looking, then now and then. */
#define GATE_MISSING_FIRST_NS (2 * NS_PER_S)
#define GATE_MISSING_EARLY_NS (5 * NS_PER_S)
#define GATE_MISSING_LATE_NS  (60 * NS_PER_S)
#define GATE_MISSING_EARLY    6 /* lines */

/* What the aio does. */
enum gate_state {
    GATE_IDLE,     /* waits for the next tick */
    GATE_ASKING,   /* the hello is being sent; GATE_TIMEOUT_MS runs */
    GATE_LISTENING /* the answer is awaited; GATE_TIMEOUT_MS runs */
};

struct gate {
    const struct wire_hello *hello;
    struct slice secret;                    /* empty for none */
    bool is_remote;                         /* over TCP */
    struct secret_exchange secret_exchange; /* where there is one */
    void (*wake)(void *arg);
    void *wake_arg;
    nng_socket socket;
    nng_aio *aio;
    struct dial dial;
    struct log_limited refusals_log;
    nng_msg *current;          /* what the last welcome's slices point into */
    uint64_t asked_ns;         /* when the last hello was sent off */
    uint64_t missing_since_ns; /* no connection since then; 0 while there is one */
    uint64_t missing_next_ns;  /* when the log is to say so again */
    unsigned missing_lines;    /* lines about it so far */
    pthread_mutex_t lock;      /* over all below */
    enum gate_state state;
    nng_msg *answer; /* the latest, not taken yet; NULL for none */
    uint32_t pipe;   /* id of the connection; 0 for none */
    struct pipe_order pipe_order;
    bool is_new;  /* connected since the last tick */
    bool is_mute; /* the last answer did not come in time */
};

static void gate_enter_state(struct gate *gate, enum gate_state state)
{
    pthread_mutex_lock(&gate->lock);
    gate->state = state;
    pthread_mutex_unlock(&gate->lock);
}

/* nng: the hello is out, or it timed out. */
static void gate_on_asked(struct gate *gate)
{
    if (nng_aio_result(gate->aio) != 0) {
        nng_msg_free(nng_aio_get_msg(gate->aio));
        nng_aio_set_msg(gate->aio, NULL);
        gate_enter_state(gate, GATE_IDLE);
        return;
    }
    gate_enter_state(gate, GATE_LISTENING);
    nng_aio_set_timeout(gate->aio, GATE_TIMEOUT_MS);
    nng_recv_aio(gate->socket, gate->aio);
}

/* nng: an answer, or none in time. */
static void gate_on_answered(struct gate *gate)
{
    nng_msg *answer = NULL;
    nng_msg *old;

    if (nng_aio_result(gate->aio) == 0) {
        answer = nng_aio_get_msg(gate->aio);
        nng_aio_set_msg(gate->aio, NULL);
    }
    pthread_mutex_lock(&gate->lock);
    old = answer ? gate->answer : NULL;
    gate->is_mute = !answer;
    if (answer)
        gate->answer = answer;
    gate->state = GATE_IDLE;
    pthread_mutex_unlock(&gate->lock);
    if (old)
        nng_msg_free(old);
    if (answer)
        gate->wake(gate->wake_arg);
}

static void gate_on_aio(void *arg)
{
    struct gate *gate = arg;
    enum gate_state state;

    pthread_mutex_lock(&gate->lock);
    state = gate->state;
    pthread_mutex_unlock(&gate->lock);
    assert(state != GATE_IDLE);
    if (state == GATE_ASKING)
        gate_on_asked(gate);
    else
        gate_on_answered(gate);
}

/* nng: a connection is about to come. */
static void gate_on_pipe_coming(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct gate *gate = arg;

    (void)event;
    pthread_mutex_lock(&gate->lock);
    pipe_order_note_coming(&gate->pipe_order, pipe.id);
    pthread_mutex_unlock(&gate->lock);
}

/* nng: connected; a hello at once makes a restarted server useful sooner. */
static void gate_on_pipe_up(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct gate *gate = arg;

    (void)event;
    pthread_mutex_lock(&gate->lock);
    if (pipe_order_is_here(&gate->pipe_order, pipe.id)) {
        gate->is_new = true;
        gate->pipe = pipe.id;
    }
    pthread_mutex_unlock(&gate->lock);
    gate->wake(gate->wake_arg);
}

static void gate_on_pipe_down(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct gate *gate = arg;

    (void)event;
    pthread_mutex_lock(&gate->lock);
    if (gate->pipe == pipe.id)
        gate->pipe = 0;
    pipe_order_note_gone(&gate->pipe_order, pipe.id);
    pthread_mutex_unlock(&gate->lock);
}

/* No resending: what is lost is asked again by the next tick, never twice. */
static int gate_open_socket(struct gate *gate)
{
    if (nng_req0_open(&gate->socket) != 0 ||
        nng_socket_set_ms(gate->socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE) !=
            0 ||
        nng_socket_set_size(gate->socket, NNG_OPT_RECVMAXSZ, WIRE_MAX_HELLO_BYTES) != 0 ||
        nng_pipe_notify(gate->socket, NNG_PIPE_EV_ADD_PRE, gate_on_pipe_coming, gate) !=
            0 ||
        nng_pipe_notify(gate->socket, NNG_PIPE_EV_ADD_POST, gate_on_pipe_up, gate) != 0 ||
        nng_pipe_notify(gate->socket, NNG_PIPE_EV_REM_POST, gate_on_pipe_down, gate) !=
            0 ||
        nng_aio_alloc(&gate->aio, gate_on_aio, gate) != 0)
        return -1;
    return 0;
}

struct gate *gate_create(const struct gate_server *server, const struct wire_hello *hello,
                         void (*wake)(void *arg), void *arg)
{
    struct gate *gate = mem_zalloc(sizeof(*gate));

    gate->hello = hello;
    gate->secret = server->secret;
    gate->is_remote = !text_starts_with(server->url, "ipc://");
    gate->wake = wake;
    gate->wake_arg = arg;
    gate->state = GATE_IDLE;
    pthread_mutex_init(&gate->lock, NULL);
    if (gate_open_socket(gate) == 0 &&
        dial_start(&gate->dial, gate->socket, server->url, server->tls) == 0)
        return gate;
    log_warn("%s: cannot be dialled", server->url);
    mem_free(gate);
    return NULL;
}

void gate_hurry(struct gate *gate)
{
    gate->asked_ns = 0;
}

/* Sends a request, whose bytes are freed; the aio must be idle. */
static void gate_send(struct gate *gate, struct buf *request)
{
    nng_msg *message;

    if (nng_msg_alloc(&message, request->len) != 0)
        log_fatal("out of memory for a hello");
    memcpy(nng_msg_body(message), request->data, request->len);
    buf_free(request);
    gate_enter_state(gate, GATE_ASKING);
    nng_aio_set_timeout(gate->aio, GATE_TIMEOUT_MS);
    nng_aio_set_msg(gate->aio, message);
    nng_send_aio(gate->socket, gate->aio);
}

/* Says hello; where there is a secret, the gate has to show first that it knows it. */
static void gate_ask(struct gate *gate)
{
    struct buf request = BUF_INIT;

    if (gate->secret.len > 0)
        secret_exchange_ask(&gate->secret_exchange, &gate->hello->worker, &request);
    else
        wire_put_hello(&request, gate->hello);
    gate->asked_ns = clock_now_ns();
    gate_send(gate, &request);
}

/* A connection over a network that is cut says nothing of it: where no answer came, there
   is a new one to be had. */
static void gate_leave_mute(struct gate *gate)
{
    nng_pipe pipe = NNG_PIPE_INITIALIZER;

    pthread_mutex_lock(&gate->lock);
    if (gate->is_mute)
        pipe.id = gate->pipe;
    gate->is_mute = false;
    pthread_mutex_unlock(&gate->lock);
    if (pipe.id != 0 && gate->is_remote)
        nng_pipe_close(pipe);
}

/* Tells the log that no server is there, and when one has come after all. */
static void gate_log_missing(struct gate *gate, bool is_up, uint64_t now_ns)
{
    if (is_up) {
        if (gate->missing_lines > 0)
            log_info("%s: a server answers now", gate->dial.url);
        gate->missing_since_ns = 0;
        gate->missing_lines = 0;
        return;
    }
    if (gate->missing_since_ns == 0) {
        gate->missing_since_ns = now_ns;
        gate->missing_next_ns = now_ns + GATE_MISSING_FIRST_NS;
    }
    if (now_ns < gate->missing_next_ns)
        return;
    log_warn("%s: no server has answered there for %llu seconds; still trying. Is the "
             "server up, and is this its --rpc address?",
             gate->dial.url,
             (unsigned long long)((now_ns - gate->missing_since_ns) / NS_PER_S));
    gate->missing_lines++;
    gate->missing_next_ns =
        now_ns + (gate->missing_lines < GATE_MISSING_EARLY ? GATE_MISSING_EARLY_NS
                                                           : GATE_MISSING_LATE_NS);
}

void gate_tick(struct gate *gate)
{
    bool is_due = clock_now_ns() - gate->asked_ns >= WIRE_HELLO_EVERY_MS * NS_PER_MS;
    bool is_idle;
    bool is_up;

    gate_leave_mute(gate);
    pthread_mutex_lock(&gate->lock);
    is_idle = gate->state == GATE_IDLE && gate->answer == NULL;
    is_up = gate->pipe != 0;
    is_due = is_due || gate->is_new;
    if (is_idle && is_up)
        gate->is_new = false;
    pthread_mutex_unlock(&gate->lock);
    gate_log_missing(gate, is_up, clock_now_ns());
    dial_check(&gate->dial, is_up);
    if (is_idle && is_up && is_due)
        gate_ask(gate);
}

/* The gate's answer to what we asked. Returns NULL, or what is wrong with it. */
static const char *gate_take_challenge(struct gate *gate,
                                       const struct wire_challenge *challenge)
{
    struct buf hello = BUF_INIT;
    const char *why;
    bool is_idle;

    pthread_mutex_lock(&gate->lock);
    is_idle = gate->state == GATE_IDLE;
    pthread_mutex_unlock(&gate->lock);
    if (!is_idle)
        return NULL; /* we are asking again already */
    why = secret_exchange_answer_gate(&gate->secret_exchange, gate->secret, challenge,
                                      gate->hello, &hello);
    if (why == NULL)
        gate_send(gate, &hello);
    return why;
}

/* True where a list of seats may be believed. */
static bool gate_is_trusted(const struct gate *gate)
{
    return gate->secret.len == 0 || gate->secret_exchange.is_answered;
}

/* Reads an answer; false, with a line in the log, where it is no list of seats. */
static bool gate_read_answer(struct gate *gate, nng_msg *answer,
                             struct wire_welcome *welcome_r)
{
    struct slice bytes = {nng_msg_body(answer), nng_msg_len(answer)};
    struct wire_message decoded;
    const char *why = "an answer that a gate does not give";
    char text[WIRE_MAX_TEXT_BYTES + 16];

    if (wire_decode(bytes, &decoded, &why) == WIRE_OK) {
        if (decoded.type == WIRE_CHALLENGE && gate->secret.len > 0) {
            why = gate_take_challenge(gate, &decoded.challenge);
            if (why == NULL)
                return false;
        } else if (decoded.type == WIRE_WELCOME && gate_is_trusted(gate)) {
            *welcome_r = decoded.welcome;
            return true;
        } else if (decoded.type == WIRE_REFUSED) {
            snprintf(text, sizeof(text), "refused us: %.*s",
                     (int)decoded.refused.text.len,
                     (const char *)decoded.refused.text.data);
            why = text;
        } else {
            why = "an answer that a gate does not give";
        }
    }
    log_limited_warn(&gate->refusals_log, LOG_EVERY_10_SECONDS, "%s: %s", gate->dial.url,
                     why);
    return false;
}

bool gate_take_welcome(struct gate *gate, struct wire_welcome *welcome_r)
{
    nng_msg *answer;

    pthread_mutex_lock(&gate->lock);
    answer = gate->answer;
    gate->answer = NULL;
    pthread_mutex_unlock(&gate->lock);
    if (!answer)
        return false;
    if (gate->current)
        nng_msg_free(gate->current);
    gate->current = answer;
    return gate_read_answer(gate, answer, welcome_r);
}
