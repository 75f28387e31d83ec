#include "common/credentials/proof.h"

#include <assert.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/log.h"

_Static_assert(PROOF_BYTES == SHA256_DIGEST_SIZE, "a proof is a whole digest");

void proof_make(struct slice secret, const char *label, const struct slice *parts,
                unsigned count, struct proof *proof_r)
{
    struct hmac_sha256_ctx context;

    assert(secret.len > 0);
    hmac_sha256_set_key(&context, secret.len, secret.data);
    hmac_sha256_update(&context, strlen(label) + 1, (const uint8_t *)label);
    for (unsigned i = 0; i < count; i++)
        hmac_sha256_update(&context, parts[i].len, parts[i].data);
    hmac_sha256_digest(&context, sizeof proof_r->bytes, proof_r->bytes);
    explicit_bzero(&context, sizeof context);
}

bool proof_equals(const struct proof *proof, struct slice given)
{
    return given.len == sizeof proof->bytes &&
           memeql_sec(proof->bytes, given.data, given.len) != 0;
}

void proof_make_nonce(struct proof *nonce_r)
{
    if (getrandom(nonce_r->bytes, sizeof nonce_r->bytes, 0) !=
        (ssize_t)sizeof nonce_r->bytes)
        log_fatal("the kernel gives no random bytes");
}
