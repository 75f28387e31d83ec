#include "common/loop/background_free.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/list.h"
#include "common/base/log.h"

#define STACK_BYTES ((size_t)256 << 10)

/* What waits to be freed. The entry of a plain block lies in the block itself. */
struct entry {
    struct list link;
    void (*release)(void *object);
    void *object;
};

static_assert(BACKGROUND_FREE_MIN_BYTES >= sizeof(struct entry),
              "an entry fits into a block");

/* The one of this process. */
static struct {
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    struct list entries;
    bool running; /* the thread exists */
    bool ending;
    uint64_t count;

    pthread_t thread; /* only for background_free_start() and background_free_stop() */
} discard = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void free_entry(struct entry *entry)
{
    bool is_allocated = entry != entry->object;

    entry->release(entry->object);
    if (is_allocated)
        mem_free(entry);
}

static void *thread_main(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&discard.lock);
    for (;;) {
        struct list *link = list_shift(&discard.entries);

        if (link == NULL && discard.ending)
            break;
        if (link == NULL) {
            pthread_cond_wait(&discard.changed, &discard.lock);
            continue;
        }
        discard.count++;
        pthread_mutex_unlock(&discard.lock);
        free_entry(container_of(link, struct entry, link));
        pthread_mutex_lock(&discard.lock);
    }
    pthread_mutex_unlock(&discard.lock);
    return NULL;
}

void background_free_start(void)
{
    sigset_t all, before;
    pthread_attr_t attr;
    int rc;

    if (discard.running)
        return;
    list_init(&discard.entries);
    discard.ending = false;
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&discard.thread, &attr, thread_main, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (rc != 0)
        log_warn("large memory will be freed on the loop: %s", strerror(rc));
    pthread_mutex_lock(&discard.lock);
    discard.running = rc == 0;
    pthread_mutex_unlock(&discard.lock);
}

void background_free_stop(void)
{
    if (!discard.running)
        return;
    pthread_mutex_lock(&discard.lock);
    discard.running = false; /* blocks are freed at once now */
    discard.ending = true;
    pthread_cond_signal(&discard.changed);
    pthread_mutex_unlock(&discard.lock);
    pthread_join(discard.thread, NULL);
    assert(list_is_empty(&discard.entries));
}

/* Gives the entry to the thread. Without a thread, frees the object now. */
static void hand_over(struct entry *entry, void (*release)(void *object), void *object)
{
    bool running;

    *entry = (struct entry){.release = release, .object = object};
    list_init(&entry->link);
    pthread_mutex_lock(&discard.lock);
    running = discard.running;
    if (running) {
        list_append(&discard.entries, &entry->link);
        pthread_cond_signal(&discard.changed);
    }
    pthread_mutex_unlock(&discard.lock);
    if (!running)
        free_entry(entry);
}

void background_free_bytes(void *block, size_t bytes)
{
    if (bytes < BACKGROUND_FREE_MIN_BYTES || block == NULL)
        mem_free(block);
    else
        hand_over(block, mem_free, block);
}

void background_free_buf(struct buf *buf)
{
    background_free_bytes(buf->data, buf->cap);
    *buf = (struct buf)BUF_INIT;
}

void background_free_object(void (*release)(void *object), void *object, size_t bytes)
{
    if (bytes < BACKGROUND_FREE_MIN_BYTES)
        release(object);
    else
        hand_over(mem_alloc(sizeof(struct entry)), release, object);
}

uint64_t background_free_count(void)
{
    uint64_t count;

    pthread_mutex_lock(&discard.lock);
    count = discard.count;
    pthread_mutex_unlock(&discard.lock);
    return count;
}
