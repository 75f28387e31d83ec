#include "clients/c/offloop.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clients/c/client_inside.h"
#include "common/base/alloc.h"
#include "common/codec/codec.h"

#define DEFAULT_PATH         "/run/offloop/jobs.sock"
#define DEFAULT_ENGINE       "yajl"
#define DEFAULT_INLINE_BYTES 4096u
#define DEFAULT_TIMEOUT_MS   10000u

/* Jobs are looked over so often for those that are late... */
#define SWEEP_NS (100 * NS_PER_MS)
/* ...which this side gives up so much later than the daemon would. */
#define GRACE_NS (2 * NS_PER_S)

/* Ends the first job of a list that is late; false where none is. */
static bool end_late(struct offloop *o, struct list *list, uint64_t now_ns)
{
    for (struct list *link = list->next; link != list; link = link->next) {
        struct job *job = container_of(link, struct job, link);
        uint64_t grace_ns = job->state == JOB_SENT ? GRACE_NS : 0;
        bool is_late = now_ns >= job->ends_ns + grace_ns;

        if (!is_late && (o->is_welcome || now_ns < job->half_ns))
            continue;
        job_let_go(o, job);
        if (!is_late && jobs_may_run_here(o))
            job_move(o, job, JOB_HERE);
        else
            job_end(o, job, o->is_welcome ? OFFLOOP_TIMEOUT : OFFLOOP_NO_WORKER);
        return true;
    }
    return false;
}

static void sweep(struct offloop *o, uint64_t now_ns)
{
    struct list *const lists[] = {&o->queued, &o->sent};

    if (o->pending == 0 || now_ns < o->sweep_ns)
        return;
    for (unsigned i = 0; i < 2; i++)
        while (!o->is_over && end_late(o, lists[i], now_ns))
            ;
    o->sweep_ns = now_ns + SWEEP_NS;
}

/* ---- what programs call ---- */

static int set_path(struct offloop *o, const char *path)
{
    if (path == NULL)
        path = getenv("OFFLOOP_JOBS");
    if (path == NULL || path[0] == '\0')
        path = DEFAULT_PATH;
    if (strlen(path) >= sizeof o->path)
        return -1;
    strcpy(o->path, path);
    return 0;
}

struct offloop *offloop_create(const char *path, const struct offloop_options *options)
{
    struct offloop *o = mem_zalloc(sizeof *o);

    if (options != NULL)
        o->options = *options;
    if (o->options.inline_bytes == 0)
        o->options.inline_bytes = DEFAULT_INLINE_BYTES;
    if (o->options.timeout_ms == 0)
        o->options.timeout_ms = DEFAULT_TIMEOUT_MS;
    link_init(&o->link);
    arena_init(&o->arena);
    list_init(&o->queued);
    list_init(&o->sent);
    list_init(&o->here);
    o->pause_ns = RETRY_MIN_NS;
    o->codec =
        codec_create(o->options.engine != NULL ? o->options.engine : DEFAULT_ENGINE);
    if (o->codec != NULL && set_path(o, path) == 0 &&
        (o->options.name == NULL || strlen(o->options.name) < sizeof o->name)) {
        strcpy(o->name, o->options.name != NULL ? o->options.name : "");
        return o;
    }
    offloop_destroy(o);
    errno = EINVAL;
    return NULL;
}

void offloop_destroy(struct offloop *o)
{
    struct list *lists[3];

    if (o == NULL)
        return;
    o->is_over = true;
    if (o->is_inside)
        return;
    lists[0] = &o->queued;
    lists[1] = &o->sent;
    lists[2] = &o->here;
    for (unsigned i = 0; i < 3; i++) {
        struct job *job;

        while ((job = job_first(lists[i])) != NULL)
            job_forget(o, job);
    }
    link_close(&o->link);
    arena_close(&o->arena);
    codec_destroy(&o->codec);
    mem_free(o->cancels);
    mem_free(o);
}

int offloop_fd(const struct offloop *o)
{
    return o->link.fd;
}

unsigned offloop_generation(const struct offloop *o)
{
    return o->generation;
}

unsigned offloop_wants(const struct offloop *o)
{
    bool may_send =
        !o->is_leaving && !list_is_empty(&o->queued) && o->sent_count < o->max_jobs;

    if (o->link.fd < 0)
        return 0;
    if (!link_is_clear(&o->link) || o->cancel_count > 0 ||
        (may_send && (o->sent_count == 0 || o->sent_bytes < o->max_bytes)))
        return OFFLOOP_READ | OFFLOOP_WRITE;
    return OFFLOOP_READ;
}

int offloop_deadline_ms(const struct offloop *o)
{
    uint64_t now_ns = clock_now_ns(), due_ns = UINT64_MAX;

    if (!list_is_empty(&o->here))
        return 0;
    if (o->link.fd < 0 && o->pending > 0)
        due_ns = o->retry_ns;
    if (o->pending > 0 && o->sweep_ns < due_ns)
        due_ns = o->sweep_ns;
    if (due_ns == UINT64_MAX)
        return -1;
    return due_ns <= now_ns ? 0 : (int)((due_ns - now_ns) / NS_PER_MS) + 1;
}

void offloop_process(struct offloop *o, unsigned ready)
{
    uint64_t now_ns = clock_now_ns();

    assert(!o->is_inside);
    o->is_inside = true;
    if ((ready & OFFLOOP_READ) && o->link.fd >= 0)
        connection_read(o);
    if (!o->is_over)
        sweep(o, now_ns);
    if (!o->is_over)
        connection_try(o, now_ns);
    if (!o->is_over)
        jobs_run_here(o);
    if (!o->is_over)
        connection_send(o);
    o->is_inside = false;
    if (o->is_over)
        offloop_destroy(o);
}

static void tell_changed(const struct offloop *o)
{
    if (o->options.changed != NULL && !o->is_inside)
        o->options.changed(o->options.user);
}

uint64_t offloop_submit(struct offloop *o, const struct offloop_request *request,
                        void (*done)(void *user, const struct offloop_result *result),
                        void *user)
{
    uint64_t now_ns = clock_now_ns(), timeout_ns;
    struct job *job;
    bool is_here;

    errno = job_check(o, request);
    if (errno != 0)
        return 0;
    job = job_make(o, request);
    job->done = done;
    job->user = user;
    timeout_ns = job->request.timeout_ms * NS_PER_MS;
    job->ends_ns = now_ns + timeout_ns;
    job->half_ns = now_ns + timeout_ns / 2;
    if (o->pending == 0)
        o->sweep_ns = now_ns + SWEEP_NS;
    job_give_number(o, job);
    is_here = jobs_may_run_here(o) &&
              (o->is_absent || job_payload_bytes(job) <= o->options.inline_bytes);
    job_enter(o, job, is_here ? JOB_HERE : JOB_QUEUED);
    tell_changed(o);
    return job->number;
}

void offloop_cancel(struct offloop *o, uint64_t number)
{
    struct job *job = job_find(o, number);

    if (job == NULL)
        return;
    if (job->state == JOB_SENT) {
        job_let_go(o, job);
        if (o->cancel_count == o->cancel_room) {
            o->cancel_room = o->cancel_room * 2 + 16;
            o->cancels = mem_realloc(o->cancels, o->cancel_room * sizeof *o->cancels);
        }
        o->cancels[o->cancel_count++] = number;
    }
    job_forget(o, job);
    tell_changed(o);
}

unsigned offloop_pending(const struct offloop *o)
{
    return o->pending;
}

int offloop_is_connected(const struct offloop *o)
{
    return o->is_welcome;
}
