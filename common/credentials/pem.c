#include "common/credentials/pem.h"

#include <assert.h>
#include <string.h>
#include <sys/random.h>

#include <mbedtls/entropy.h>
#include <mbedtls/pk.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>

#define BEGIN  "-----BEGIN "
#define END    "-----END "
#define DASHES "-----"

static struct slice rest_from(struct slice text, const uint8_t *at)
{
    return (struct slice){at, (size_t)(text.data + text.len - at)};
}

static const uint8_t *find(struct slice text, const char *what)
{
    return text.len == 0 ? NULL : memmem(text.data, text.len, what, strlen(what));
}

static bool has(struct slice text, const char *what)
{
    return find(text, what) != NULL;
}

/* Removes the next block from the text, from BEGIN to the dashes after END. False where
   there is none. */
static bool next_block(struct slice *text, struct slice *block_r, struct slice *label_r)
{
    const uint8_t *begin = find(*text, BEGIN), *end, *dashes;
    struct slice rest;

    if (begin == NULL)
        return false;
    rest = rest_from(*text, begin + strlen(BEGIN));
    dashes = find(rest, DASHES);
    end = find(rest, END);
    if (dashes == NULL || end == NULL || dashes > end)
        return false;
    *label_r = (struct slice){rest.data, (size_t)(dashes - rest.data)};
    rest = rest_from(*text, end + strlen(END));
    dashes = find(rest, DASHES);
    if (dashes == NULL)
        return false;
    *block_r = (struct slice){begin, (size_t)(dashes + strlen(DASHES) - begin)};
    *text = rest_from(*text, dashes + strlen(DASHES));
    return true;
}

static bool is_of_kind(struct slice label, enum pem_kind kind)
{
    return kind == PEM_CERTIFICATES ? has(label, "CERTIFICATE")
                                    : has(label, "PRIVATE KEY");
}

/* Makes every line end in one byte. A control character or a '|' is not part of PEM. */
static int append_block(struct buf *out, struct slice block)
{
    for (size_t i = 0; i < block.len; i++) {
        uint8_t byte = block.data[i];

        if (byte == '\r')
            continue;
        if ((byte < ' ' && byte != '\n') || byte == '|' || byte >= 0x7f)
            return -1;
        buf_append(out, &byte, 1);
    }
    buf_append_str(out, "\n");
    return 0;
}

static bool can_read_certificates(const char *text)
{
    mbedtls_x509_crt certificates;
    bool can;

    mbedtls_x509_crt_init(&certificates);
    can = mbedtls_x509_crt_parse(&certificates, (const unsigned char *)text,
                                 strlen(text) + 1) == 0;
    mbedtls_x509_crt_free(&certificates);
    return can;
}

#if MBEDTLS_VERSION_MAJOR >= 3
/* mbedtls 3 and later need random bytes to read a key and to check a pair. */
static int give_random(void *ctx, unsigned char *out, size_t len)
{
    (void)ctx;
    for (size_t done = 0; done < len;) {
        ssize_t got = getrandom(out + done, len - done, 0);

        if (got < 0)
            return MBEDTLS_ERR_ENTROPY_SOURCE_FAILED;
        done += (size_t)got;
    }
    return 0;
}
#endif

static bool parse_key(mbedtls_pk_context *key, const char *text)
{
    const unsigned char *bytes = (const unsigned char *)text;
#if MBEDTLS_VERSION_MAJOR >= 3
    return mbedtls_pk_parse_key(key, bytes, strlen(text) + 1, NULL, 0, give_random,
                                NULL) == 0;
#else
    return mbedtls_pk_parse_key(key, bytes, strlen(text) + 1, NULL, 0) == 0;
#endif
}

static bool are_pair(const mbedtls_pk_context *public_key, const mbedtls_pk_context *key)
{
#if MBEDTLS_VERSION_MAJOR >= 3
    return mbedtls_pk_check_pair(public_key, key, give_random, NULL) == 0;
#else
    return mbedtls_pk_check_pair(public_key, key) == 0;
#endif
}

static bool can_read_key(const char *text)
{
    mbedtls_pk_context key;
    bool can;

    mbedtls_pk_init(&key);
    can = parse_key(&key, text);
    mbedtls_pk_free(&key);
    return can;
}

/* Parses a text; the caller frees the result soon. */
static bool can_read(struct buf *out, size_t from, enum pem_kind kind)
{
    const char *text;

    buf_append(out, "", 1);
    out->len--;
    text = (const char *)out->data + from;
    return kind == PEM_CERTIFICATES ? can_read_certificates(text) : can_read_key(text);
}

int pem_extract(struct slice file, enum pem_kind kind, struct buf *out,
                const char **what_r)
{
    size_t from = out->len;
    struct slice block, label;
    unsigned count = 0;

    *what_r = kind == PEM_CERTIFICATES ? "is no PEM file with a certificate"
                                       : "is no PEM file with a private key";
    while (next_block(&file, &block, &label)) {
        if (!is_of_kind(label, kind))
            continue;
        if (append_block(out, block) != 0)
            return -1;
        count++;
        if (has(label, "ENCRYPTED") || has(block, "Proc-Type")) {
            *what_r = "is encrypted: a daemon has nobody to ask for the password";
            return -1;
        }
    }
    if (count == 0)
        return -1;
    if (kind == PEM_PRIVATE_KEY && count > 1) {
        *what_r = "has more than one private key";
        return -1;
    }
    if (can_read(out, from, kind))
        return 0;
    *what_r = kind == PEM_CERTIFICATES ? "has a certificate that cannot be read"
                                       : "has a private key that cannot be read";
    return -1;
}

bool pem_is_pair(const char *certificates, const char *key)
{
    mbedtls_x509_crt parsed;
    mbedtls_pk_context pk;
    bool is_pair;

    assert(certificates != NULL && key != NULL);
    mbedtls_x509_crt_init(&parsed);
    mbedtls_pk_init(&pk);
    is_pair = mbedtls_x509_crt_parse(&parsed, (const unsigned char *)certificates,
                                     strlen(certificates) + 1) == 0 &&
              parse_key(&pk, key) && are_pair(&parsed.pk, &pk);
    mbedtls_pk_free(&pk);
    mbedtls_x509_crt_free(&parsed);
    return is_pair;
}
