#include "common/codec/jq/jq_cache.h"

#include <stdlib.h>
#include <string.h>

/* A text with what became of it. */
struct entry {
    uint64_t hash;
    uint64_t used; /* the cache's clock when it was last asked for */
    uint8_t *key;  /* lengths and bytes of the text and the names; NULL: a free entry */
    size_t key_bytes;
    struct jq_program *program; /* NULL where the text is none */
    struct jq_refusal refusal;
};

struct jq_cache {
    struct entry entries[JQ_CACHE_PROGRAMS];
    uint64_t clock;
    uint64_t compiled;
};

struct jq_cache *jq_cache_create(void)
{
    return calloc(1, sizeof(struct jq_cache));
}

static void clear_entry(struct entry *entry)
{
    jq_destroy(&entry->program);
    free(entry->key);
    memset(entry, 0, sizeof *entry);
}

void jq_cache_destroy(struct jq_cache **cache)
{
    if (*cache == NULL)
        return;
    for (size_t i = 0; i < JQ_CACHE_PROGRAMS; i++)
        clear_entry(&(*cache)->entries[i]);
    free(*cache);
    *cache = NULL;
}

uint64_t jq_cache_compiled(const struct jq_cache *cache)
{
    return cache->compiled;
}

/* ---- keys */

static uint8_t *put_part(uint8_t *to, struct slice part)
{
    memcpy(to, &part.len, sizeof part.len);
    to += sizeof part.len;
    if (part.len > 0)
        memcpy(to, part.data, part.len);
    return to + part.len;
}

/* Text and names as one run of bytes; NULL where there is no memory. */
static uint8_t *make_key(struct slice text, const struct slice *names, size_t count,
                         size_t *bytes_r)
{
    size_t bytes = sizeof text.len + text.len;
    uint8_t *key, *to;

    for (size_t i = 0; i < count; i++)
        bytes += sizeof names[i].len + names[i].len;
    key = malloc(bytes);
    if (key == NULL)
        return NULL;
    to = put_part(key, text);
    for (size_t i = 0; i < count; i++)
        to = put_part(to, names[i]);
    *bytes_r = bytes;
    return key;
}

static uint64_t hash_of(const uint8_t *key, size_t bytes)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < bytes; i++)
        hash = (hash ^ key[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* ---- entries */

static struct entry *find_entry(struct jq_cache *cache, uint64_t hash, const uint8_t *key,
                                size_t bytes)
{
    for (size_t i = 0; i < JQ_CACHE_PROGRAMS; i++) {
        struct entry *entry = &cache->entries[i];

        if (entry->key != NULL && entry->hash == hash && entry->key_bytes == bytes &&
            memcmp(entry->key, key, bytes) == 0)
            return entry;
    }
    return NULL;
}

/* The one that has not been asked for for longest, emptied. */
static struct entry *oldest_entry(struct jq_cache *cache)
{
    struct entry *oldest = &cache->entries[0];

    for (size_t i = 1; i < JQ_CACHE_PROGRAMS; i++)
        if (cache->entries[i].used < oldest->used)
            oldest = &cache->entries[i];
    clear_entry(oldest);
    return oldest;
}

const struct jq_program *jq_cache_get(struct jq_cache *cache, struct slice text,
                                      const struct slice *names, size_t count,
                                      struct jq_refusal *refusal_r)
{
    size_t bytes;
    uint8_t *key;
    uint64_t hash;
    struct entry *entry;

    *refusal_r = (struct jq_refusal){0, "there is no memory for the program"};
    if (text.len > JQ_MAX_TEXT_BYTES || count > JQ_MAX_NAMES) /* refused, and not kept */
        return jq_compile(text, names, count, refusal_r);
    key = make_key(text, names, count, &bytes);
    if (key == NULL)
        return NULL;
    hash = hash_of(key, bytes);
    entry = find_entry(cache, hash, key, bytes);
    if (entry != NULL) {
        free(key);
    } else {
        entry = oldest_entry(cache);
        entry->hash = hash;
        entry->key = key;
        entry->key_bytes = bytes;
        entry->program = jq_compile(text, names, count, &entry->refusal);
        cache->compiled++;
    }
    entry->used = ++cache->clock;
    *refusal_r = entry->refusal;
    return entry->program;
}
