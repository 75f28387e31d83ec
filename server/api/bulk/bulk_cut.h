/*
 * Cuts a stream of lines into blocks of whole lines, which codec jobs can be
 * made of. Pure: bytes in, blocks out.
 *
 * A block is about BULK_CUT_BYTES, or one line that is longer. A line over the
 * limit is no block: it is told of and dropped as it comes, so that at most the
 * limit is held.
 */
#ifndef OFFLOOP_SERVER_API_BULK_BULK_CUT_H
#define OFFLOOP_SERVER_API_BULK_BULK_CUT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"

#define BULK_CUT_BYTES ((size_t)64 * 1024)

enum bulk_cut_event {
    BULK_CUT_MORE,    /* all bytes are taken; more are needed */
    BULK_CUT_BLOCK,   /* bulk_cut_take() has a block */
    BULK_CUT_TOO_LONG /* here was one line over the limit */
};

/* Set up with bulk_cut_init(), ended with bulk_cut_free(). */
struct bulk_cut {
    size_t line_max; /* bytes of one line without its end */
    struct buf text; /* whole lines, and behind them the begin of one */
    size_t whole;    /* bytes of whole lines in text */
    uint64_t lines;  /* that these are */
    bool skipping;   /* inside a line over the limit */
};

/* Makes an empty one for lines of at most line_max bytes. */
void bulk_cut_init(struct bulk_cut *cut, size_t line_max);

/* Frees what is held. */
void bulk_cut_free(struct bulk_cut *cut);

/* Takes bytes off the start of *in up to the first event. A block must be taken before
   the next call. */
enum bulk_cut_event bulk_cut_feed(struct bulk_cut *cut, struct slice *in);

/* The stream is over: the last line may lack its end. Call until it says MORE, which here
   means that nothing is left. */
enum bulk_cut_event bulk_cut_end(struct bulk_cut *cut);

/* Hands the block over; the caller frees *text_r. Returns how many lines it has. */
uint64_t bulk_cut_take(struct bulk_cut *cut, struct buf *text_r);

#endif
