#include "server/store/redis/redis_layout.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define VERSION_AT    4
#define LENGTH_DIGITS 10
#define LENGTH_AT     (VERSION_AT + REDIS_VERSION_DIGITS + 1)

_Static_assert(LENGTH_AT + LENGTH_DIGITS + 1 == REDIS_HEAD_BYTES, "the head's fields");

static void put(struct redis_key *key, const void *bytes, size_t len)
{
    assert(key->len + len <= sizeof key->bytes);
    if (len > 0)
        memcpy(key->bytes + key->len, bytes, len);
    key->len += len;
}

/* "offloop:{C}:" and a letter. */
static void begin(struct redis_key *key, struct slice collection, char what)
{
    char tail[3] = {'}', ':', what};

    assert(collection.len >= 1);
    key->len = 0;
    put(key, "offloop:{", 9);
    put(key, collection.data, collection.len);
    put(key, tail, sizeof tail);
}

void redis_key_document(struct redis_key *key, struct store_key name)
{
    begin(key, name.collection, 'd');
    put(key, ":", 1);
    put(key, name.id.data, name.id.len);
}

void redis_key_own(struct redis_key *key, struct slice collection, char what)
{
    assert(what == 'i' || what == 'v');
    begin(key, collection, what);
}

void redis_key_upload(struct redis_key *key, struct slice tag, uint64_t random)
{
    char tail[24];
    int len = snprintf(tail, sizeof tail, ":%016" PRIx64, random);

    begin(key, tag, 'u');
    put(key, tail, (size_t)len);
}

static int read_digits(const char *at, size_t count, uint64_t *value_r)
{
    *value_r = 0;
    for (size_t i = 0; i < count; i++) {
        if (at[i] < '0' || at[i] > '9')
            return -1;
        *value_r = *value_r * 10 + (uint64_t)(at[i] - '0');
    }
    return at[count] == ':' ? 0 : -1;
}

int redis_head_read(const char *bytes, size_t len, struct redis_head *head_r)
{
    if (len < REDIS_HEAD_BYTES || memcmp(bytes, "o1", 2) != 0 || bytes[3] != ':')
        return -1;
    if (bytes[2] != 'm' && bytes[2] != 'j')
        return -1;
    head_r->format = bytes[2] == 'm' ? STORE_MSGPACK : STORE_JSON;
    if (read_digits(bytes + VERSION_AT, REDIS_VERSION_DIGITS, &head_r->version) < 0 ||
        read_digits(bytes + LENGTH_AT, LENGTH_DIGITS, &head_r->len) < 0)
        return -1;
    return head_r->version > 0 && head_r->len <= REDIS_DOCUMENT_MAX ? 0 : -1;
}

char redis_head_format(enum store_format format)
{
    assert(format == STORE_MSGPACK || format == STORE_JSON);
    return format == STORE_MSGPACK ? 'm' : 'j';
}

void redis_head_put_version(char digits[REDIS_VERSION_DIGITS + 1], uint64_t version)
{
    /* A version that was never given out matches no document. */
    if (version > REDIS_VERSION_MAX)
        version = 0;
    snprintf(digits, REDIS_VERSION_DIGITS + 1, "%016" PRIu64, version);
}
