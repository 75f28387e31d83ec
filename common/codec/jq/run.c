#include "common/codec/jq/run.h"

#include <stdlib.h>

#include "common/codec/codec.h"
#include "common/codec/jq/functions/strings.h"
#include "common/codec/jq/values.h"

/* Longest document: lengths in it have 32 bits. */
#define MAX_DOCUMENT_BYTES UINT32_MAX

/* More stack than JQ_STACK_BYTES says is for what a run calls that does not look. A frame
   is larger where sanitizers guard it. */
#define STACK_BYTES (JQ_STACK_BYTES / 3 * 2)

static const char *const status_texts[] = {
#define X(name, http, text) text,
    JQ_STATUS_MAP(X)
#undef X
};

static const int status_https[] = {
#define X(name, http, text) http,
    JQ_STATUS_MAP(X)
#undef X
};

const char *jq_status_text(enum jq_status status)
{
    return status < JQ_STATUSES ? status_texts[status] : "unknown";
}

int jq_status_http(enum jq_status status)
{
    return status < JQ_STATUSES ? status_https[status] : 500;
}

void run_end(struct jq_run *run, enum jq_status status, const char *reason)
{
    if (status == JQ_DOCUMENT && run->in_arguments)
        status = JQ_ARGUMENT;
    run->status = status;
    run->reason = reason;
    longjmp(run->leave, 1);
}

void run_pause(struct jq_run *run)
{
    uint64_t need = (uint64_t)-run->fuel, more = RUN_PAUSE_STEPS;

    if (run->call->go_on != NULL && !run->call->go_on(run->call->context))
        run_end(run, JQ_STOPPED, NULL);
    if (need > run->steps_left) {
        run->steps_left = 0;
        run_end(run, JQ_STEPS, NULL);
    }
    if (more > run->steps_left - need)
        more = run->steps_left - need;
    run->steps_left -= need + more;
    run->fuel = (int64_t)more;
}

/* ---- a run */

void run_take(struct jq_run *run, struct slice result)
{
    const struct jq_call *call = run->call;

    run_charge(run, 4 + result.len / 16); /* the caller copies it, mostly to new pages */
    run->taken += result.len;
    run->results++;
    if (!call->take(call->context, result))
        run_end(run, JQ_STOPPED, NULL);
}

size_t run_output_left(const struct jq_run *run)
{
    return run->call->max_output - run->taken;
}

static int take_result(struct sink *sink, struct jq_run *run, struct jv value,
                       const struct path *path)
{
    struct slice result = values_write(run, value, run_output_left(run));

    (void)sink, (void)path;
    jv_drop(run, value);
    run_take(run, result);
    return FLOW_OK;
}

/* The document, or a copy that nobody else writes to. */
static const uint8_t *steady_document(struct jq_run *run)
{
    const struct jq_call *call = run->call;
    uint8_t *copy;

    if (call->document.len > MAX_DOCUMENT_BYTES)
        run_end(run, JQ_MEMORY, NULL);
    if (!call->document_changes || call->document.len == 0)
        return call->document.data;
    copy = pool_alloc(run, call->document.len);
    memcpy(copy, call->document.data, call->document.len);
    return copy;
}

/* The environment with the arguments; entries has room for them. */
static struct env *bind_arguments(struct jq_run *run, struct env *entries)
{
    const struct jq_call *call = run->call;
    struct env *top = NULL;

    run->in_arguments = true;
    for (uint32_t i = 0; i < call->program->name_count; i++) {
        entries[i].up = top;
        if (!values_from_msgpack(run, call->arguments[i], &entries[i].value))
            run_end(run, JQ_ARGUMENT, NULL);
        top = &entries[i];
    }
    run->in_arguments = false;
    return top;
}

static int evaluate(struct jq_run *run)
{
    const struct jq_program *program = run->call->program;
    struct sink sink = {take_result};
    struct env *entries, *env;
    size_t sites = (program->site_count + 1) * sizeof *run->sites;

    run->result_sink = &sink;
    entries = pool_alloc(run, (program->name_count + 1) * sizeof *entries);
    env = bind_arguments(run, entries);
    run->sites = pool_alloc(run, sites);
    memset(run->sites, 0, sites);
    run->start = steady_document(run);
    run->end = run->start + run->call->document.len;
    return flow_many(run, program->root, env, raw_load(run, run->start), NULL, &sink);
}

/* ---- what the caller is told */

/* Copies text that may be cut, at a code point's end. */
static void copy_text(char *to, size_t size, const uint8_t *text, size_t len)
{
    size_t copied = 0;
    uint32_t code;

    while (copied < len) {
        size_t step = strings_step(text + copied, text + len, &code);

        if (copied + step >= size)
            break;
        memcpy(to + copied, text + copied, step);
        copied += step;
    }
    to[copied] = 0;
}

/* An error that nothing caught, as jq says it. */
static void tell_error(struct jq_run *run, struct jq_outcome *outcome)
{
    struct jv text;

    if (run->error.kind == JV_NULL)
        text = jv_constant("null (null) not a string");
    else if (jv_is_string(run->error))
        text = run->error;
    else
        text = jv_textf(run, "%s (not a string)", flow_describe(run, run->error));
    outcome->offset = run->error_at;
    if (text.len == 0)
        text = jv_constant(jq_status_text(JQ_FAILED));
    copy_text(outcome->reason, sizeof outcome->reason, text.at, text.len);
}

static void tell(struct jq_run *run, enum jq_status status, struct jq_outcome *outcome)
{
    const char *reason = run->reason != NULL ? run->reason : jq_status_text(status);

    outcome->status = status;
    copy_text(outcome->reason, sizeof outcome->reason, (const uint8_t *)reason,
              strlen(reason));
}

static void tell_costs(const struct jq_run *run, struct jq_outcome *outcome)
{
    uint64_t left = run->steps_left;

    if (run->fuel > 0)
        left += (uint64_t)run->fuel;
    outcome->steps = run->call->max_steps - left;
    outcome->memory = run->pool.peak;
    outcome->results = run->results;
}

enum jq_status jq_run(const struct jq_call *call, struct jq_outcome *outcome_r)
{
    struct jq_run run;

    memset(&run, 0, sizeof run);
    memset(outcome_r, 0, sizeof *outcome_r);
    run.call = call;
    run.stack_limit = (uintptr_t)__builtin_frame_address(0) - STACK_BYTES;
    run.steps_left = call->max_steps < INT64_MAX ? call->max_steps : INT64_MAX;
    pool_init(&run.pool, call->max_memory);
    if (setjmp(run.leave) != 0) {
        tell(&run, run.status, outcome_r);
    } else {
        int flow = evaluate(&run);

        outcome_r->status = flow == FLOW_OK ? JQ_OK : JQ_FAILED;
        if (flow == FLOW_BREAK)
            tell(&run, JQ_FAILED, outcome_r);
        else if (flow == FLOW_ERROR)
            tell_error(&run, outcome_r);
    }
    tell_costs(&run, outcome_r);
    codec_destroy(&run.codec);
    buf_free(&run.text);
    pool_destroy(&run.pool);
    return outcome_r->status;
}
