#include "proto/document_fingerprint.h"

#include <endian.h>
#include <string.h>

_Static_assert(WIRE_ID_BYTES == 16, "eight bytes of length and eight of hash");

_Static_assert(2 * DOCUMENT_FINGERPRINT_END_BYTES +
                       DOCUMENT_FINGERPRINT_SAMPLES * DOCUMENT_FINGERPRINT_SAMPLE_BYTES <=
                   DOCUMENT_FINGERPRINT_WHOLE_BYTES,
               "samples of a long document do not overlap");

/* SipHash-2-4 (Aumasson and Bernstein, 2012), its key fixed: both sides must agree. */
#define KEY0 UINT64_C(0x6f66666c6f6f7020)
#define KEY1 UINT64_C(0x646f63756d656e74)

struct hash {
    uint64_t v0, v1, v2, v3;
    uint64_t word;  /* bytes that are not eight yet */
    uint64_t bytes; /* taken so far */
};

static uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static void mix(struct hash *h)
{
    h->v0 += h->v1;
    h->v1 = rotate(h->v1, 13) ^ h->v0;
    h->v0 = rotate(h->v0, 32);
    h->v2 += h->v3;
    h->v3 = rotate(h->v3, 16) ^ h->v2;
    h->v0 += h->v3;
    h->v3 = rotate(h->v3, 21) ^ h->v0;
    h->v2 += h->v1;
    h->v1 = rotate(h->v1, 17) ^ h->v2;
    h->v2 = rotate(h->v2, 32);
}

static void take_word(struct hash *h, uint64_t word)
{
    h->v3 ^= word;
    mix(h);
    mix(h);
    h->v0 ^= word;
}

static void take_byte(struct hash *h, uint8_t byte)
{
    h->word |= (uint64_t)byte << 8 * (h->bytes % 8);
    if (++h->bytes % 8 != 0)
        return;
    take_word(h, h->word);
    h->word = 0;
}

/* Words are read whole where they begin on a word's place in the hash. */
static void take(struct hash *h, struct slice bytes)
{
    size_t i = 0;

    while (i < bytes.len) {
        if (h->bytes % 8 == 0 && bytes.len - i >= 8) {
            uint64_t word;

            memcpy(&word, bytes.data + i, 8);
            take_word(h, le64toh(word));
            h->bytes += 8;
            i += 8;
        } else {
            take_byte(h, bytes.data[i++]);
        }
    }
}

/* Takes `len` bytes from `from` on of head and tail together. */
static void take_part(struct hash *h, struct slice head, struct slice tail, size_t from,
                      size_t len)
{
    size_t in_head = from >= head.len ? 0 : head.len - from < len ? head.len - from : len;

    if (in_head > 0)
        take(h, (struct slice){head.data + from, in_head});
    if (in_head == len)
        return;
    from = in_head > 0 ? 0 : from - head.len;
    take(h, (struct slice){tail.data + from, len - in_head});
}

/* Of a long document: its ends, and what lies at even distances between them. */
static void take_samples(struct hash *h, struct slice head, struct slice tail)
{
    size_t len = head.len + tail.len;
    size_t step =
        (len - 2 * DOCUMENT_FINGERPRINT_END_BYTES) / DOCUMENT_FINGERPRINT_SAMPLES;

    take_part(h, head, tail, 0, DOCUMENT_FINGERPRINT_END_BYTES);
    for (unsigned i = 0; i < DOCUMENT_FINGERPRINT_SAMPLES; i++)
        take_part(h, head, tail, DOCUMENT_FINGERPRINT_END_BYTES + i * step,
                  DOCUMENT_FINGERPRINT_SAMPLE_BYTES);
    take_part(h, head, tail, len - DOCUMENT_FINGERPRINT_END_BYTES,
              DOCUMENT_FINGERPRINT_END_BYTES);
}

static uint64_t finish(struct hash *h)
{
    take_word(h, h->word | h->bytes << 56);
    h->v2 ^= 0xff;
    for (unsigned i = 0; i < 4; i++)
        mix(h);
    return h->v0 ^ h->v1 ^ h->v2 ^ h->v3;
}

static void put64(uint8_t *at, uint64_t value)
{
    value = htobe64(value);
    memcpy(at, &value, sizeof value);
}

void document_fingerprint_of(struct slice head, struct slice tail, struct wire_id *id_r)
{
    struct hash h = {KEY0 ^ UINT64_C(0x736f6d6570736575),
                     KEY1 ^ UINT64_C(0x646f72616e646f6d),
                     KEY0 ^ UINT64_C(0x6c7967656e657261),
                     KEY1 ^ UINT64_C(0x7465646279746573),
                     0,
                     0};

    if (head.len + tail.len > DOCUMENT_FINGERPRINT_WHOLE_BYTES)
        take_samples(&h, head, tail);
    else
        take_part(&h, head, tail, 0, head.len + tail.len);
    put64(id_r->bytes, (uint64_t)head.len + tail.len);
    put64(id_r->bytes + 8, finish(&h));
}

bool document_fingerprint_has_length(const struct wire_id *id, uint64_t length)
{
    uint8_t bytes[8];

    put64(bytes, length);
    return memcmp(id->bytes, bytes, sizeof bytes) == 0;
}

bool document_fingerprint_is(const struct wire_id *a, const struct wire_id *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}
