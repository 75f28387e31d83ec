/*
 * The layout of documents in LMDB: pure functions over bytes, no LMDB calls.
 *
 * Database "documents": key = collection, a zero byte, id, so that keys sort
 * by collection and then by id. Names hold no zero byte, and 255 + 1 + 255 is
 * LMDB's longest key, 511. Value = a head of 16 bytes and the document:
 *
 *     0  format (enum store_format)
 *     1  LAYOUT_VALUE
 *     2  six zero bytes
 *     8  version, 64 bits
 *
 * Database "collections": key = the name, value = the number of documents, 64
 * bits. A collection without documents has no record.
 *
 * Database "meta": "layout" = LAYOUT_MAGIC and LAYOUT_VERSION, 32 bits;
 * "version" = the last version given out, 64 bits (document_version.h). It only
 * grows, so no version is used twice, even after deletes.
 *
 * All numbers are little-endian.
 */
#ifndef OFFLOOP_SERVER_STORE_LMDB_LMDB_LAYOUT_H
#define OFFLOOP_SERVER_STORE_LMDB_LMDB_LAYOUT_H

#include "server/store/store.h"

#define LAYOUT_KEY_MAX     (STORE_NAME_MAX + 1 + STORE_NAME_MAX) /* bytes */
#define LAYOUT_HEAD_BYTES  16
#define LAYOUT_VALUE       1
#define LAYOUT_MAGIC       "offloop!"
#define LAYOUT_VERSION     1
#define LAYOUT_META_BYTES  12
#define LAYOUT_COUNT_BYTES 8

/* The keys of "meta". */
#define LMDB_META_LAYOUT  ((struct slice){(const uint8_t *)"layout", 6})
#define LMDB_META_VERSION ((struct slice){(const uint8_t *)"version", 7})

/* A value taken apart; bytes points into it. */
struct layout_value {
    enum store_format format;
    uint64_t version;
    struct slice bytes;
};

/* Writes the key of a document and returns its length. An empty id gives the position
   where the collection starts. */
size_t layout_put_key(uint8_t key[LAYOUT_KEY_MAX], struct store_key name);

/* Takes a key apart; -1 if it is not ours. The result points into it. */
int layout_read_key(struct slice key, struct store_key *name_r)
    __attribute__((warn_unused_result));

/* True if the key is in the collection. */
bool layout_key_is_in(struct slice key, struct slice collection);

/* Writes the head of a value. */
void layout_put_head(uint8_t head[LAYOUT_HEAD_BYTES], enum store_format format,
                     uint64_t version);

/* Takes a value apart; -1 if its head is damaged. */
int layout_read_value(struct slice value, struct layout_value *value_r)
    __attribute__((warn_unused_result));

/* Writes the record "layout", which marks a file as ours. */
void layout_put_meta(uint8_t meta[LAYOUT_META_BYTES]);

/* The layout version in such a record; -1 if the record is not ours. */
int64_t layout_read_meta(struct slice meta);

/* Reads a 64-bit number (a count, the last version); -1 if the record has another size.
 */
int layout_read_number(struct slice record, uint64_t *number_r)
    __attribute__((warn_unused_result));

#endif
