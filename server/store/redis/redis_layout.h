/*
 * The layout of documents in Redis: pure functions over bytes, no Redis calls.
 *
 *     offloop:{C}:d:ID     a document: a head of 32 characters, then its bytes
 *     offloop:{C}:i        sorted set: the ids of collection C, all with score 0
 *     offloop:{C}:v        the last version given out in C; never deleted
 *     offloop:{C}:u:RANDOM a large document that is being uploaded; expires
 *     offloop:collections  sorted set: the collections that hold documents, score 0
 *
 * Names hold no braces, so {C} is a hash tag: all keys of one collection are in
 * one slot of a cluster. A sorted set with equal scores is ordered by bytes, as
 * LMDB orders keys.
 *
 * The head is text of fixed width, so that scripts can write it and people can
 * read it:
 *
 *     o1m:1763812430123456:0000002048:
 *
 * "o1" this layout, "m" MessagePack or "j" JSON, 16 digits of version, 10 of length.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_REDIS_LAYOUT_H
#define OFFLOOP_SERVER_STORE_REDIS_REDIS_LAYOUT_H

#include "server/store/store.h"

#define REDIS_HEAD_BYTES     32
#define REDIS_VERSION_DIGITS 16
#define REDIS_VERSION_MAX \
    UINT64_C(9007199254740991) /* the largest exact number in a script */

/* Redis' longest string is 512 MiB, with the head. */
#define REDIS_DOCUMENT_MAX (STORE_DOCUMENT_MAX - REDIS_HEAD_BYTES)

#define REDIS_COLLECTIONS_KEY "offloop:collections"

/* The most bytes of a template of keys (keys/redis_template.h) beside the names. */
#define REDIS_TEMPLATE_MAX 256

/* Longest key, in bytes: that of the upload of a document whose own key has a template:
   "offloop:{", the key, "}:u:" and 16 digits. */
#define REDIS_KEY_MAX (9 + REDIS_TEMPLATE_MAX + 2 * STORE_NAME_MAX + 4 + 16)

/* A key, by value. */
struct redis_key {
    size_t len;
    char bytes[REDIS_KEY_MAX];
};

/* The bytes of a key; valid as long as the key stays. */
static inline struct slice redis_key_slice(const struct redis_key *key)
{
    return (struct slice){(const uint8_t *)key->bytes, key->len};
}

/* A head taken apart. */
struct redis_head {
    enum store_format format;
    uint64_t version;
    uint64_t len; /* bytes of the document */
};

/* The key of a document. An empty id gives the prefix of all documents' keys of the
   collection. */
void redis_key_document(struct redis_key *key, struct store_key name);

/* The key of a collection's index ('i') or version ('v'). */
void redis_key_own(struct redis_key *key, struct slice collection, char what);

/* The key of an upload. `tag` is the collection, or the part that is hashed of the
   document's key, so that both lie in one slot. */
void redis_key_upload(struct redis_key *key, struct slice tag, uint64_t random);

/* Takes the head of a value apart; bytes after the head are ignored. -1 if it is damaged.
 */
int redis_head_read(const char *bytes, size_t len, struct redis_head *head_r)
    __attribute__((warn_unused_result));

/* The letter of a format. */
char redis_head_format(enum store_format format);

/* Writes a version in the form of the head, with a NUL. */
void redis_head_put_version(char digits[REDIS_VERSION_DIGITS + 1], uint64_t version);

#endif
