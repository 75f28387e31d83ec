#include "server/api/document/new_id.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/log.h"

#define COUNTER_BITS 26
#define COUNTER_MAX  ((UINT32_C(1) << COUNTER_BITS) - 1)

static void fill_random(uint8_t *bytes, size_t len)
{
    ssize_t n;

    do
        n = getrandom(bytes, len, 0);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)len)
        log_fatal("getrandom: %s", strerror(errno));
}

/* Moves the sequence on: a new millisecond starts low in the counter's range, so that
   there is room for millions in one; when it is used up, time is borrowed. */
static void advance(struct new_id *sequence, uint64_t now_ms, uint32_t random)
{
    if (now_ms > sequence->last_ms) {
        sequence->last_ms = now_ms;
        sequence->counter = random & (COUNTER_MAX >> 1);
    } else if (sequence->counter < COUNTER_MAX) {
        sequence->counter++;
    } else {
        sequence->last_ms++;
        sequence->counter = 0;
    }
}

static void print_hex(const uint8_t bytes[16], uint8_t *text)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t *at = text;

    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = (uint8_t)digits[bytes[i] >> 4];
        *at++ = (uint8_t)digits[bytes[i] & 15];
    }
    assert(at == text + NEW_ID_LEN);
}

void new_id_make(struct new_id *sequence, uint64_t now_ms, uint8_t id_r[NEW_ID_LEN])
{
    uint8_t bytes[16];
    uint32_t random;

    fill_random(bytes, sizeof bytes);
    memcpy(&random, bytes, sizeof random);
    advance(sequence, now_ms, random);
    for (int i = 0; i < 6; i++)
        bytes[i] = (uint8_t)(sequence->last_ms >> (40 - 8 * i));
    /* rand_a: the counter's high 12 bits; rand_b begins with its low 14. */
    bytes[6] = (uint8_t)(0x70 | (sequence->counter >> 22));
    bytes[7] = (uint8_t)(sequence->counter >> 14);
    bytes[8] = (uint8_t)(0x80 | ((sequence->counter >> 8) & 0x3f));
    bytes[9] = (uint8_t)sequence->counter;
    print_hex(bytes, id_r);
}
