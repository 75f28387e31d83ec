#include "clients/c/offloop.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "clients/c/inline.h"
#include "clients/c/link.h"
#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/list.h"
#include "proto/call_options.h"

#define DEFAULT_PATH         "/run/offloop/jobs.sock"
#define DEFAULT_ENGINE       "yajl"
#define DEFAULT_INLINE_BYTES 4096u
#define DEFAULT_TIMEOUT_MS   10000u
#define DEFAULT_EXPANDED     (UINT64_C(64) << 20)

#define MAX_JOBS 1024u
/* A job is sent so often: once more where the connection was lost. */
#define MAX_TRIES 2u
/* A daemon that is not there is looked for after so long, and then after twice that... */
#define RETRY_MIN_NS (50 * NS_PER_MS)
#define RETRY_MAX_NS (2 * NS_PER_S)
/* Jobs are looked over so often for those that are late... */
#define SWEEP_NS (100 * NS_PER_MS)
/* ...which this side gives up so much later than the daemon would. */
#define GRACE_NS (2 * NS_PER_S)
/* What is read, and what is run here, in one call. */
#define READ_BYTES    ((size_t)1 << 20)
#define INLINE_RUN_NS NS_PER_MS

enum job_state {
    JOB_QUEUED, /* to be sent */
    JOB_SENT,   /* its answer is awaited */
    JOB_HERE    /* to be run here */
};

struct job {
    struct list link; /* in the list of its state */
    enum job_state state;
    uint64_t number;
    struct offloop_request request;
    void (*done)(void *user, const struct offloop_result *result);
    void *user;
    uint64_t ends_ns, half_ns;
    unsigned tries;
    uint64_t message; /* the number of that which it was sent in */
    size_t options_len;
    uint8_t options[]; /* as the message has them */
};

struct offloop {
    char path[sizeof((struct sockaddr_un *)NULL)->sun_path];
    char name[WIRE_MAX_APP_BYTES + 1];
    struct offloop_options options;
    struct codec *codec;
    struct link link;
    bool is_welcome;
    bool is_leaving; /* the daemon has said goodbye: nothing more is sent */
    bool is_absent;  /* the last attempt to connect has failed */
    uint64_t retry_ns, pause_ns;
    uint64_t sweep_ns;
    uint64_t max_jobs, max_bytes; /* as the daemon says */
    uint64_t messages;            /* put so far */
    unsigned generation;          /* of the descriptor */
    struct job *slots[MAX_JOBS];
    unsigned pending, next_slot;
    uint64_t serial;
    struct list queued, sent, here;
    unsigned sent_count;
    uint64_t sent_bytes;
    uint64_t *cancels; /* to be told */
    unsigned cancel_count, cancel_room;
    bool is_inside, is_over; /* inside offloop_process(); to be freed after it */
    struct wire_message message;
};

static size_t payload_bytes(const struct job *job)
{
    return job->request.len + job->request.argument_len;
}

/* True where the job's payload, or some of it, is still to be sent. */
static bool is_half_sent(const struct offloop *o, const struct job *job)
{
    return job->state == JOB_SENT && job->message == o->messages &&
           !link_is_clear(&o->link);
}

/* Its bytes may be freed from now on. */
static void let_go(struct offloop *o, const struct job *job)
{
    if (is_half_sent(o, job))
        link_keep(&o->link);
}

/* ---- lists of jobs ---- */

static struct job *first_of(struct list *list)
{
    return list_is_empty(list) ? NULL : container_of(list->next, struct job, link);
}

static void leave(struct offloop *o, struct job *job)
{
    list_remove(&job->link);
    if (job->state != JOB_SENT)
        return;
    o->sent_count--;
    o->sent_bytes -= payload_bytes(job);
}

static void enter(struct offloop *o, struct job *job, enum job_state state)
{
    struct list *const lists[] = {&o->queued, &o->sent, &o->here};

    job->state = state;
    list_append(lists[state], &job->link);
    if (state != JOB_SENT)
        return;
    o->sent_count++;
    o->sent_bytes += payload_bytes(job);
}

static void move(struct offloop *o, struct job *job, enum job_state state)
{
    leave(o, job);
    enter(o, job, state);
}

static struct job *find(const struct offloop *o, uint64_t number)
{
    struct job *job = o->slots[number % MAX_JOBS];

    return job != NULL && job->number == number ? job : NULL;
}

static void forget(struct offloop *o, struct job *job)
{
    leave(o, job);
    o->slots[job->number % MAX_JOBS] = NULL;
    o->pending--;
    mem_free(job);
}

static const char *outcome_text(const struct offloop_result *result)
{
    static const char *const texts[] = {
        [OFFLOOP_OK] = "ok",
        [OFFLOOP_TIMEOUT] = "the job took too long",
        [OFFLOOP_OVERLOADED] = "too many jobs wait for workers",
        [OFFLOOP_NO_WORKER] = "no worker was there in time",
        [OFFLOOP_LOST] = "the workers that had the job were lost",
        [OFFLOOP_POISON] = "the document has crashed workers and is refused for now",
    };

    return result->outcome == OFFLOOP_REFUSED ? offloop_status_text(result->status)
                                              : texts[result->outcome];
}

/* The callback may do anything, also end all. */
static void finish(struct offloop *o, struct job *job, struct offloop_result *result)
{
    void (*done)(void *, const struct offloop_result *) = job->done;
    void *user = job->user;

    if (result->message == NULL)
        result->message = outcome_text(result);
    forget(o, job);
    done(user, result);
}

static void end(struct offloop *o, struct job *job, enum offloop_outcome outcome)
{
    finish(o, job, &(struct offloop_result){.outcome = outcome});
}

/* ---- running here ---- */

static bool may_run_here(const struct offloop *o)
{
    return !o->options.no_inline;
}

/* The payload in one piece: copied where it has an argument. */
static struct slice whole_payload(const struct job *job, struct buf *copy)
{
    const struct offloop_request *request = &job->request;

    if (request->argument_len == 0)
        return (struct slice){request->data, request->len};
    buf_append(copy, request->data, request->len);
    buf_append(copy, request->argument, request->argument_len);
    return buf_slice(copy);
}

static void run_here(struct offloop *o, struct job *job)
{
    struct buf copy = BUF_INIT, out = BUF_INIT;
    struct inline_job run = {.op = job->request.op,
                             .flags = job->request.flags,
                             .separator = job->request.separator,
                             .options = {job->options, job->options_len},
                             .payload = whole_payload(job, &copy),
                             .max_output = job->request.max_output};
    struct offloop_result result = {.ran_here = 1};
    uint64_t start_ns = clock_now_ns();

    result.status = inline_run(o->codec, &run, &out, &result.offset);
    result.codec_us = (unsigned)((clock_now_ns() - start_ns) / NS_PER_US);
    result.outcome = result.status == CODEC_OK ? OFFLOOP_OK : OFFLOOP_REFUSED;
    if (result.outcome == OFFLOOP_OK) {
        result.data = out.data != NULL ? (const void *)out.data : "";
        result.len = out.len;
    }
    finish(o, job, &result);
    buf_free(&out);
    buf_free(&copy);
}

static void run_some_here(struct offloop *o)
{
    uint64_t until_ns = clock_now_ns() + INLINE_RUN_NS;
    struct job *job;

    while (!o->is_over && (job = first_of(&o->here)) != NULL) {
        run_here(o, job);
        if (clock_now_ns() >= until_ns)
            return;
    }
}

/* ---- the connection ---- */

static void put_off_connecting(struct offloop *o, uint64_t now_ns)
{
    o->retry_ns = now_ns + o->pause_ns;
    o->pause_ns = o->pause_ns * 2 < RETRY_MAX_NS ? o->pause_ns * 2 : RETRY_MAX_NS;
}

/* Without a daemon the jobs are this process's, if they may be. */
static void miss_daemon(struct offloop *o)
{
    struct job *job;

    o->is_absent = true;
    put_off_connecting(o, clock_now_ns());
    while (may_run_here(o) && (job = first_of(&o->queued)) != NULL)
        move(o, job, JOB_HERE);
}

/* What was under way is sent once more, by a connection that is made at once where the
   last one was good; one that was not welcome has not even been tried. */
static void lose(struct offloop *o)
{
    bool was_welcome = o->is_welcome;
    struct job *job;

    link_close(&o->link);
    o->is_welcome = false;
    o->cancel_count = 0;
    o->retry_ns = 0;
    while (!o->is_over && (job = first_of(&o->sent)) != NULL) {
        if (!was_welcome)
            job->tries--;
        if (job->tries >= MAX_TRIES)
            end(o, job, OFFLOOP_LOST);
        else
            move(o, job, JOB_QUEUED);
    }
    if (!was_welcome && !o->is_over)
        miss_daemon(o);
}

static void try_connect(struct offloop *o, uint64_t now_ns)
{
    if (o->link.fd >= 0 || now_ns < o->retry_ns)
        return;
    if (link_connect(&o->link, o->path, o->name) != 0) {
        miss_daemon(o);
        return;
    }
    o->generation++;
    o->is_welcome = o->is_leaving = o->is_absent = false;
    o->max_jobs = MAX_JOBS;
    o->max_bytes = WIRE_MAX_PAYLOAD_BYTES;
}

static enum offloop_outcome outcome_of(const struct wire_result *result)
{
    switch (result->verdict) {
    case WIRE_DONE: return result->status == CODEC_OK ? OFFLOOP_OK : OFFLOOP_REFUSED;
    case WIRE_EXPIRED: return OFFLOOP_TIMEOUT;
    case WIRE_OVERLOADED: return OFFLOOP_OVERLOADED;
    case WIRE_NO_WORKER: return OFFLOOP_NO_WORKER;
    case WIRE_POISON: return OFFLOOP_POISON;
    default: return OFFLOOP_LOST;
    }
}

/* Returns -1 for an answer to what is not sent yet. */
static int take_result(struct offloop *o, const struct wire_result *wire)
{
    struct job *job = find(o, wire->id);
    struct offloop_result result = {.outcome = outcome_of(wire),
                                    .status = wire->status,
                                    .offset = wire->fault_offset,
                                    .queue_us = wire->queue_us,
                                    .codec_us = wire->codec_us};

    if (job == NULL || job->state != JOB_SENT)
        return 0; /* taken back */
    if (is_half_sent(o, job))
        return -1;
    if (result.outcome == OFFLOOP_NO_WORKER && may_run_here(o)) {
        move(o, job, JOB_HERE);
        return 0;
    }
    if (result.outcome == OFFLOOP_OK) {
        result.data = wire->payload.bytes.data;
        result.len = wire->payload.bytes.len;
    }
    finish(o, job, &result);
    return 0;
}

/* Returns -1 for what a daemon does not say. */
static int take_message(struct offloop *o, struct slice bytes)
{
    struct wire_message *message = &o->message;

    if (wire_decode(bytes, message, NULL) != WIRE_OK)
        return -1;
    switch (message->type) {
    case WIRE_RESULTS:
        for (unsigned i = 0; i < message->results.count && !o->is_over; i++) {
            const struct wire_result *result = &message->results.results[i];

            if (result->payload.in_arena || take_result(o, result) != 0)
                return -1;
        }
        return 0;
    case WIRE_APP_WELCOME:
        o->is_welcome = true;
        o->pause_ns = RETRY_MIN_NS;
        o->max_jobs = message->app_welcome.max_jobs;
        o->max_bytes = message->app_welcome.max_bytes;
        return 0;
    case WIRE_BYE: o->is_leaving = true; return 0;
    case WIRE_ALIVE: return 0;
    default: return -1; /* REFUSED, too */
    }
}

static void read_some(struct offloop *o)
{
    size_t total = 0;
    struct slice message;

    while (total < READ_BYTES && o->link.fd >= 0 && !o->is_over) {
        bool was_greeting = o->link.greeting_bytes < WIRE_GREETING_BYTES;
        enum frame_result frame;
        ssize_t got = link_receive(&o->link);

        if (got == 0)
            return;
        total += got > 0 ? (size_t)got : 0;
        frame = got < 0 ? FRAME_BAD : FRAME_MORE;
        while (got > 0 && !o->is_over &&
               (frame = link_next(&o->link, &message)) == FRAME_MESSAGE)
            if (take_message(o, message) != 0) {
                frame = FRAME_BAD;
                break;
            }
        if (frame == FRAME_BAD && !o->is_over)
            lose(o);
        else if (!was_greeting && (size_t)got < FRAME_READ_BYTES)
            return; /* that was all; a level-triggered loop tells of more */
    }
}

/* ---- sending ---- */

/* The jobs that go into the next message, which are sent then. */
static unsigned take_batch(struct offloop *o, struct job **batch)
{
    unsigned count = 0;
    struct job *job;

    while (count < WIRE_MAX_BATCH && (job = first_of(&o->queued)) != NULL) {
        if (o->sent_count >= o->max_jobs ||
            (o->sent_count > 0 && o->sent_bytes + payload_bytes(job) > o->max_bytes))
            break;
        job->tries++;
        job->message = o->messages + 1;
        move(o, job, JOB_SENT);
        batch[count++] = job;
    }
    return count;
}

static void put_batch(struct offloop *o, struct job *const *batch, unsigned count,
                      uint64_t now_ns)
{
    struct wire_job jobs[WIRE_MAX_BATCH];
    struct buf message = BUF_INIT;
    size_t bytes = 0;

    for (unsigned i = 0; i < count; i++) {
        const struct job *job = batch[i];
        uint64_t left_ms =
            job->ends_ns > now_ns ? (job->ends_ns - now_ns) / NS_PER_MS + 1 : 1;

        jobs[i] = (struct wire_job){
            .id = job->number,
            .op = job->request.op,
            .flags = job->request.flags,
            .separator = job->request.separator,
            .deadline_ms = left_ms < UINT32_MAX ? (uint32_t)left_ms : UINT32_MAX,
            .max_output = job->request.max_output,
            .options = {job->options, job->options_len},
            .payload = {.bytes = {NULL, payload_bytes(job)}}};
        bytes += payload_bytes(job);
    }
    assert(count > 0);
    wire_put_jobs(&message, jobs, count);
    link_put_message(&o->link, buf_slice(&message), bytes);
    buf_free(&message);
    for (unsigned i = 0; i < count; i++) {
        link_put_borrowed(&o->link, batch[i]->request.data, batch[i]->request.len);
        link_put_borrowed(&o->link, batch[i]->request.argument,
                          batch[i]->request.argument_len);
    }
}

static void put_cancels(struct offloop *o)
{
    unsigned count = o->cancel_count < WIRE_MAX_BATCH ? o->cancel_count : WIRE_MAX_BATCH;
    struct buf message = BUF_INIT;

    o->cancel_count -= count;
    wire_put_cancel(&message, o->cancels + o->cancel_count, count);
    link_put_message(&o->link, buf_slice(&message), 0);
    buf_free(&message);
}

/* Puts the next message; false where there is none. */
static bool put_next(struct offloop *o)
{
    struct job *batch[WIRE_MAX_BATCH];
    unsigned count = 0;

    if (o->cancel_count > 0)
        put_cancels(o);
    else if (o->is_leaving || (count = take_batch(o, batch)) == 0)
        return false;
    else
        put_batch(o, batch, count, clock_now_ns());
    o->messages++;
    return true;
}

static void send_some(struct offloop *o)
{
    while (o->link.fd >= 0 && !o->is_over) {
        if (link_is_clear(&o->link) && !put_next(o))
            return;
        if (link_send(&o->link) != 0) {
            /* what has come is read first: results may be among it */
            read_some(o);
            if (o->link.fd >= 0 && !o->is_over)
                lose(o);
            return;
        }
        if (!link_is_clear(&o->link))
            return;
    }
}

/* ---- time ---- */

/* Ends the first job of a list that is late; false where none is. */
static bool end_late(struct offloop *o, struct list *list, uint64_t now_ns)
{
    for (struct list *link = list->next; link != list; link = link->next) {
        struct job *job = container_of(link, struct job, link);
        uint64_t grace_ns = job->state == JOB_SENT ? GRACE_NS : 0;
        bool is_late = now_ns >= job->ends_ns + grace_ns;

        if (!is_late && (o->is_welcome || now_ns < job->half_ns))
            continue;
        let_go(o, job);
        if (!is_late && may_run_here(o))
            move(o, job, JOB_HERE);
        else
            end(o, job, o->is_welcome ? OFFLOOP_TIMEOUT : OFFLOOP_NO_WORKER);
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

        while ((job = first_of(lists[i])) != NULL)
            forget(o, job);
    }
    link_close(&o->link);
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
        read_some(o);
    if (!o->is_over)
        sweep(o, now_ns);
    if (!o->is_over)
        try_connect(o, now_ns);
    if (!o->is_over)
        run_some_here(o);
    if (!o->is_over)
        send_some(o);
    o->is_inside = false;
    if (o->is_over)
        offloop_destroy(o);
}

/* An errno where this is no job. */
static int check_request(const struct offloop *o, const struct offloop_request *request)
{
    if ((request->flags & ~OFFLOOP_INDENT) != 0 || (unsigned)request->op > UINT8_MAX ||
        (request->len > 0 && request->data == NULL) ||
        (request->argument_len > 0 && request->argument == NULL) ||
        (request->fields != NULL && strlen(request->fields) > CALL_OPTIONS_MAX_FIELDS) ||
        request->max_output > WIRE_MAX_PAYLOAD_BYTES)
        return EINVAL;
    if (request->len > WIRE_MAX_PAYLOAD_BYTES ||
        request->argument_len > WIRE_MAX_PAYLOAD_BYTES - request->len)
        return EMSGSIZE;
    return o->pending >= MAX_JOBS ? EAGAIN : 0;
}

static struct job *make_job(struct offloop *o, const struct offloop_request *request)
{
    const char *fields = request->fields != NULL ? request->fields : "";
    uint64_t expanded = request->max_expanded;
    struct buf options = BUF_INIT;
    struct job *job;

    if (expanded == 0 && (request->options & OFFLOOP_INPUT_GZIP) != 0)
        expanded = DEFAULT_EXPANDED;
    call_options_put_parts(&options, request->options, request->argument_len, expanded,
                           (struct slice){(const uint8_t *)fields, strlen(fields)});
    job = mem_alloc(sizeof *job + options.len);
    *job = (struct job){.request = *request, .options_len = options.len};
    if (options.len > 0)
        memcpy(job->options, options.data, options.len);
    buf_free(&options);
    if (job->request.max_output == 0)
        job->request.max_output = WIRE_MAX_PAYLOAD_BYTES;
    if (job->request.timeout_ms == 0)
        job->request.timeout_ms = o->options.timeout_ms;
    return job;
}

static void give_number(struct offloop *o, struct job *job)
{
    while (o->slots[o->next_slot] != NULL)
        o->next_slot = (o->next_slot + 1) % MAX_JOBS;
    job->number = ++o->serial * MAX_JOBS + o->next_slot;
    o->slots[o->next_slot] = job;
    o->next_slot = (o->next_slot + 1) % MAX_JOBS;
    o->pending++;
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

    errno = check_request(o, request);
    if (errno != 0)
        return 0;
    job = make_job(o, request);
    job->done = done;
    job->user = user;
    timeout_ns = job->request.timeout_ms * NS_PER_MS;
    job->ends_ns = now_ns + timeout_ns;
    job->half_ns = now_ns + timeout_ns / 2;
    if (o->pending == 0)
        o->sweep_ns = now_ns + SWEEP_NS;
    give_number(o, job);
    is_here = may_run_here(o) &&
              (o->is_absent || payload_bytes(job) <= o->options.inline_bytes);
    enter(o, job, is_here ? JOB_HERE : JOB_QUEUED);
    tell_changed(o);
    return job->number;
}

void offloop_cancel(struct offloop *o, uint64_t number)
{
    struct job *job = find(o, number);

    if (job == NULL)
        return;
    if (job->state == JOB_SENT) {
        let_go(o, job);
        if (o->cancel_count == o->cancel_room) {
            o->cancel_room = o->cancel_room * 2 + 16;
            o->cancels = mem_realloc(o->cancels, o->cancel_room * sizeof *o->cancels);
        }
        o->cancels[o->cancel_count++] = number;
    }
    forget(o, job);
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
