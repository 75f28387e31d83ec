#include "server/jobs/place/jobs_cost.h"

#include <assert.h>
#include <string.h>

#include "common/codec/operations/program_argument.h"

/* Before anything is learned: a job's fixed part, and a byte's. */
#define CALL_US         2.0
#define BYTE_US         0.005
#define BYTE_GZIP_US    0.03
#define BYTE_PRETTY_US  0.015
#define BYTE_FIELDS_US  0.01
#define BYTE_PROGRAM_US 0.01

/* What is looked at of a program's text: others of the same beginning and length share
   what is learned. */
#define PROGRAM_KEY_BYTES 256

/* Of the text of fields, whatever is learned: reading the names, and looking for each of
   the document's among them, depends on no document. */
#define FIELDS_BYTE_US 0.05

#define RPC_BYTE_US    0.0004
#define RPC_BYTE_MIN   0.00005
#define RPC_BYTE_MAX   0.02
#define RPC_FLOOR_US   0.2
#define LEARN_DOWN     0.125   /* weight of a sample below the estimate... */
#define LEARN_UP       0.03125 /* ...and of one above it */
#define MAX_STEP       4.0     /* a sample counts as at most so many times the estimate */
#define FACTOR_MIN     0.01
#define FACTOR_MAX     1000.0
#define NS_PER_COST_US 1000.0

static const double rpc_default_us[STATS_COST_BACKLOGS] = {60, 35, 20, 10, 5, 3, 2, 1.5};

void jobs_cost_init(struct jobs_cost *cost, struct stats_front *stats)
{
    assert(stats != NULL);
    cost->stats = stats;
    memset(cost->programs, 0, sizeof cost->programs);
    for (unsigned op = 0; op < CODEC_OPS; op++)
        for (unsigned size = 0; size < STATS_COST_SIZES; size++)
            for (unsigned kind = 0; kind < JOBS_COST_KINDS; kind++)
                cost->factor[op][kind][size] = 1.0;
    for (unsigned i = 0; i < STATS_COST_BACKLOGS; i++)
        cost->rpc_us[i] = rpc_default_us[i];
    cost->rpc_byte_us = RPC_BYTE_US;
}

static unsigned log2_class(uint64_t value, unsigned classes)
{
    unsigned log2 = value == 0 ? 0 : 63 - (unsigned)__builtin_clzll(value);

    return log2 < classes ? log2 : classes - 1;
}

unsigned jobs_cost_size_class(uint64_t bytes)
{
    return log2_class(bytes, STATS_COST_SIZES);
}

unsigned jobs_cost_backlog_class(unsigned backlog)
{
    return log2_class(backlog, STATS_COST_BACKLOGS);
}

static uint64_t bytes_of(const struct codec_call *call)
{
    return call->in.len + call->argument.len;
}

static enum jobs_cost_kind kind_of(const struct codec_call *call)
{
    if (call->transform)
        return JOBS_COST_PROGRAM;
    if (call->coding != CODING_NONE || call->gunzip)
        return JOBS_COST_CODED;
    if (call->pretty)
        return JOBS_COST_PRETTY;
    return call->fields.len > 0 ? JOBS_COST_FIELDS : JOBS_COST_PLAIN;
}

/* The part that is learned. */
static double default_us(const struct codec_call *call)
{
    static const double byte_us[JOBS_COST_KINDS] = {[JOBS_COST_PLAIN] = BYTE_US,
                                                    [JOBS_COST_CODED] = BYTE_GZIP_US,
                                                    [JOBS_COST_PRETTY] = BYTE_PRETTY_US,
                                                    [JOBS_COST_FIELDS] = BYTE_FIELDS_US,
                                                    [JOBS_COST_PROGRAM] =
                                                        BYTE_PROGRAM_US};

    return CALL_US + byte_us[kind_of(call)] * (double)bytes_of(call);
}

static double fixed_us(const struct codec_call *call)
{
    return FIELDS_BYTE_US * (double)call->fields.len;
}

/* Not 0. */
static uint64_t program_key(const struct codec_call *call)
{
    struct slice text = program_argument_text(call->argument);
    uint64_t key = UINT64_C(0xcbf29ce484222325) ^ text.len;

    for (size_t i = 0; i < text.len && i < PROGRAM_KEY_BYTES; i++)
        key = (key ^ text.data[i]) * UINT64_C(0x100000001b3);
    key = (key ^ call->op ^ (uint64_t)call->coding << 8) * UINT64_C(0x100000001b3);
    return key != 0 ? key : 1;
}

/* What is known of a call's program; NULL for nothing. */
static const struct jobs_cost_program *find_program(const struct jobs_cost *cost,
                                                    uint64_t key)
{
    const struct jobs_cost_program *program =
        &cost->programs[(key >> 32) % JOBS_COST_PROGRAMS];

    return program->key == key ? program : NULL;
}

static double factor_of(const struct jobs_cost *cost, const struct codec_call *call)
{
    unsigned size = jobs_cost_size_class(bytes_of(call));
    const struct jobs_cost_program *program;

    if (!call->transform)
        return cost->factor[call->op][kind_of(call)][size];
    program = find_program(cost, program_key(call));
    return program != NULL ? program->factor[size] : 1.0;
}

/* Where to learn a call's factor. */
static double *factor_to_learn(struct jobs_cost *cost, const struct codec_call *call)
{
    unsigned size = jobs_cost_size_class(bytes_of(call));
    struct jobs_cost_program *program;
    uint64_t key;

    if (!call->transform)
        return &cost->factor[call->op][kind_of(call)][size];
    key = program_key(call);
    program = &cost->programs[(key >> 32) % JOBS_COST_PROGRAMS];
    if (program->key != key) {
        program->key = key;
        for (unsigned i = 0; i < STATS_COST_SIZES; i++)
            program->factor[i] = 1.0;
    }
    return &program->factor[size];
}

double jobs_cost_codec_us(const struct jobs_cost *cost, const struct codec_call *call)
{
    assert(call->op < CODEC_OPS);
    return default_us(call) * factor_of(cost, call) + fixed_us(call);
}

/* Moves an estimate towards a sample. */
static void learn(double *estimate, double sample)
{
    assert(*estimate > 0);
    if (sample > *estimate * MAX_STEP)
        sample = *estimate * MAX_STEP;
    *estimate += (sample - *estimate) * (sample < *estimate ? LEARN_DOWN : LEARN_UP);
}

static double clamp(double value, double min, double max)
{
    return value < min ? min : value > max ? max : value;
}

void jobs_cost_learn_codec(struct jobs_cost *cost, const struct codec_call *call,
                           uint32_t us)
{
    enum jobs_cost_kind kind = kind_of(call);
    unsigned size = jobs_cost_size_class(bytes_of(call));
    double learned_us = (double)us + 0.5 - fixed_us(call); /* whole ones were counted */
    double *factor;

    assert(call->op < CODEC_OPS);
    factor = factor_to_learn(cost, call);
    learn(factor, (learned_us > 0 ? learned_us : 0) / default_us(call));
    *factor = clamp(*factor, FACTOR_MIN, FACTOR_MAX);
    if (kind == JOBS_COST_PLAIN)
        stats_set(&cost->stats->cost_codec_ns[call->op][size],
                  (uint64_t)(jobs_cost_codec_us(cost, call) * NS_PER_COST_US));
}

void jobs_cost_learn_stopped(struct jobs_cost *cost, const struct codec_call *call)
{
    double us = jobs_cost_codec_us(cost, call) * MAX_STEP + CALL_US;

    jobs_cost_learn_codec(cost, call, us < UINT32_MAX ? (uint32_t)us : UINT32_MAX);
}

double jobs_cost_rpc_us(const struct jobs_cost *cost, const struct codec_call *call,
                        unsigned backlog)
{
    return cost->rpc_us[jobs_cost_backlog_class(backlog)] +
           cost->rpc_byte_us * (double)bytes_of(call);
}

void jobs_cost_learn_rpc(struct jobs_cost *cost, unsigned backlog, double bytes,
                         double us)
{
    unsigned class = jobs_cost_backlog_class(backlog);

    if (bytes > JOBS_COST_SMALL_BYTES) {
        learn(&cost->rpc_byte_us,
              clamp((us - cost->rpc_us[class]) / bytes, RPC_BYTE_MIN, RPC_BYTE_MAX));
        return;
    }
    us -= cost->rpc_byte_us * bytes;
    learn(&cost->rpc_us[class], us > RPC_FLOOR_US ? us : RPC_FLOOR_US);
    stats_set(&cost->stats->cost_rpc_ns[class],
              (uint64_t)(cost->rpc_us[class] * NS_PER_COST_US));
}
