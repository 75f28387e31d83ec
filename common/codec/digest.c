#include "common/codec/digest.h"

#include <assert.h>
#include <string.h>

#define BLOCK_BYTES 64
#define LENGTH_AT   (BLOCK_BYTES - 8) /* of the last block: the length in bits */

struct sha1 {
    uint32_t state[5];
};

static uint32_t rotate(uint32_t word, unsigned by)
{
    return word << by | word >> (32 - by);
}

static uint32_t read_word(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The word of a round; from the 17th on it is made of four earlier ones. */
static uint32_t word_of(uint32_t words[16], unsigned round)
{
    if (round >= 16)
        words[round & 15] = rotate(words[(round + 13) & 15] ^ words[(round + 8) & 15] ^
                                       words[(round + 2) & 15] ^ words[round & 15],
                                   1);
    return words[round & 15];
}

/* One round; `mixed` is what its function makes of the state. */
static inline void turn(uint32_t s[5], uint32_t mixed, uint32_t constant, uint32_t word)
{
    uint32_t next = rotate(s[0], 5) + mixed + s[4] + constant + word;

    s[4] = s[3];
    s[3] = s[2];
    s[2] = rotate(s[1], 30);
    s[1] = s[0];
    s[0] = next;
}

static void add_block(struct sha1 *sha1, const uint8_t *block)
{
    uint32_t words[16], s[5];
    unsigned round = 0;

    for (unsigned i = 0; i < 16; i++)
        words[i] = read_word(block + (size_t)i * 4);
    memcpy(s, sha1->state, sizeof s);
    for (; round < 20; round++)
        turn(s, s[3] ^ (s[1] & (s[2] ^ s[3])), 0x5a827999, word_of(words, round));
    for (; round < 40; round++)
        turn(s, s[1] ^ s[2] ^ s[3], 0x6ed9eba1, word_of(words, round));
    for (; round < 60; round++)
        turn(s, (s[1] & s[2]) | (s[3] & (s[1] | s[2])), 0x8f1bbcdc,
             word_of(words, round));
    for (; round < 80; round++)
        turn(s, s[1] ^ s[2] ^ s[3], 0xca62c1d6, word_of(words, round));
    for (unsigned i = 0; i < 5; i++)
        sha1->state[i] += s[i];
}

/* The bytes that fill no block, then 0x80, zeros and the length. */
static void add_end(struct sha1 *sha1, struct slice bytes)
{
    size_t rest = bytes.len % BLOCK_BYTES;
    uint64_t bits = (uint64_t)bytes.len * 8;
    uint8_t block[BLOCK_BYTES] = {0};

    if (rest > 0)
        memcpy(block, bytes.data + bytes.len - rest, rest);
    block[rest] = 0x80;
    if (rest >= LENGTH_AT) {
        add_block(sha1, block);
        memset(block, 0, sizeof block);
    }
    for (unsigned i = 0; i < 8; i++)
        block[LENGTH_AT + i] = (uint8_t)(bits >> (56 - 8 * i));
    add_block(sha1, block);
}

uint64_t digest_of(struct slice bytes)
{
    struct sha1 sha1 = {{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}};
    uint64_t digest;

    for (size_t at = 0; bytes.len - at >= BLOCK_BYTES; at += BLOCK_BYTES)
        add_block(&sha1, bytes.data + at);
    add_end(&sha1, bytes);
    digest = (uint64_t)sha1.state[0] << 32 | sha1.state[1];
    return digest != 0 ? digest : 1;
}

void digest_put(struct buf *out, uint64_t digest)
{
    uint8_t *at = buf_reserve(out, DIGEST_BYTES);

    for (unsigned i = 0; i < DIGEST_BYTES; i++)
        at[i] = (uint8_t)(digest >> (56 - 8 * i));
    out->len += DIGEST_BYTES;
}

uint64_t digest_take(struct slice *bytes)
{
    uint64_t digest = 0;

    assert(bytes->len >= DIGEST_BYTES);
    bytes->len -= DIGEST_BYTES;
    for (unsigned i = 0; i < DIGEST_BYTES; i++)
        digest = digest << 8 | bytes->data[bytes->len + i];
    return digest;
}
