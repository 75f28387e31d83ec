/*
 * Bytes on their way into a message or an arena, or out of an arena. Copying
 * sixteen megabytes takes milliseconds, and nothing may keep the loop so long:
 * what is large is copied a slice in each turn of the loop, by turns with other
 * large transfers.
 *
 * A transfer out is a JOBS message that is being made: its job's bytes are read
 * until it is finished, or until transfer_forget(). A transfer in is one result.
 * Loop thread only.
 */
#ifndef OFFLOOP_SERVER_WORKERS_MEMORY_TRANSFER_H
#define OFFLOOP_SERVER_WORKERS_MEMORY_TRANSFER_H

#include <nng/nng.h>
#include <stdbool.h>

#include "common/base/list.h"
#include "proto/wire.h"

/* What is copied in one turn: about a tenth of a millisecond, with the page faults. */
#define TRANSFER_SLICE_BYTES ((size_t)512 << 10)

/* Bytes to copy for one of the jobs. */
struct transfer_piece {
    uint64_t id;
    uint8_t *to;
    const uint8_t *from; /* NULL where the job was forgotten */
    size_t len;
};

struct transfer {
    struct list turn;  /* in a struct transfers; unlinked once it is finished */
    struct list owned; /* in the worker's list */
    struct rpc_worker *worker;

    nng_msg *message;          /* out: the message, NULL where it is a transfer in */
    struct wire_result result; /* in */
    uint8_t *bytes;            /* in: the result's, on the heap */

    size_t left;        /* bytes */
    size_t done;        /* bytes of the piece that is being copied */
    unsigned at;        /* which one that is */
    unsigned live;      /* jobs not forgotten */
    unsigned job_count; /* out */
    unsigned piece_count;
    struct transfer_piece pieces[];
};

struct ev_loop;
struct transfers;

/* What is copied by turns; `finished` takes each one, unlinked, when all is copied or
   nobody is left to copy it for. The caller ends it with transfers_destroy(). */
struct transfers *transfers_create(struct ev_loop *loop,
                                   void (*finished)(void *ctx, struct transfer *transfer),
                                   void *ctx);

/* Ends; all transfers must be gone. NULL inside is allowed. */
void transfers_destroy(struct transfers **transfers);

/* Has the transfer copied from the next turn on. */
void transfers_add(struct transfers *transfers, struct transfer *transfer);

/* A transfer with room for so many pieces, in the worker's list. The caller ends it with
   transfer_destroy(). */
struct transfer *transfer_create(struct rpc_worker *worker, struct list *owned,
                                 unsigned max_pieces);

/* Frees it with the message or the bytes, wherever it is listed. */
void transfer_destroy(struct transfer **transfer);

/* Adds bytes to copy; none is allowed. */
void transfer_add_piece(struct transfer *transfer, uint64_t id, uint8_t *to,
                        struct slice from);

/* Adds a job whose bytes are where they are to be. */
void transfer_add_job(struct transfer *transfer, uint64_t id);

/* Copies at most so many bytes. Returns true where nothing is left. */
bool transfer_copy(struct transfer *transfer, size_t max_bytes);

/* The job's bytes are about to be freed: they are not read any more. Returns true where
   the transfer has such a job. */
bool transfer_forget(struct transfer *transfer, uint64_t id);

#endif
