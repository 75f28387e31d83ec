/*
 * Ids that the server makes: UUID version 7 (RFC 9562 section 5.7), whose text
 * sorts by the time it was made; within one millisecond and front by a counter.
 */
#ifndef OFFLOOP_SERVER_API_DOCUMENT_NEW_ID_H
#define OFFLOOP_SERVER_API_DOCUMENT_NEW_ID_H

#include <stdint.h>

/* Length of an id's text, without a NUL. */
#define NEW_ID_LEN 36

/* What makes a sequence of ids; zero at first. One thread at a time. */
struct new_id {
    uint64_t last_ms;
    uint32_t counter; /* 26 bits */
};

/* Writes the next id at `now_ms` (milliseconds since 1970). Greater than every id this
   sequence has made, also when the clock steps back. */
void new_id_make(struct new_id *sequence, uint64_t now_ms, uint8_t id_r[NEW_ID_LEN]);

#endif
