/*
 * Compares our jq with jq itself: random programs on random documents, and a table of the
 * differences that are meant.
 *
 *     jq-differential [--programs N] [--seed S] [--first N] [--documents K] [--seconds T]
 *                     [--reference PATH] [--differences N] [--show]
 *
 * Each program runs on some documents. What it gives must be the same value, or an error
 * in both; what errors say is not compared. Program number N of a seed is always the same
 * one, so that `--first N --programs 1 --show` shows it again. SIGINT and SIGTERM end a
 * run after its batch, with its sums.
 *
 * Exit status: 0; 1 for a difference; 77 where there is no jq.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/codec/jq/jq.h"
#include "tests/oracle/jq/alike.h"
#include "tests/oracle/jq/differences.h"
#include "tests/oracle/jq/grammar.h"
#include "tests/oracle/jq/reference.h"
#include "tests/unit/codec/codec_run.h"

#define BATCH         200
#define MAX_DOCUMENTS 32

/* What is more is not asked of jq, which knows no bounds. */
#define MAX_STEPS  20000
#define MAX_MEMORY ((size_t)8 << 20)
#define MAX_OUTPUT ((size_t)64 << 10)

/* So many results of a program are looked at. */
#define TESTED "try [limit(40; %s)] catch \"!\""

struct settings {
    uint64_t programs, seed, first;
    unsigned documents, differences;
    double seconds;
    const char *reference;
    bool show;
};

/* A program and what we make of it. */
struct candidate {
    uint64_t number;
    struct buf program, tested; /* with a NUL each */
    char refusal[200];          /* ours; empty where it compiles */
    bool expensive;             /* ended by its budget */
    struct buf ours[MAX_DOCUMENTS], theirs[MAX_DOCUMENTS]; /* JSON texts */
};

struct bench {
    struct settings settings;
    struct reference reference;
    struct codec *codec;
    struct grammar grammar;
    struct candidate candidates[BATCH];
    struct buf texts[MAX_DOCUMENTS];  /* documents as JSON, with a NUL each */
    struct buf packed[MAX_DOCUMENTS]; /* and as MessagePack */
    uint64_t programs, runs, meant, expensive, refused, deadly;
    unsigned differences;
};

static volatile sig_atomic_t is_stopped;

static void stop(int signal_number)
{
    (void)signal_number;
    is_stopped = 1;
}

/* ---- our side */

struct taking {
    struct codec *codec;
    struct buf *json;
};

static bool take_result(void *context, struct slice result)
{
    struct taking *taking = context;

    return run_bytes(taking->codec, CODEC_OP_ENCODE, result.data, result.len,
                     taking->json)
               .status == CODEC_OK;
}

/* Runs a program on a document. Returns false where its budget ends it. */
static bool run_ours(struct bench *bench, const struct jq_program *program,
                     struct slice document, struct buf *json)
{
    struct taking taking = {bench->codec, json};
    struct jq_call call = {.program = program,
                           .document = document,
                           .max_steps = MAX_STEPS,
                           .max_memory = MAX_MEMORY,
                           .max_output = MAX_OUTPUT,
                           .take = take_result,
                           .context = &taking};
    struct jq_outcome outcome;

    json->len = 0;
    return jq_run(&call, &outcome) == JQ_OK && json->len > 0;
}

static void try_ours(struct bench *bench, struct candidate *candidate)
{
    struct jq_refusal refusal;
    struct slice text = {candidate->tested.data, candidate->tested.len - 1};
    struct jq_program *program = jq_compile(text, NULL, 0, &refusal);

    candidate->expensive = false;
    candidate->refusal[0] = 0;
    if (program == NULL) {
        snprintf(candidate->refusal, sizeof candidate->refusal, "%s", refusal.reason);
        return;
    }
    for (unsigned i = 0; i < bench->settings.documents && !candidate->expensive; i++)
        candidate->expensive =
            !run_ours(bench, program, buf_slice(&bench->packed[i]), &candidate->ours[i]);
    jq_destroy(&program);
}

/* ---- making */

static uint64_t seed_of(const struct bench *bench, uint64_t number)
{
    return bench->settings.seed << 40 ^ number;
}

static void make_documents(struct bench *bench, uint64_t number)
{
    grammar_seed(&bench->grammar, ~seed_of(bench, number));
    for (unsigned i = 0; i < bench->settings.documents; i++) {
        struct buf *text = &bench->texts[i];

        text->len = 0;
        grammar_document(&bench->grammar, text);
        if (run_buf(bench->codec, CODEC_OP_DECODE, text, &bench->packed[i]).status !=
            CODEC_OK)
            abort();
        buf_append(text, "", 1);
    }
}

static void make_candidate(struct bench *bench, struct candidate *candidate,
                           uint64_t number)
{
    candidate->number = number;
    candidate->program.len = candidate->tested.len = 0;
    grammar_seed(&bench->grammar, seed_of(bench, number));
    grammar_program(&bench->grammar, &candidate->program);
    buf_append(&candidate->program, "", 1);
    buf_printf(&candidate->tested, TESTED, (const char *)candidate->program.data);
    buf_append(&candidate->tested, "", 1);
}

/* ---- comparing */

static void report(struct bench *bench, const struct candidate *candidate,
                   const char *document, const char *ours, const char *theirs)
{
    bench->differences++;
    printf("difference: --seed %llu --first %llu\n  program %s\n  input   %.400s\n"
           "  ours    %.400s\n  jq's    %.400s\n",
           (unsigned long long)bench->settings.seed,
           (unsigned long long)candidate->number, (const char *)candidate->program.data,
           document, ours, theirs);
    fflush(stdout);
}

static void compare_runs(struct bench *bench, struct candidate *candidate)
{
    for (unsigned i = 0; i < bench->settings.documents; i++) {
        struct slice ours = buf_slice(&candidate->ours[i]);
        struct slice theirs = {candidate->theirs[i].data, candidate->theirs[i].len - 1};
        enum alike alike = alike_compare(ours, theirs);

        bench->runs++;
        bench->meant += alike == ALIKE_MEANT;
        if (alike != ALIKE_NOT)
            continue;
        buf_append(&candidate->ours[i], "", 1);
        report(bench, candidate, (const char *)bench->texts[i].data,
               (const char *)candidate->ours[i].data, (const char *)theirs.data);
        return;
    }
}

static void compare(struct bench *bench, struct candidate *candidate,
                    enum reference_verdict verdict)
{
    bool refused = candidate->refusal[0] != 0;

    if (verdict == REFERENCE_DIES)
        bench->deadly++;
    else if (refused && verdict == REFERENCE_REFUSES)
        bench->refused++;
    else if (refused || verdict == REFERENCE_REFUSES)
        report(bench, candidate, "", refused ? candidate->refusal : "compiles",
               refused ? "compiles" : "refused");
    else
        compare_runs(bench, candidate);
}

/* Takes the programs that jq is to run, or the refused ones, which go alone so that they
   do not divide a batch. */
static void ask(struct bench *bench, size_t count, bool refused)
{
    struct reference_item items[BATCH];
    struct candidate *asked[BATCH];
    const char *documents[MAX_DOCUMENTS];
    size_t item_count = 0;

    for (unsigned i = 0; i < bench->settings.documents; i++)
        documents[i] = (const char *)bench->texts[i].data;
    for (size_t i = 0; i < count; i++) {
        struct candidate *candidate = &bench->candidates[i];

        if (candidate->expensive || (candidate->refusal[0] != 0) != refused)
            continue;
        asked[item_count] = candidate;
        items[item_count++] =
            (struct reference_item){.program = (const char *)candidate->tested.data,
                                    .results = candidate->theirs};
    }
    reference_run(&bench->reference, items, item_count, documents,
                  bench->settings.documents);
    for (size_t i = 0; i < item_count; i++)
        compare(bench, asked[i], items[i].verdict);
}

static void run_batch(struct bench *bench, uint64_t first, size_t count)
{
    bench->grammar.version = bench->reference.version;
    bench->grammar.ascii = first / BATCH % 2 == 0;
    make_documents(bench, first / BATCH);
    for (size_t i = 0; i < count; i++) {
        make_candidate(bench, &bench->candidates[i], first + i);
        if (bench->settings.show)
            puts((const char *)bench->candidates[i].program.data);
        try_ours(bench, &bench->candidates[i]);
        bench->expensive += bench->candidates[i].expensive;
    }
    ask(bench, count, false);
    ask(bench, count, true);
    bench->programs += count;
}

static void run_batches(struct bench *bench)
{
    const struct settings *settings = &bench->settings;
    uint64_t end = settings->first + settings->programs;
    uint64_t start_ns = clock_now_ns();

    for (uint64_t at = settings->first; at < end;) {
        uint64_t next = (at / BATCH + 1) * BATCH; /* a batch has its own documents */

        if (next > end)
            next = end;
        run_batch(bench, at, (size_t)(next - at));
        at = next;
        if (is_stopped || bench->differences >= settings->differences ||
            (double)(clock_now_ns() - start_ns) > settings->seconds * 1e9)
            break;
    }
}

/* ---- the command line */

static void read_options(struct settings *settings, int argc, char **argv)
{
    static const struct option options[] = {{"programs", required_argument, NULL, 'n'},
                                            {"seed", required_argument, NULL, 's'},
                                            {"first", required_argument, NULL, 'f'},
                                            {"documents", required_argument, NULL, 'k'},
                                            {"seconds", required_argument, NULL, 't'},
                                            {"reference", required_argument, NULL, 'r'},
                                            {"differences", required_argument, NULL, 'd'},
                                            {"show", no_argument, NULL, 'v'},
                                            {NULL, 0, NULL, 0}};
    int found;

    while ((found = getopt_long(argc, argv, "", options, NULL)) != -1)
        switch (found) {
        case 'n': settings->programs = strtoull(optarg, NULL, 10); break;
        case 's': settings->seed = strtoull(optarg, NULL, 10); break;
        case 'f': settings->first = strtoull(optarg, NULL, 10); break;
        case 'k': settings->documents = (unsigned)strtoul(optarg, NULL, 10); break;
        case 't': settings->seconds = strtod(optarg, NULL); break;
        case 'r': settings->reference = optarg; break;
        case 'd': settings->differences = (unsigned)strtoul(optarg, NULL, 10); break;
        case 'v': settings->show = true; break;
        default: exit(2);
        }
    if (settings->documents < 1 || settings->documents > MAX_DOCUMENTS)
        settings->documents = MAX_DOCUMENTS;
}

/* The reference beside this program. */
static char *reference_path(const char *own_path)
{
    const char *slash = strrchr(own_path, '/');

    return str_printf("%.*sjq-reference", slash != NULL ? (int)(slash - own_path + 1) : 0,
                      own_path);
}

static void destroy(struct bench *bench)
{
    for (size_t i = 0; i < BATCH; i++) {
        struct candidate *candidate = &bench->candidates[i];

        buf_free(&candidate->program);
        buf_free(&candidate->tested);
        for (size_t k = 0; k < MAX_DOCUMENTS; k++) {
            buf_free(&candidate->ours[k]);
            buf_free(&candidate->theirs[k]);
        }
    }
    for (size_t k = 0; k < MAX_DOCUMENTS; k++) {
        buf_free(&bench->texts[k]);
        buf_free(&bench->packed[k]);
    }
    reference_close(&bench->reference);
    codec_destroy(&bench->codec);
    mem_free(bench);
}

int main(int argc, char **argv)
{
    struct bench *bench = mem_zalloc(sizeof *bench);
    unsigned differences;
    char *path = reference_path(argv[0]);

    bench->settings = (struct settings){.programs = 10000,
                                        .seed = 1,
                                        .documents = 4,
                                        .differences = 20,
                                        .seconds = 1e9,
                                        .reference = path};
    read_options(&bench->settings, argc, argv);
    if (!reference_open(&bench->reference, bench->settings.reference)) {
        puts("jq-differential: no jq to compare with");
        return 77;
    }
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    bench->codec = codec_create("direct");
    bench->differences = differences_check(&bench->reference, bench->codec);
    run_batches(bench);
    printf(
        "jq-differential: jq 1.%u, %llu programs (%llu not compared: too expensive, %llu "
        "refused by both, %llu end jq itself), %llu runs (%llu with a difference that is "
        "meant), %u differences\n",
        bench->reference.version, (unsigned long long)bench->programs,
        (unsigned long long)bench->expensive, (unsigned long long)bench->refused,
        (unsigned long long)bench->deadly, (unsigned long long)bench->runs,
        (unsigned long long)bench->meant, bench->differences);
    differences = bench->differences;
    destroy(bench);
    mem_free(path);
    return differences > 0;
}
