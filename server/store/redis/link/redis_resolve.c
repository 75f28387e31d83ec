#include "server/store/redis/link/redis_resolve.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ev.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/alloc.h"

#define STACK_BYTES (256 * 1024)

/* Shared by the loop and the thread; the last of them to finish frees it. */
struct redis_resolve {
    struct ev_loop *loop; /* the thread may use it while `wanted` is set */
    struct ev_async async;
    redis_resolve_done *done;
    void *ctx;
    char *host;
    pthread_mutex_t lock; /* guards the members below */
    bool wanted;          /* the loop waits */
    bool running;         /* the thread has not finished */
    struct redis_addresses addresses;
    const char *why;
};

static void free_resolve(struct redis_resolve *resolve)
{
    pthread_mutex_destroy(&resolve->lock);
    mem_free(resolve->host);
    mem_free(resolve);
}

static void keep_addresses(const struct addrinfo *list, struct redis_addresses *out)
{
    out->count = 0;
    for (; list != NULL && out->count < REDIS_RESOLVE_MAX; list = list->ai_next)
        if (getnameinfo(list->ai_addr, list->ai_addrlen, out->texts[out->count],
                        REDIS_RESOLVE_TEXT, NULL, 0, NI_NUMERICHOST) == 0)
            out->count++;
}

static void *thread_main(void *arg)
{
    struct redis_resolve *resolve = arg;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    struct redis_addresses addresses = {0};
    int rc = getaddrinfo(resolve->host, NULL, &hints, &list);
    bool last;

    if (rc == 0) {
        keep_addresses(list, &addresses);
        freeaddrinfo(list);
    }
    pthread_mutex_lock(&resolve->lock);
    resolve->running = false;
    resolve->addresses = addresses;
    resolve->why = rc == 0 ? "it has no address" : gai_strerror(rc);
    last = !resolve->wanted;
    if (!last)
        ev_async_send(resolve->loop, &resolve->async);
    pthread_mutex_unlock(&resolve->lock);
    if (last)
        free_resolve(resolve);
    return NULL;
}

/* Starts the thread with all signals blocked: they are for the loop. */
static int start_thread(struct redis_resolve *resolve)
{
    sigset_t all, before;
    pthread_attr_t attr;
    pthread_t id;
    int rc;

    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&id, &attr, thread_main, resolve);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return rc;
}

static void stop_watching(struct redis_resolve *resolve)
{
    ev_ref(resolve->loop);
    ev_async_stop(resolve->loop, &resolve->async);
}

static void on_async(struct ev_loop *loop, struct ev_async *async, int events)
{
    struct redis_resolve *resolve = async->data;

    (void)loop;
    (void)events;
    pthread_mutex_lock(&resolve->lock); /* the thread may still hold it */
    assert(resolve->wanted && !resolve->running);
    pthread_mutex_unlock(&resolve->lock);
    stop_watching(resolve);
    resolve->done(resolve->ctx, &resolve->addresses, resolve->why);
    free_resolve(resolve);
}

struct redis_resolve *redis_resolve_start(struct ev_loop *loop, const char *host,
                                          redis_resolve_done *done, void *ctx)
{
    struct redis_resolve *resolve = mem_zalloc(sizeof *resolve);

    resolve->loop = loop;
    resolve->done = done;
    resolve->ctx = ctx;
    resolve->host = str_dup(host);
    resolve->wanted = true;
    pthread_mutex_init(&resolve->lock, NULL);
    ev_async_init(&resolve->async, on_async);
    resolve->async.data = resolve;
    ev_async_start(loop, &resolve->async);
    ev_unref(loop); /* a look-up must not keep the loop running */
    resolve->running = true;
    if (start_thread(resolve) != 0) {
        resolve->running = false;
        resolve->why = "no thread can be started";
        ev_async_send(loop, &resolve->async);
    }
    return resolve;
}

void redis_resolve_drop(struct redis_resolve **resolve)
{
    struct redis_resolve *r = *resolve;
    bool running;

    *resolve = NULL;
    if (r == NULL)
        return;
    stop_watching(r);
    pthread_mutex_lock(&r->lock);
    r->wanted = false;
    running = r->running;
    pthread_mutex_unlock(&r->lock);
    if (!running)
        free_resolve(r);
}

bool redis_resolve_is_numeric(const char *host)
{
    struct in6_addr any;

    return inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1;
}
