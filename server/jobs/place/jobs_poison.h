/*
 * Documents that have crashed workers, and are refused for a while. Workers
 * tell in every hello what processes of their daemon have crashed on lately.
 * That alone is no more than somebody's word: a crash counts where a worker was
 * lost here, too, and had that very document at the time. A document that
 * crashed two so is poison. Inside the jobs room; loop thread only; the caller
 * brings the time.
 */
#ifndef OFFLOOP_SERVER_JOBS_PLACE_JOBS_POISON_H
#define OFFLOOP_SERVER_JOBS_PLACE_JOBS_POISON_H

#include "common/codec/codec.h"
#include "proto/wire.h"

/* Crashes of one daemon that make a document poison, and for how long. */
#define POISON_CRASHES 2
#define POISON_NS      UINT64_C(600000000000)

/* Documents that are refused at once; with more, the oldest is let in again. */
#define POISON_MAX 32

/* Documents that lost workers had, which are remembered at once. */
#define POISON_SUSPECTS 512

/* A document that lost workers had. */
struct poison_suspect {
    struct wire_id document;
    unsigned losses;  /* workers lost; 0 for a place that is free */
    uint64_t last_ns; /* the last one */
};

struct jobs_poison {
    struct poison_suspect suspects[POISON_SUSPECTS];
    unsigned count;
    struct {
        struct wire_id document;
        uint64_t until_ns;
    } entries[POISON_MAX];
};

/* Nothing is refused. */
void jobs_poison_init(struct jobs_poison *poison);

/* A worker was lost that had these documents, and may have died of any of them. They are
   remembered for POISON_NS; where there are too many, those that fewer workers were lost
   with go first, and of those the oldest. */
void jobs_poison_note_loss(struct jobs_poison *poison, const struct wire_id *documents,
                           unsigned count, uint64_t now_ns);

/* Takes what one daemon says that it has crashed on. Returns true where a document has
   become poison that was not: it is told of POISON_CRASHES times, and as many workers
   were lost with it. */
bool jobs_poison_take(struct jobs_poison *poison, const struct wire_crash *crashes,
                      unsigned count, uint64_t now_ns);

/* True where the call's document is one of those that workers have crashed on. */
bool jobs_poison_names(const struct wire_crash *crashes, unsigned count,
                       const struct codec_call *call);

/* True where the call's document is refused. Costs nothing where nothing is refused, and
   hashing the document (of a long one parts, see document_fingerprint.h) where one of its
   length is. */
bool jobs_poison_has(struct jobs_poison *poison, const struct codec_call *call,
                     uint64_t now_ns);

#endif
