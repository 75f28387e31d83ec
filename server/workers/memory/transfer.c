#include "server/workers/memory/transfer.h"

#include <assert.h>
#include <ev.h>
#include <string.h>

#include "common/base/alloc.h"
#include "server/stats/stats.h"

struct transfers {
    struct ev_loop *loop;
    ev_timer turn; /* active while the list has any */
    struct list list;
    void (*finished)(void *ctx, struct transfer *transfer);
    void *ctx;
};

struct transfer *transfer_create(struct rpc_worker *worker, struct list *owned,
                                 unsigned max_pieces)
{
    struct transfer *transfer =
        mem_alloc(sizeof *transfer + max_pieces * sizeof transfer->pieces[0]);

    *transfer = (struct transfer){.worker = worker};
    list_init(&transfer->turn);
    list_init(&transfer->owned);
    list_append(owned, &transfer->owned);
    return transfer;
}

void transfer_destroy(struct transfer **transfer)
{
    struct transfer *t = *transfer;

    *transfer = NULL;
    list_remove(&t->turn);
    list_remove(&t->owned);
    if (t->message != NULL)
        nng_msg_free(t->message);
    mem_free(t->bytes);
    mem_free(t);
}

void transfer_add_piece(struct transfer *transfer, uint64_t id, uint8_t *to,
                        struct slice from)
{
    if (from.len == 0)
        return;
    transfer->pieces[transfer->piece_count++] =
        (struct transfer_piece){id, to, from.data, from.len};
    transfer->left += from.len;
}

void transfer_add_job(struct transfer *transfer, uint64_t id)
{
    static uint8_t nothing;

    transfer->pieces[transfer->piece_count++] =
        (struct transfer_piece){id, &nothing, &nothing, 0};
}

bool transfer_copy(struct transfer *transfer, size_t max_bytes)
{
    while (transfer->at < transfer->piece_count && max_bytes > 0) {
        struct transfer_piece *piece = &transfer->pieces[transfer->at];
        size_t rest = piece->len - transfer->done;
        size_t len = rest < max_bytes ? rest : max_bytes;

        if (piece->from != NULL)
            memcpy(piece->to + transfer->done, piece->from + transfer->done, len);
        else
            len = rest;
        transfer->done += len;
        transfer->left -= len;
        max_bytes -= len < max_bytes ? len : max_bytes;
        if (transfer->done < piece->len)
            break;
        transfer->at++;
        transfer->done = 0;
    }
    return transfer->at == transfer->piece_count;
}

bool transfer_forget(struct transfer *transfer, uint64_t id)
{
    bool has_it = false;

    for (unsigned i = 0; i < transfer->piece_count; i++)
        if (transfer->pieces[i].id == id && transfer->pieces[i].from != NULL) {
            transfer->pieces[i].from = NULL;
            has_it = true;
        }
    if (has_it) {
        assert(transfer->live > 0);
        transfer->live--;
    }
    return has_it;
}

/* One slice of the first; then it is the others' turn. */
static void take_turn(struct transfers *transfers)
{
    struct list *link = list_shift(&transfers->list);
    struct transfer *transfer;

    if (link == NULL)
        return;
    transfer = container_of(link, struct transfer, turn);
    if (transfer->live == 0 || transfer_copy(transfer, TRANSFER_SLICE_BYTES))
        transfers->finished(transfers->ctx, transfer);
    else
        list_append(&transfers->list, &transfer->turn);
}

static void on_turn(struct ev_loop *loop, ev_timer *turn, int events)
{
    struct transfers *transfers = container_of(turn, struct transfers, turn);
    enum stats_phase before = stats_phase_enter(STATS_RPC);

    (void)loop;
    (void)events;
    take_turn(transfers);
    if (!list_is_empty(&transfers->list) && !ev_is_active(turn))
        ev_timer_start(transfers->loop, turn);
    (void)stats_phase_enter(before);
}

struct transfers *transfers_create(struct ev_loop *loop,
                                   void (*finished)(void *ctx, struct transfer *transfer),
                                   void *ctx)
{
    struct transfers *transfers = mem_zalloc(sizeof *transfers);

    transfers->loop = loop;
    transfers->finished = finished;
    transfers->ctx = ctx;
    list_init(&transfers->list);
    ev_timer_init(&transfers->turn, on_turn, 0., 0.);
    return transfers;
}

void transfers_destroy(struct transfers **transfers)
{
    if (*transfers == NULL)
        return;
    assert(list_is_empty(&(*transfers)->list));
    ev_timer_stop((*transfers)->loop, &(*transfers)->turn);
    mem_free(*transfers);
    *transfers = NULL;
}

void transfers_add(struct transfers *transfers, struct transfer *transfer)
{
    assert(transfer->live > 0);
    list_append(&transfers->list, &transfer->turn);
    if (!ev_is_active(&transfers->turn))
        ev_timer_start(transfers->loop, &transfers->turn);
}
