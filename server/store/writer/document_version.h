/*
 * The versions that the writer gives to documents. Each is greater than all
 * before it, and none is given out twice, even if the store is replaced by an
 * older copy of itself (a restored backup), which does not know the versions since.
 *
 * A version is the time in microseconds since 1970, as over Redis, so the clock
 * separates the versions before a restore from those after it. If the clock is
 * behind the last version (it was set back), versions count up instead. Then each
 * writer first leaves out a random number of versions, so that two writers that
 * begin with the same copy do not give out the same ones. A restore always brings
 * another writer, because a writer has the store's file open.
 *
 * Pure, except document_version_init(). The writer's thread only.
 */
#ifndef OFFLOOP_SERVER_STORE_WRITER_DOCUMENT_VERSION_H
#define OFFLOOP_SERVER_STORE_WRITER_DOCUMENT_VERSION_H

#include <stdint.h>

/* A clock that is behind by less than this was not set back: the last writes were given
   versions ahead of it. */
#define DOCUMENT_VERSION_SLACK_US UINT64_C(1000000)

/* The most versions that a writer leaves out: 2^40 microseconds are 13 days. */
#define DOCUMENT_VERSION_GAP_MAX ((UINT64_C(1) << 40) - 1)

/* The state of one writer. */
struct document_version_source {
    uint64_t gap;   /* the number that it leaves out */
    uint64_t floor; /* the first version after the gap; 0 before the first transaction */
};

/* Draws the gap. Ends the process if the system has no random numbers. */
void document_version_init(struct document_version_source *source);

/* The version from which a transaction counts up, for the last version in the store and
   the time. The transaction's first version is one more. */
uint64_t document_version_base(struct document_version_source *source, uint64_t last,
                               uint64_t now_us);

#endif
