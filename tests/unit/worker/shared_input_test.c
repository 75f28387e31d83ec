/*
 * Jobs whose input lies in memory that a front shares, and that the front changes while
 * they are being worked on: every operation, with both engines, on either stored format,
 * plain and compressed. Such a job may fail or have a wrong result, and that is all: no
 * engine may read or write out of bounds, end the process, or go on for ever.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/alloc.h"
#include "common/codec/codec.h"
#include "common/codec/coding/gzip.h"
#include "common/process/process.h"
#include "proto/call_options.h"
#include "worker/runner.h"

#define SHARED_BYTES ((size_t)64 << 10)
#define OUTPUT_BYTES ((size_t)8 << 20)
#define RUNS         150

/* What a job reads, and who changes it. */
struct shared {
    uint8_t *bytes;
    struct slice right; /* what the bytes are mostly */
    pthread_t thread;
    atomic_bool is_over;
};

struct sink {
    struct runner_sink sink;
    unsigned results;
};

/* A next number, the same in each run of the test. */
static uint32_t next_number(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

/* Bytes that begin, end or lengthen something in one of the formats. */
static uint8_t odd_byte(uint32_t number)
{
    static const uint8_t bytes[] = {'"',  '\\', '{',  '}',  '[',  ']',  ',',  ':',
                                    '\n', '-',  'e',  '9',  0x80, 0x8f, 0x90, 0x9f,
                                    0xa0, 0xbf, 0xc0, 0xc7, 0xca, 0xcb, 0xd9, 0xda,
                                    0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xed, 0xf4, 0xff};

    return bytes[number % sizeof bytes];
}

/* Changes a byte, and soon puts it right again, over and over. */
static void *change(void *arg)
{
    struct shared *shared = arg;
    volatile uint8_t *bytes = shared->bytes;
    uint32_t seed = 1;

    while (!atomic_load(&shared->is_over)) {
        size_t at[8];

        for (unsigned i = 0; i < 8; i++) {
            at[i] = next_number(&seed) % shared->right.len;
            bytes[at[i]] = odd_byte(next_number(&seed));
        }
        for (unsigned i = 0; i < 8; i++)
            bytes[at[i]] = shared->right.data[at[i]];
    }
    return NULL;
}

static void start_changing(struct shared *shared, struct slice right)
{
    assert_true(right.len > 0 && right.len <= SHARED_BYTES);
    shared->right = right;
    memcpy(shared->bytes, right.data, right.len);
    atomic_store(&shared->is_over, false);
    assert_int_equal(pthread_create(&shared->thread, NULL, change, shared), 0);
}

static void stop_changing(struct shared *shared)
{
    atomic_store(&shared->is_over, true);
    pthread_join(shared->thread, NULL);
}

static void take_results(struct runner_sink *base, uint32_t peer,
                         const struct wire_result *results, unsigned count,
                         struct slice payloads)
{
    struct sink *sink = (struct sink *)base;

    (void)peer;
    (void)payloads;
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(results[i].verdict, WIRE_DONE);
        assert_true(results[i].status < CODEC_STATUSES);
        assert_int_not_equal(results[i].status, CODEC_UNSUPPORTED);
        assert_true(results[i].payload.bytes.len <= OUTPUT_BYTES);
    }
    sink->results += count;
}

static void release(struct runner_sink *base, void *message)
{
    (void)base;
    (void)message;
}

static void wake(void *arg)
{
    (void)arg;
}

/* The call's job, whose whole payload is what is shared. */
static struct wire_job job_of(const struct codec_call *call, size_t len,
                              struct buf *options)
{
    options->len = 0;
    call_options_put(options, call);
    return (struct wire_job){.id = 1,
                             .op = call->op,
                             .flags = call->pretty ? WIRE_JOB_PRETTY : 0,
                             .separator = call->separator,
                             .max_output = OUTPUT_BYTES,
                             .options = buf_slice(options),
                             .payload = {.bytes = {NULL, len}, .in_arena = true}};
}

/* Runs the call again and again while its input, and its argument behind it, change. */
static void run_changing(const char *engine, struct codec_call call)
{
    const struct runner_config config = {
        .engine = engine, .memory_bytes = 64 << 20, .wake = wake};
    struct sink sink = {{take_results, release}, 0};
    struct shared shared = {.bytes = mmap(NULL, SHARED_BYTES, PROT_READ | PROT_WRITE,
                                          MAP_SHARED | MAP_ANONYMOUS, -1, 0)};
    struct buf input = BUF_INIT, options = BUF_INIT;
    struct runner *runner = runner_create(&config);
    struct wire_jobs *jobs = mem_zalloc(sizeof *jobs);

    assert_ptr_not_equal(shared.bytes, MAP_FAILED);
    buf_append(&input, call.in.data, call.in.len);
    if (call.argument.len > 0)
        buf_append(&input, call.argument.data, call.argument.len);
    jobs->count = 1;
    jobs->jobs[0] = job_of(&call, input.len, &options);
    start_changing(&shared, buf_slice(&input));
    for (unsigned i = 0; i < RUNS; i++) {
        assert_int_equal(runner_submit(runner, &sink.sink, 1, jobs, shared.bytes, NULL),
                         0);
        runner_run(runner);
    }
    stop_changing(&shared);
    assert_int_equal(sink.results, RUNS);
    munmap(shared.bytes, SHARED_BYTES);
    runner_destroy(&runner);
    mem_free(jobs);
    buf_free(&input);
    buf_free(&options);
}

/* ---- documents ---- */

/* Has every kind of value, long strings and short ones, and some depth. */
static const char element[] =
    "{\"id\":\"XOPT:DELTA\\u0041x\",\"n\":[0,-1,1.5e10,12345678901234567890123,-0.0],"
    "\"long\":\"0123456789abcdef0123456789abcdef0123456789 \\u20ac \\ud83d\\ude00\","
    "\"deep\":[[[[[[{\"a\":{\"b\":{\"c\":[true,false,null]}}}]]]]]],\"e\":\"\"}";

/* A JSON array of so many elements; what the caller ends with buf_free(). */
static struct buf make_text(unsigned count)
{
    struct buf text = BUF_INIT;

    for (unsigned i = 0; i < count; i++)
        buf_printf(&text, "%s%s", i == 0 ? "[" : ",", element);
    buf_append_str(&text, "]");
    return text;
}

static struct buf make_lines(unsigned count)
{
    struct buf lines = BUF_INIT;

    for (unsigned i = 0; i < count; i++)
        buf_printf(&lines, "{\"id\":\"%u\",\"document\":%s}\n", i, element);
    return lines;
}

/* The result of a call without limits on that input. */
static struct buf convert(enum codec_op op, struct slice in)
{
    struct codec_call call = {
        .op = op, .in = in, .max_output = SIZE_MAX, .max_memory = SIZE_MAX};
    struct codec *codec = codec_create("direct");
    struct codec_fault fault;
    struct buf out = BUF_INIT;

    assert_int_equal(codec_run(codec, &call, &out, &fault), CODEC_OK);
    codec_destroy(&codec);
    return out;
}

static struct buf zip(struct slice in)
{
    struct buf out = BUF_INIT;

    assert_int_equal(gzip_compress(in, SIZE_MAX, &out), CODEC_OK);
    return out;
}

static const char *const engines[] = {"yajl", "direct"};

/* With each engine: as it is, and with its result compressed in each way. */
static void run_codings(struct codec_call call)
{
    for (unsigned e = 0; e < 2; e++) {
        call.part = false;
        for (unsigned coding = CODING_NONE; coding < CODEC_CODINGS; coding++) {
            call.coding = (enum codec_coding)coding;
            run_changing(engines[e], call);
        }
        call.part = true;
        run_changing(engines[e], call);
    }
}

static void run_plain(struct codec_call call)
{
    for (unsigned e = 0; e < 2; e++)
        run_changing(engines[e], call);
}

/* ---- cases ---- */

static void text_from_clients(void **state)
{
    static const enum codec_op ops[] = {CODEC_OP_DECODE, CODEC_OP_COMPACT};
    struct buf text = make_text(12), zipped = zip(buf_slice(&text));

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        run_plain((struct codec_call){.op = ops[i], .in = buf_slice(&text)});
        run_plain((struct codec_call){.op = ops[i],
                                      .in = buf_slice(&zipped),
                                      .gunzip = true,
                                      .max_expanded = OUTPUT_BYTES});
    }
    buf_free(&text);
    buf_free(&zipped);
}

static void messagepack_from_clients(void **state)
{
    struct buf text = make_text(12), packed = convert(CODEC_OP_DECODE, buf_slice(&text));
    struct buf zipped = zip(buf_slice(&packed));

    (void)state;
    run_plain((struct codec_call){.op = CODEC_OP_VALIDATE, .in = buf_slice(&packed)});
    run_plain((struct codec_call){.op = CODEC_OP_VALIDATE,
                                  .in = buf_slice(&zipped),
                                  .gunzip = true,
                                  .max_expanded = OUTPUT_BYTES});
    buf_free(&text);
    buf_free(&packed);
    buf_free(&zipped);
}

static void stored_documents(void **state)
{
    static const char fields[] = "id,n,deep.a,long";
    const struct slice no_fields = {NULL, 0};
    const struct slice some = {(const uint8_t *)fields, sizeof fields - 1};
    struct buf text = {(uint8_t *)(uintptr_t)element, sizeof element - 1, 0};
    struct buf packed = convert(CODEC_OP_DECODE, buf_slice(&text));

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct codec_call call = {.op = CODEC_OP_ENCODE,
                                  .format =
                                      i == 0 ? CODEC_FORMAT_MSGPACK : CODEC_FORMAT_JSON,
                                  .in = i == 0 ? buf_slice(&packed) : buf_slice(&text)};

        run_codings(call);
        call.pretty = true;
        run_plain(call);
        for (unsigned f = 0; f < 2; f++) {
            call.fields = f == 0 ? no_fields : some;
            run_plain(call);
        }
        call.op = CODEC_OP_PROJECT;
        call.pretty = false;
        run_plain(call);
    }
    buf_free(&packed);
}

/* Documents back to back, as a collection's run has them. */
static void runs_of_collections(void **state)
{
    static const char fields[] = "id,deep";
    struct buf text = {(uint8_t *)(uintptr_t)element, sizeof element - 1, 0};
    struct buf packed = convert(CODEC_OP_DECODE, buf_slice(&text));
    struct buf all[2] = {BUF_INIT, BUF_INIT};

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        buf_append(&all[0], packed.data, packed.len);
        buf_printf(&all[1], "%s%s", i == 0 ? "" : "\n", element);
    }
    for (unsigned i = 0; i < 2; i++) {
        struct codec_call call = {.op = CODEC_OP_SEQUENCE,
                                  .separator = ',',
                                  .format =
                                      i == 0 ? CODEC_FORMAT_MSGPACK : CODEC_FORMAT_JSON,
                                  .in = buf_slice(&all[i])};

        run_codings(call);
        call.pretty = true;
        run_plain(call);
        call.pretty = false;
        call.fields = (struct slice){(const uint8_t *)fields, sizeof fields - 1};
        run_plain(call);
        call.op = CODEC_OP_PROJECT;
        call.separator = 0;
        run_plain(call);
        buf_free(&all[i]);
    }
    buf_free(&packed);
}

static void patches(void **state)
{
    static const char patch[] = "{\"n\":null,\"deep\":{\"x\":[1,2]},\"new\":{\"a\":1}}";
    const struct slice plain = {(const uint8_t *)patch, sizeof patch - 1};
    struct buf text = {(uint8_t *)(uintptr_t)element, sizeof element - 1, 0};
    struct buf packed = convert(CODEC_OP_DECODE, buf_slice(&text)), zipped = zip(plain);

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        bool is_packed = i % 2 == 0, is_zipped = i >= 2;

        run_plain((struct codec_call){
            .op = CODEC_OP_PATCH,
            .format = is_packed ? CODEC_FORMAT_MSGPACK : CODEC_FORMAT_JSON,
            .in = is_packed ? buf_slice(&packed) : buf_slice(&text),
            .argument = is_zipped ? buf_slice(&zipped) : plain,
            .gunzip = is_zipped,
            .max_expanded = OUTPUT_BYTES});
    }
    buf_free(&packed);
    buf_free(&zipped);
}

static void bulk_lines(void **state)
{
    struct buf lines = make_lines(20);

    (void)state;
    for (unsigned i = 0; i < 2; i++)
        run_plain((struct codec_call){.op = CODEC_OP_BULK,
                                      .format = i == 0 ? CODEC_FORMAT_MSGPACK
                                                       : CODEC_FORMAT_JSON,
                                      .in = buf_slice(&lines)});
    buf_free(&lines);
}

static unsigned last_status;

static void take_status(struct runner_sink *base, uint32_t peer,
                        const struct wire_result *results, unsigned count,
                        struct slice payloads)
{
    (void)base;
    (void)peer;
    (void)payloads;
    last_status = count == 1 ? results[0].status : CODEC_STATUSES;
}

/* Runs a job of that many shared bytes with less memory than that left; in a process of
   its own, whose exit status is the job's. */
static void run_poorly(size_t bytes)
{
    const struct runner_config config = {
        .engine = "direct", .memory_bytes = 64 << 20, .wake = wake};
    struct runner_sink sink = {take_status, release};
    struct runner *runner = runner_create(&config);
    struct wire_jobs *jobs = mem_zalloc(sizeof *jobs);
    uint8_t *shared =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    jobs->count = 1;
    jobs->jobs[0] =
        (struct wire_job){.op = CODEC_OP_DECODE,
                          .max_output = 1000,
                          .payload = {.bytes = {NULL, bytes}, .in_arena = true}};
    setrlimit(RLIMIT_AS, &(struct rlimit){bytes, bytes});
    for (unsigned i = 0; i < 2; i++) { /* and once more */
        if (runner_submit(runner, &sink, 1, jobs, shared, NULL) != 0)
            _exit(CODEC_STATUSES);
        runner_run(runner);
    }
    _exit((int)last_status);
}

/* A front can name more than there is room for a copy of. */
static void memory_that_is_out_costs_the_job(void **state)
{
    int status;
    pid_t pid;

    (void)state;
    if (process_is_sanitized())
        skip(); /* its address space cannot be limited */
    pid = fork();
    if (pid == 0)
        run_poorly((size_t)1 << 30);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), CODEC_MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_from_clients),
        cmocka_unit_test(messagepack_from_clients),
        cmocka_unit_test(stored_documents),
        cmocka_unit_test(runs_of_collections),
        cmocka_unit_test(patches),
        cmocka_unit_test(bulk_lines),
        cmocka_unit_test(memory_that_is_out_costs_the_job),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
