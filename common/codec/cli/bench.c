#include "common/codec/cli/bench.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/codec/cli/run_jq.h"
#include "common/codec/msgpack/cursor.h"
#include "common/codec/jq/jq.h"
#include "common/codec/msgpack/pack.h"

/* The automatic number of repetitions reads a file until it was so much text. */
#define AUTO_BYTES (64L << 20)

/* One row of the report. */
struct figure {
    const char *file;
    const char *engine;
    enum codec_op op;
    const struct jq_program *program; /* run before encoding, or NULL */
    size_t text_bytes;                /* of JSON, for one run */
    uint64_t values;
    long repeat;
    uint64_t elapsed_ns; /* for all runs */
};

struct report {
    bool json;
    bool begun;
    struct codec *codec; /* writes the report's own strings */
};

static double mb_per_second(const struct figure *figure)
{
    return (double)figure->text_bytes * (double)figure->repeat * 1e3 /
           (double)figure->elapsed_ns;
}

static double ns_per_value(const struct figure *figure)
{
    return (double)figure->elapsed_ns / (double)figure->repeat / (double)figure->values;
}

/* The name of what was measured. */
static const char *figure_name(const struct figure *figure)
{
    return figure->program != NULL ? "jq" : codec_op_name(figure->op);
}

static bool has_speed(const struct figure *figure)
{
    return figure->repeat > 0 && figure->elapsed_ns > 0;
}

/* Prints any bytes as a JSON string; those that are not UTF-8 become '?'. */
static void print_json_string(struct report *report, const char *text)
{
    struct buf packed = BUF_INIT, json = BUF_INIT;
    size_t len = strlen(text);
    uint8_t *start = buf_reserve(&packed, len + PACK_MAX_BYTES);
    struct codec_fault fault;
    struct codec_call call;

    packed.len =
        (size_t)(pack_bytes(pack_str(start, (uint32_t)len), (const uint8_t *)text, len) -
                 start);
    call = command_call(CODEC_OP_ENCODE, &packed);
    while (codec_run(report->codec, &call, &json, &fault) == CODEC_UTF8)
        packed.data[fault.offset] = '?';
    printf("%.*s", (int)json.len, (const char *)json.data);
    buf_free(&packed);
    buf_free(&json);
}

static void print_json(struct report *report, const struct figure *figure)
{
    printf("%s\n  {\"file\": ", report->begun ? "," : "[");
    print_json_string(report, figure->file);
    printf(
        ", \"engine\": \"%s\", \"direction\": \"%s\", \"bytes\": %zu, \"values\": %llu, "
        "\"repeat\": %ld, \"elapsed_ns\": %llu",
        figure->engine, figure_name(figure), figure->text_bytes,
        (unsigned long long)figure->values, figure->repeat,
        (unsigned long long)figure->elapsed_ns);
    if (has_speed(figure))
        printf(", \"mb_per_s\": %.1f, \"ns_per_value\": %.2f}", mb_per_second(figure),
               ns_per_value(figure));
    else
        printf(", \"mb_per_s\": null, \"ns_per_value\": null}");
}

static void print_row(struct report *report, const struct figure *figure)
{
    if (!report->begun)
        printf("%-32s %-8s %-9s %12s %10s %9s %9s\n", "file", "engine", "direction",
               "JSON bytes", "values", "MB/s", "ns/value");
    printf("%-32s %-8s %-9s %12zu %10llu", figure->file, figure->engine,
           figure_name(figure), figure->text_bytes, (unsigned long long)figure->values);
    if (has_speed(figure))
        printf(" %9.1f %9.2f\n", mb_per_second(figure), ns_per_value(figure));
    else
        printf(" %9s %9s\n", "-", "-");
}

static void report_figure(struct report *report, const struct figure *figure)
{
    if (report->json)
        print_json(report, figure);
    else
        print_row(report, figure);
    report->begun = true;
}

static int report_end(struct report *report)
{
    if (report->json)
        printf("%s]\n", report->begun ? "\n" : "[");
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("offloop-codec: <stdout>");
        return -1;
    }
    return 0;
}

/* The number of values in a document: scalars and containers, without names. */
static uint64_t count_values(const struct buf *packed)
{
    struct cursor cursor;
    uint64_t events = 0, ends = 0, names = 0;

    cursor_init(&cursor, buf_slice(packed), 0);
    do {
        enum cursor_event event = cursor_next(&cursor);

        assert(event != CURSOR_FAULT);
        events++;
        if (event == CURSOR_MAP)
            names += cursor.levels[cursor.depth - 1].left / 2;
        if (event == CURSOR_END_ARRAY || event == CURSOR_END_MAP)
            ends++;
    } while (cursor.depth > 0);
    return events - ends - names;
}

/* Runs the codec once. */
static void run_once(struct codec *codec, const struct codec_call *call, struct buf *out)
{
    struct codec_fault fault;
    enum codec_status status = codec_run(codec, call, out, &fault);

    if (status != CODEC_OK) {
        fprintf(stderr, "offloop-codec: cannot repeat: %s\n", codec_status_text(status));
        exit(EXIT_FAILURE);
    }
}

/* Encodes each result of a program at once. */
struct results {
    struct codec *codec;
    struct codec_call call;
    struct buf *out;
};

static bool encode_result(void *context, struct slice result)
{
    struct results *results = context;

    results->call.in = result;
    run_once(results->codec, &results->call, results->out);
    return true;
}

/* Runs the program once on the input of the encoder. */
static void run_program(struct codec *codec, const struct codec_call *call,
                        const struct jq_program *program, struct buf *out)
{
    struct results results = {codec, *call, out};
    struct jq_call run = {.program = program,
                          .document = call->in,
                          .max_steps = JQ_STEPS(call->in.len),
                          .max_memory = JQ_MEMORY(call->in.len),
                          .max_output = SIZE_MAX,
                          .take = encode_result,
                          .context = &results};
    struct jq_outcome outcome;

    if (jq_run(&run, &outcome) != JQ_OK) {
        fprintf(stderr, "offloop-codec: jq: %s\n", outcome.reason);
        exit(EXIT_FAILURE);
    }
}

/* Runs a call figure->repeat times; out is the result of the last run. */
static void measure(struct codec *codec, const struct codec_call *call, struct buf *out,
                    struct figure *figure)
{
    uint64_t start_ns = clock_now_ns();

    for (long i = 0; i < figure->repeat; i++) {
        out->len = 0;
        if (figure->program != NULL)
            run_program(codec, call, figure->program, out);
        else
            run_once(codec, call, out);
    }
    figure->elapsed_ns = figure->repeat > 0 ? clock_now_ns() - start_ns : 0;
}

/* A program runs before encoding; with one, decoding is not measured. */
static bool is_wanted(const struct command_options *options, enum codec_op op)
{
    if (options->program != NULL)
        return op == CODEC_OP_ENCODE;
    return options->direction == NULL ||
           strcmp(options->direction, codec_op_name(op)) == 0;
}

static long repetitions(const struct command_options *options, size_t text_bytes)
{
    long count = AUTO_BYTES / (long)(text_bytes + 1);

    if (options->repeat != COMMAND_REPEAT_AUTO)
        return options->repeat;
    return count < 5 ? 5 : count;
}

/* Measures both directions of one engine. The MessagePack form and the compact text's
   length are made once, even for 0 repetitions. */
static int bench_engine(const struct command_options *options, const char *engine,
                        const struct jq_program *program, const char *path,
                        const struct buf *text, struct report *report)
{
    struct codec *codec = codec_create(engine);
    struct buf packed = BUF_INIT, out = BUF_INIT;
    struct codec_call decode = command_call(CODEC_OP_DECODE, text), encode;
    struct codec_fault fault;
    struct figure figure = {
        .file = command_file_name(path), .engine = engine, .program = program};
    enum codec_status status = codec_run(codec, &decode, &packed, &fault);

    if (status == CODEC_OK) {
        encode = command_call(CODEC_OP_ENCODE, &packed);
        status = codec_run(codec, &encode, &out, &fault);
    }
    if (status == CODEC_OK) {
        size_t compact_bytes = out.len;

        figure.values = count_values(&packed);
        figure.repeat = repetitions(options, text->len);
        for (enum codec_op op = CODEC_OP_DECODE; op <= CODEC_OP_ENCODE; op++) {
            bool decodes = op == CODEC_OP_DECODE;

            figure.op = op;
            figure.text_bytes = decodes ? text->len : compact_bytes;
            if (!is_wanted(options, op))
                continue;
            measure(codec, decodes ? &decode : &encode, &out, &figure);
            report_figure(report, &figure);
        }
    } else {
        command_report(path, &fault);
    }
    buf_free(&packed);
    buf_free(&out);
    codec_destroy(&codec);
    return status == CODEC_OK ? 0 : -1;
}

static int bench_file(const struct command_options *options,
                      const struct jq_program *program, const char *path,
                      struct report *report)
{
    const char *const *names = codec_engine_names();
    struct buf text = BUF_INIT;
    int result = command_read(path, &text);

    for (; result == 0 && *names != NULL; names++)
        if (options->codec == NULL || strcmp(options->codec, *names) == 0)
            result = bench_engine(options, *names, program, path, &text, report);
    buf_free(&text);
    return result;
}

int command_bench(const struct command_options *options)
{
    struct report report = {.json = options->json,
                            .codec = codec_create(codec_engine_names()[0])};
    struct jq_program *program = NULL;
    int result = EXIT_SUCCESS;

    if (options->program != NULL) {
        program = command_compile(options->program, NULL, 0);
        if (program == NULL)
            exit(EXIT_FAILURE);
    }
    for (int i = 0; i < options->file_count; i++)
        if (bench_file(options, program, options->files[i], &report) < 0)
            result = EXIT_FAILURE;
    jq_destroy(&program);
    if (report_end(&report) < 0)
        result = EXIT_FAILURE;
    codec_destroy(&report.codec);
    return result;
}
