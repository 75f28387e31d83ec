#include "server/store/lmdb/lmdb_thread.h"

#include <assert.h>
#include <ev.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/list.h"
#include "common/base/log.h"
#include "common/loop/cpu_yield.h"

#define STACK_BYTES (256 * 1024)

/* How often the loop looks for progress within the timeout. */
#define LOOKS 4

struct lmdb_thread {
    struct ev_loop *loop;
    const struct lmdb_db *db;
    struct ev_async async;
    pthread_t id;
    pthread_mutex_t lock; /* guards the members up to the blank line */
    pthread_cond_t wake;
    struct list todo;
    struct list finished;
    bool stop;

    atomic_ulong steps; /* of work, counted by the thread: its progress */
    /* the loop's */
    uint64_t waiting;     /* tasks that are not back */
    struct list pending;  /* the same, oldest first, without those that have failed */
    struct ev_timer look; /* runs while tasks wait */
    unsigned long seen_steps;
    unsigned still_looks; /* looks in a row without a step */
    bool hung;
};

/* ---- the thread ---- */

/* Puts a task that has run into its list. The caller holds the lock. Returns true if the
   loop must be woken. */
static bool put_away(struct lmdb_thread *thread, struct list *link, bool again)
{
    bool first = !again && list_is_empty(&thread->finished);

    list_append(again ? &thread->todo : &thread->finished, link);
    return first;
}

static void *thread_main(void *arg)
{
    struct lmdb_thread *thread = arg;

    cpu_yield_enable();
    pthread_mutex_lock(&thread->lock);
    while (!thread->stop) {
        struct list *link = list_shift(&thread->todo);
        bool again;

        if (link == NULL) {
            pthread_cond_wait(&thread->wake, &thread->lock);
            continue;
        }
        pthread_mutex_unlock(&thread->lock);
        again = lmdb_task_run(lmdb_task_of_queue(link), thread->db, &thread->steps);
        pthread_mutex_lock(&thread->lock);
        if (put_away(thread, link, again))
            ev_async_send(thread->loop, &thread->async);
    }
    pthread_mutex_unlock(&thread->lock);
    return NULL;
}

/* ---- the loop ---- */

/* Ends all requests that wait. Requests that their callbacks make end at once, because
   `hung` is set. */
static void give_up(struct lmdb_thread *thread)
{
    struct list local;

    log_warn("store: reads hang: %" PRIu64 " wait for the disk", thread->waiting);
    thread->hung = true;
    list_init(&local);
    while (!list_is_empty(&thread->pending))
        list_append(&local, list_shift(&thread->pending));
    while (!list_is_empty(&local))
        lmdb_task_fail(lmdb_task_of_loop(list_shift(&local)));
}

static void on_look(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct lmdb_thread *thread = timer->data;
    unsigned long steps = atomic_load_explicit(&thread->steps, memory_order_relaxed);

    (void)events;
    if (steps != thread->seen_steps || thread->waiting == 0)
        thread->still_looks = 0;
    else if (++thread->still_looks == LOOKS && !thread->hung)
        give_up(thread);
    thread->seen_steps = steps;
    if (thread->waiting == 0)
        ev_timer_stop(loop, timer);
}

static struct list *shift_finished(struct lmdb_thread *thread)
{
    struct list *link;

    pthread_mutex_lock(&thread->lock);
    link = list_shift(&thread->finished);
    pthread_mutex_unlock(&thread->lock);
    return link;
}

static void on_async(struct ev_loop *loop, struct ev_async *async, int events)
{
    struct lmdb_thread *thread = async->data;
    struct list *link;

    (void)loop;
    (void)events;
    if (thread->hung)
        log_info("store: reads go on");
    thread->hung = false;
    while ((link = shift_finished(thread)) != NULL) {
        struct lmdb_task *task = lmdb_task_of_queue(link);

        thread->waiting--;
        list_remove(&lmdb_task_links(task)->loop);
        lmdb_task_end(task);
    }
}

void lmdb_thread_run(struct lmdb_thread *thread, struct lmdb_task *task)
{
    if (thread->hung) {
        lmdb_task_fail(task);
        lmdb_task_free(task);
        return;
    }
    thread->waiting++;
    list_append(&thread->pending, &lmdb_task_links(task)->loop);
    if (!ev_is_active(&thread->look)) {
        thread->still_looks = 0;
        ev_timer_again(thread->loop, &thread->look);
    }
    pthread_mutex_lock(&thread->lock);
    list_append(&thread->todo, &lmdb_task_links(task)->queue);
    pthread_cond_signal(&thread->wake);
    pthread_mutex_unlock(&thread->lock);
}

bool lmdb_thread_is_hung(const struct lmdb_thread *thread)
{
    return thread->hung;
}

uint64_t lmdb_thread_waiting(const struct lmdb_thread *thread)
{
    return thread->waiting;
}

/* Starts the thread with all signals blocked: they are for the loop. */
static int start_thread(struct lmdb_thread *thread)
{
    sigset_t all, before;
    pthread_attr_t attr;
    int rc;

    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&thread->id, &attr, thread_main, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return rc;
}

struct lmdb_thread *lmdb_thread_create(struct ev_loop *loop, const struct lmdb_db *db,
                                       double timeout_s)
{
    struct lmdb_thread *thread = mem_zalloc(sizeof *thread);
    int rc;

    thread->loop = loop;
    thread->db = db;
    list_init(&thread->todo);
    list_init(&thread->finished);
    list_init(&thread->pending);
    ev_init(&thread->look, on_look);
    thread->look.repeat = timeout_s / LOOKS;
    thread->look.data = thread;
    pthread_mutex_init(&thread->lock, NULL);
    pthread_cond_init(&thread->wake, NULL);
    ev_async_init(&thread->async, on_async);
    thread->async.data = thread;
    ev_async_start(loop, &thread->async);
    ev_unref(loop); /* a thread without work must not keep the loop running */
    rc = start_thread(thread);
    if (rc != 0)
        log_fatal("the store's thread cannot be started: %s", strerror(rc));
    return thread;
}

/* Frees tasks without requests. */
static void free_tasks(struct list *tasks)
{
    struct list *link;

    while ((link = list_shift(tasks)) != NULL) {
        struct lmdb_task *task = lmdb_task_of_queue(link);

        assert(lmdb_task_is_cancelled(task));
        lmdb_task_free(task);
    }
}

void lmdb_thread_destroy(struct lmdb_thread **thread)
{
    struct lmdb_thread *t = *thread;

    *thread = NULL;
    if (t == NULL)
        return;
    pthread_mutex_lock(&t->lock);
    t->stop = true;
    pthread_cond_signal(&t->wake);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->id, NULL);
    ev_ref(t->loop);
    ev_async_stop(t->loop, &t->async);
    ev_timer_stop(t->loop, &t->look);
    free_tasks(&t->todo);
    free_tasks(&t->finished);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->lock);
    mem_free(t);
}
