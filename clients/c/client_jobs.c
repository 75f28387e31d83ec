#include "clients/c/client_inside.h"

#include <errno.h>
#include <string.h>

#include "clients/c/inline.h"
#include "common/base/alloc.h"
#include "proto/call_options.h"

#define DEFAULT_EXPANDED (UINT64_C(64) << 20)
/* What is run here in one call. */
#define INLINE_RUN_NS NS_PER_MS

size_t job_payload_bytes(const struct job *job)
{
    return job->request.len + job->request.argument_len;
}

bool job_is_half_sent(const struct offloop *o, const struct job *job)
{
    return job->state == JOB_SENT && job->message == o->messages &&
           !link_is_clear(&o->link);
}

void job_let_go(struct offloop *o, const struct job *job)
{
    if (job_is_half_sent(o, job))
        link_keep(&o->link);
}

struct job *job_first(struct list *list)
{
    return list_is_empty(list) ? NULL : container_of(list->next, struct job, link);
}

static void job_leave(struct offloop *o, struct job *job)
{
    list_remove(&job->link);
    if (job->state != JOB_SENT)
        return;
    o->sent_count--;
    o->sent_bytes -= job_payload_bytes(job);
}

void job_enter(struct offloop *o, struct job *job, enum job_state state)
{
    struct list *const lists[] = {&o->queued, &o->sent, &o->here};

    job->state = state;
    list_append(lists[state], &job->link);
    if (state != JOB_SENT)
        return;
    o->sent_count++;
    o->sent_bytes += job_payload_bytes(job);
}

void job_move(struct offloop *o, struct job *job, enum job_state state)
{
    job_leave(o, job);
    job_enter(o, job, state);
}

struct job *job_find(const struct offloop *o, uint64_t number)
{
    struct job *job = o->slots[number % MAX_JOBS];

    return job != NULL && job->number == number ? job : NULL;
}

void job_forget(struct offloop *o, struct job *job)
{
    job_leave(o, job);
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

const char *job_fault_text(unsigned status, struct slice said, struct buf *text)
{
    if (said.len == 0 || !codec_status_has_text((enum codec_status)status))
        return NULL;
    buf_append(text, said.data, said.len);
    buf_append(text, "", 1);
    return (const char *)text->data;
}

void job_finish(struct offloop *o, struct job *job, struct offloop_result *result)
{
    void (*done)(void *, const struct offloop_result *) = job->done;
    void *user = job->user;

    if (result->message == NULL)
        result->message = outcome_text(result);
    job_forget(o, job);
    done(user, result);
}

void job_end(struct offloop *o, struct job *job, enum offloop_outcome outcome)
{
    job_finish(o, job, &(struct offloop_result){.outcome = outcome});
}

/* ---- running here ---- */

bool jobs_may_run_here(const struct offloop *o)
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
    struct buf copy = BUF_INIT, out = BUF_INIT, text = BUF_INIT;
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
    } else {
        result.message = job_fault_text(result.status, buf_slice(&out), &text);
    }
    job_finish(o, job, &result);
    buf_free(&text);
    buf_free(&out);
    buf_free(&copy);
}

void jobs_run_here(struct offloop *o)
{
    uint64_t until_ns = clock_now_ns() + INLINE_RUN_NS;
    struct job *job;

    while (!o->is_over && (job = job_first(&o->here)) != NULL) {
        run_here(o, job);
        if (clock_now_ns() >= until_ns)
            return;
    }
}

/* ---- making them ---- */

int job_check(const struct offloop *o, const struct offloop_request *request)
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

struct job *job_make(struct offloop *o, const struct offloop_request *request)
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

void job_give_number(struct offloop *o, struct job *job)
{
    while (o->slots[o->next_slot] != NULL)
        o->next_slot = (o->next_slot + 1) % MAX_JOBS;
    job->number = ++o->serial * MAX_JOBS + o->next_slot;
    o->slots[o->next_slot] = job;
    o->next_slot = (o->next_slot + 1) % MAX_JOBS;
    o->pending++;
}
