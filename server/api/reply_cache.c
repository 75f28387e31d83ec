#include "server/api/reply_cache.h"

#include <assert.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/list.h"
#include "server/stats/stats.h"

/* The paper's numbers: the small queue's part, how often an entry must have been asked
   for to leave it for the main queue, and up to what is counted. */
#define SMALL_PART  10
#define PROMOTE_MIN 2
#define USES_MAX    3

#define LARGEST_PART 8 /* of the cache, that one entry may take */

/* What an allocation costs beside its bytes. */
#define ALLOCATION_BYTES 32

/* Places in the tables for so many bytes of the cache: more ghosts, since most replies
   are small, and those that are not there any more are many. */
#define BYTES_PER_PLACE 4096
#define BYTES_PER_GHOST 1024
#define PLACES_MIN      64
#define PLACES_MAX      65536

/* Entries looked at to make room for one: a loop must not wait for thousands. */
#define EVICT_MAX 64

enum queue { QUEUE_SMALL, QUEUE_MAIN, QUEUES };

struct entry {
    struct list link;   /* in its queue: the oldest first */
    struct list bucket; /* in its place of the table */
    uint64_t hash;
    uint64_t version;
    struct blob *reply;
    enum queue queue;
    unsigned uses; /* since it came into its queue, or to its end */
    size_t key_len;
    uint8_t key[];
};

struct reply_cache {
    uint64_t max_bytes, seed;
    uint64_t bytes[QUEUES];
    struct list queues[QUEUES];
    size_t places, ghost_places; /* powers of two */
    struct list *table;
    uint64_t *ghosts; /* hashes, by place; 0 for none */
    struct stats_front *stats;
};

/* FNV-1a from the seed on, its bits then mixed so that the lower ones depend on all. */
static uint64_t hash_of(const struct reply_cache *cache, struct slice key)
{
    uint64_t hash = cache->seed;

    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ key.data[i]) * UINT64_C(0x100000001b3);
    hash = (hash ^ hash >> 32) * UINT64_C(0x9e3779b97f4a7c15);
    hash ^= hash >> 29;
    return hash ? hash : 1;
}

static struct entry *entry_at(struct list *link)
{
    return container_of(link, struct entry, link);
}

static struct entry *find(const struct reply_cache *cache, struct slice key,
                          uint64_t hash)
{
    const struct list *bucket = &cache->table[hash & (cache->places - 1)];

    for (struct list *at = bucket->next; at != bucket; at = at->next) {
        struct entry *entry = container_of(at, struct entry, bucket);

        if (entry->hash == hash && entry->key_len == key.len &&
            memcmp(entry->key, key.data, key.len) == 0)
            return entry;
    }
    return NULL;
}

static uint64_t cost_of(size_t key_len, const struct blob *reply)
{
    return sizeof(struct entry) + key_len + sizeof *reply + reply->bytes.len +
           2 * (uint64_t)ALLOCATION_BYTES;
}

static void count_bytes(struct reply_cache *cache)
{
    stats_set(&cache->stats->cache_bytes,
              cache->bytes[QUEUE_SMALL] + cache->bytes[QUEUE_MAIN]);
}

static void enqueue(struct reply_cache *cache, struct entry *entry, enum queue queue)
{
    entry->queue = queue;
    list_append(&cache->queues[queue], &entry->link);
    cache->bytes[queue] += cost_of(entry->key_len, entry->reply);
}

static void dequeue(struct reply_cache *cache, struct entry *entry)
{
    list_remove(&entry->link);
    cache->bytes[entry->queue] -= cost_of(entry->key_len, entry->reply);
}

static void drop(struct reply_cache *cache, struct entry *entry)
{
    dequeue(cache, entry);
    list_remove(&entry->bucket);
    blob_unref(&entry->reply);
    mem_free(entry);
}

static uint64_t *ghost_of(const struct reply_cache *cache, uint64_t hash)
{
    return &cache->ghosts[(hash >> 20) & (cache->ghost_places - 1)];
}

/* ---- eviction ---- */

/* The oldest of the small queue leaves it. */
static void evict_small(struct reply_cache *cache, struct entry *entry)
{
    if (entry->uses >= PROMOTE_MIN) {
        dequeue(cache, entry);
        entry->uses = 0;
        enqueue(cache, entry, QUEUE_MAIN);
        return;
    }
    *ghost_of(cache, entry->hash) = entry->hash;
    drop(cache, entry);
    stats_add(&cache->stats->cache_evictions, 1);
}

/* The oldest of the main queue leaves it, or gets another round. */
static void evict_main(struct reply_cache *cache, struct entry *entry)
{
    if (entry->uses > 0) {
        entry->uses--;
        list_remove(&entry->link);
        list_append(&cache->queues[QUEUE_MAIN], &entry->link);
        return;
    }
    drop(cache, entry);
    stats_add(&cache->stats->cache_evictions, 1);
}

static bool fits(const struct reply_cache *cache, uint64_t bytes)
{
    return cache->bytes[QUEUE_SMALL] + cache->bytes[QUEUE_MAIN] + bytes <=
           cache->max_bytes;
}

/* Makes room; false where that takes too long: then what was evicted has made some for
   the next. */
static bool make_room(struct reply_cache *cache, uint64_t bytes)
{
    for (unsigned i = 0; !fits(cache, bytes); i++) {
        bool small = !list_is_empty(&cache->queues[QUEUE_SMALL]) &&
                     (cache->bytes[QUEUE_SMALL] >= cache->max_bytes / SMALL_PART ||
                      list_is_empty(&cache->queues[QUEUE_MAIN]));

        if (i == EVICT_MAX)
            return false;
        if (small)
            evict_small(cache, entry_at(cache->queues[QUEUE_SMALL].next));
        else
            evict_main(cache, entry_at(cache->queues[QUEUE_MAIN].next));
    }
    return true;
}

/* ---- what the API calls ---- */

static size_t places_for(uint64_t bytes, uint64_t bytes_per_place)
{
    size_t places = PLACES_MIN;

    while (places < PLACES_MAX && places < bytes / bytes_per_place)
        places *= 2;
    return places;
}

struct reply_cache *reply_cache_create(uint64_t bytes, uint64_t seed,
                                       struct stats_front *stats)
{
    struct reply_cache *cache = mem_zalloc(sizeof *cache);

    assert(stats != NULL);
    cache->seed = seed;
    cache->stats = stats;
    cache->places = places_for(bytes, BYTES_PER_PLACE);
    cache->ghost_places = places_for(bytes, BYTES_PER_GHOST);
    cache->max_bytes = bytes - cache->places * sizeof *cache->table -
                       cache->ghost_places * sizeof *cache->ghosts;
    cache->table = mem_alloc(cache->places * sizeof *cache->table);
    for (size_t i = 0; i < cache->places; i++)
        list_init(&cache->table[i]);
    cache->ghosts = mem_zalloc(cache->ghost_places * sizeof *cache->ghosts);
    for (int queue = 0; queue < QUEUES; queue++)
        list_init(&cache->queues[queue]);
    return cache;
}

void reply_cache_destroy(struct reply_cache **cache)
{
    struct reply_cache *c = *cache;

    if (c == NULL)
        return;
    *cache = NULL;
    for (int queue = 0; queue < QUEUES; queue++)
        while (!list_is_empty(&c->queues[queue]))
            drop(c, entry_at(c->queues[queue].next));
    mem_free(c->table);
    mem_free(c->ghosts);
    mem_free(c);
}

struct blob *reply_cache_find(const struct reply_cache *cache, struct slice key,
                              uint64_t *version_r)
{
    const struct entry *entry = find(cache, key, hash_of(cache, key));

    if (entry == NULL)
        return NULL;
    *version_r = entry->version;
    return blob_ref(entry->reply);
}

void reply_cache_hit(struct reply_cache *cache, struct slice key)
{
    struct entry *entry = find(cache, key, hash_of(cache, key));

    stats_add(&cache->stats->cache_hits, 1);
    if (entry != NULL && entry->uses < USES_MAX)
        entry->uses++;
}

void reply_cache_miss(struct reply_cache *cache, struct slice key)
{
    struct entry *entry = find(cache, key, hash_of(cache, key));

    stats_add(&cache->stats->cache_misses, 1);
    if (entry == NULL)
        return;
    *ghost_of(cache, entry->hash) = entry->hash; /* its next version is as popular */
    drop(cache, entry);
    count_bytes(cache);
}

bool reply_cache_expects(const struct reply_cache *cache, struct slice key)
{
    uint64_t hash = hash_of(cache, key);

    return *ghost_of(cache, hash) == hash;
}

void reply_cache_note(struct reply_cache *cache, struct slice key)
{
    uint64_t hash = hash_of(cache, key);

    *ghost_of(cache, hash) = hash;
}

static struct entry *entry_create(struct slice key, uint64_t hash, uint64_t version,
                                  struct blob *reply)
{
    struct entry *entry = mem_alloc(sizeof *entry + key.len);

    *entry = (struct entry){
        .hash = hash, .version = version, .reply = blob_ref(reply), .key_len = key.len};
    memcpy(entry->key, key.data, key.len);
    list_init(&entry->link);
    return entry;
}

void reply_cache_put(struct reply_cache *cache, struct slice key, uint64_t version,
                     struct blob *reply)
{
    uint64_t hash = hash_of(cache, key), *ghost = ghost_of(cache, hash);
    struct entry *entry = find(cache, key, hash);
    uint64_t cost = cost_of(key.len, reply);

    if (entry != NULL && entry->version == version)
        return;
    if (entry != NULL)
        drop(cache, entry);
    if (cost <= reply_cache_max_bytes(cache) && make_room(cache, cost)) {
        entry = entry_create(key, hash, version, reply);
        list_append(&cache->table[hash & (cache->places - 1)], &entry->bucket);
        enqueue(cache, entry, *ghost == hash ? QUEUE_MAIN : QUEUE_SMALL);
        if (*ghost == hash)
            *ghost = 0;
    }
    count_bytes(cache);
}

uint64_t reply_cache_max_bytes(const struct reply_cache *cache)
{
    return cache->max_bytes / LARGEST_PART;
}
