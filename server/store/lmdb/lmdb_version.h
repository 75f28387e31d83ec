/*
 * The versions that the writer gives out: each is greater than all before it, and
 * none is given out twice, also after the store was replaced by an older copy of
 * itself (a restored backup), which knows nothing of the versions since.
 *
 * A version is the time in microseconds since 1970, as it is over Redis, so that
 * the clock tells the versions before a restore from those after it. A clock that
 * is behind the last version (somebody set it back) cannot do that: then versions
 * count up, and each writer first leaves out a random number of them, so that two
 * writers that begin with the same copy do not give out the same ones. A restore
 * always means another writer: it has the store's file open.
 *
 * Pure but for the init. The writer's thread only.
 */
#ifndef OFFLOOP_SERVER_STORE_LMDB_LMDB_VERSION_H
#define OFFLOOP_SERVER_STORE_LMDB_LMDB_VERSION_H

#include <stdint.h>

/* A clock that is behind by less than this shares its time with the last writes. */
#define LMDB_VERSION_SLACK_US UINT64_C(1000000)

/* The most that a writer leaves out: 2^40 microseconds are 13 days. */
#define LMDB_VERSION_GAP_MAX ((UINT64_C(1) << 40) - 1)

/* What one writer remembers. */
struct lmdb_version_source {
    uint64_t gap;   /* what it leaves out */
    uint64_t floor; /* the first version after the gap; 0 before the first transaction */
};

/* Draws the gap. Ends the process where the system has no random numbers. */
void lmdb_version_init(struct lmdb_version_source *source);

/* What a transaction counts up from, given the last version in the store and the time:
   its first version is one more. */
uint64_t lmdb_version_base(struct lmdb_version_source *source, uint64_t last,
                           uint64_t now_us);

#endif
