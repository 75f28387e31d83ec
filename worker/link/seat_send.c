#include <assert.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "worker/link/seat_state.h"

/* Messages that may wait for a front that does not read; then it is dropped. */
#define SEAT_MAX_UNSENT (2 * WIRE_MAX_CREDITS)

/* A message waiting to be sent. */
struct seat_unsent {
    struct list link;
    nng_msg *message;
};

/* The next message to send, and with it the right to use the aio; the lock is held. */
static nng_msg *seat_next_unsent(struct seat *seat)
{
    struct list *link = list_shift(&seat->unsent);
    struct seat_unsent *unsent;
    nng_msg *message;

    seat->is_sending = link != NULL;
    if (!link)
        return NULL;
    unsent = container_of(link, struct seat_unsent, link);
    message = unsent->message;
    mem_free(unsent);
    assert(seat->unsent_count > 0);
    seat->unsent_count--;
    return message;
}

/* Hands a message to nng, which may write it at once; no lock may be held. */
static void seat_hand_over(struct seat *seat, nng_msg *message)
{
    nng_aio_set_msg(seat->sending, message);
    nng_send_aio(seat->socket, seat->sending);
}

void seat_on_sent(void *arg)
{
    struct seat *seat = arg;
    nng_msg *next;

    if (nng_aio_result(seat->sending) != 0) {
        nng_msg_free(nng_aio_get_msg(seat->sending));
        nng_aio_set_msg(seat->sending, NULL);
    }
    pthread_mutex_lock(&seat->lock);
    next = seat_next_unsent(seat);
    pthread_mutex_unlock(&seat->lock);
    if (next)
        seat_hand_over(seat, next);
}

/* Queues a message; the lock is held. Returns it where the caller is to hand it over. */
static nng_msg *seat_queue(struct seat *seat, nng_msg *message)
{
    struct seat_unsent *unsent = mem_alloc(sizeof(*unsent));

    unsent->message = message;
    list_init(&unsent->link);
    list_append(&seat->unsent, &unsent->link);
    seat->unsent_count++;
    return seat->is_sending ? NULL : seat_next_unsent(seat);
}

void seat_send_message(struct seat *seat, uint32_t peer, struct buf *envelope,
                       struct slice payloads)
{
    nng_msg *message, *now = NULL;
    bool is_stuck = false;

    if (nng_msg_alloc(&message, envelope->len + payloads.len) != 0)
        log_fatal("out of memory for a message of %zu bytes", payloads.len);
    memcpy(nng_msg_body(message), envelope->data, envelope->len);
    if (payloads.len)
        memcpy((uint8_t *)nng_msg_body(message) + envelope->len, payloads.data,
               payloads.len);
    buf_free(envelope);
    pthread_mutex_lock(&seat->lock);
    if (peer != 0 && seat->pipe.id == peer) {
        is_stuck = seat->unsent_count >= SEAT_MAX_UNSENT;
        now = seat_queue(seat, message);
        message = NULL;
    }
    pthread_mutex_unlock(&seat->lock);
    if (message)
        nng_msg_free(message);
    if (now)
        seat_hand_over(seat, now);
    if (is_stuck)
        nng_pipe_close((nng_pipe){peer});
}

void seat_free_unsent(struct list *unsent)
{
    struct list *link;

    while ((link = list_shift(unsent))) {
        nng_msg_free(container_of(link, struct seat_unsent, link)->message);
        mem_free(container_of(link, struct seat_unsent, link));
    }
}

void seat_drop_peer(struct seat *seat, nng_pipe pipe, const char *why)
{
    pthread_mutex_lock(&seat->lock);
    log_limited_warn(&seat->faults_log, LOG_EVERY_10_SECONDS, "%s: %s", seat->url, why);
    pthread_mutex_unlock(&seat->lock);
    nng_pipe_close(pipe);
}
