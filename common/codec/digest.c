#include "common/codec/digest.h"

#include <assert.h>
#include <nettle/sha1.h>

uint64_t digest_of(struct slice bytes)
{
    uint8_t sum[SHA1_DIGEST_SIZE];
    struct sha1_ctx sha1;
    uint64_t digest = 0;

    sha1_init(&sha1);
    sha1_update(&sha1, bytes.len, bytes.data);
    sha1_digest(&sha1, sizeof sum, sum);
    for (unsigned i = 0; i < sizeof digest; i++)
        digest = digest << 8 | sum[i];
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
