/*
 * jq: small programs that compute one JSON value from another, run over MessagePack.
 *
 * A program such as `map(select(.price > 10) | {id, price})` says in the language jq
 * what a reply is to look like. jq_compile() turns its text into a program once;
 * jq_run() then runs it on a stored document as often as wanted: MessagePack in,
 * MessagePack out, one value for each result. docs/JQ.md describes the language, and
 * where it differs from jq's own.
 *
 * Bytes in, bytes out: a program knows no file, socket, clock or environment. Whatever it
 * says, it ends: jq_run() counts its steps, memory and output, and asks the caller from
 * time to time whether to go on. What the program does not touch passes through as the
 * bytes that the document has.
 *
 * Threads: a compiled program never changes, so that any number of threads may run it at
 * the same time. jq_run() keeps nothing between calls. It needs JQ_STACK_BYTES of stack.
 * Nothing here ends the process for what a program or a document holds.
 */
#ifndef OFFLOOP_COMMON_CODEC_JQ_JQ_H
#define OFFLOOP_COMMON_CODEC_JQ_JQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

/* Grows with every change of what a program can mean: part of entity tags. */
#define JQ_LANGUAGE_VERSION 1

/* Longest text of a program, and most named arguments. */
#define JQ_MAX_TEXT_BYTES 65536
#define JQ_MAX_NAMES      64

/* Budgets for a document of that many bytes. */
#define JQ_STEPS(document_bytes)  (1000000 + 64 * (uint64_t)(document_bytes))
#define JQ_MEMORY(document_bytes) (16 * (size_t)(document_bytes) + (8u << 20))

/* What a program may spend where it delays an event loop: about 0.3 ms. */
#define JQ_LOOP_STEPS 5000

/* The stack that a run may use, and some for what it calls. */
#define JQ_STACK_BYTES (768u << 10)

/* How a run can end: NAME, HTTP status, text for people. Append only. */
#define JQ_STATUS_MAP(X)                                                              \
    X(OK, 200, "ok")                                                                  \
    X(FAILED, 422, "the program fails") /* an error that it does not catch */         \
    X(STEPS, 422, "the program takes too many steps")                                 \
    X(MEMORY, 413, "the program needs too much memory")                               \
    X(OUTPUT, 413, "the program's results are larger than allowed")                   \
    X(STOPPED, 504, "the program is ended while it runs") /* go_on or take said so */ \
    X(DOCUMENT, 500, "the document is not valid MessagePack")                         \
    X(ARGUMENT, 400, "an argument is not valid MessagePack")

enum jq_status {
#define X(name, http, text) JQ_##name,
    JQ_STATUS_MAP(X)
#undef X
        JQ_STATUSES
};

/* A compiled program. */
struct jq_program;

/* Why a program is refused. */
struct jq_refusal {
    size_t offset;    /* of the byte in the text */
    char reason[200]; /* one sentence, UTF-8, no full stop at its end */
};

/* Compiles a text. `names` are the arguments that every run gives, without their '$'.
   Time and memory are linear in the text. Returns NULL with *refusal_r where it is not a
   program. The caller ends it with jq_destroy(). */
struct jq_program *jq_compile(struct slice text, const struct slice *names, size_t count,
                              struct jq_refusal *refusal_r)
    __attribute__((warn_unused_result));

/* Frees the program; NULL inside is allowed. No run may be using it. */
void jq_destroy(struct jq_program **program);

/* The memory that a program takes. */
size_t jq_program_bytes(const struct jq_program *program);

/* Takes one result, a MessagePack value that lies there until the function returns. False
   ends the run with JQ_STOPPED. */
typedef bool jq_take_fn(void *context, struct slice result);

/* Asked a few thousand times a second while a program runs; the place to look at a
   deadline and to offer the processor (cpu_yield.h). False ends it with JQ_STOPPED. */
typedef bool jq_go_on_fn(void *context);

/* One run. */
struct jq_call {
    const struct jq_program *program;
    struct slice document; /* one MessagePack value, which `.` is */
    bool document_changes; /* another process may write to it meanwhile: copy it first */
    const struct slice *arguments; /* a MessagePack value for each name, in their order */
    uint64_t max_steps;            /* see JQ_STEPS */
    size_t max_memory;             /* bytes, the copy included; see JQ_MEMORY */
    size_t max_output;             /* bytes of all results together */
    jq_take_fn *take;
    jq_go_on_fn *go_on; /* or NULL */
    void *context;      /* for both */
};

/* How a run went. */
struct jq_outcome {
    enum jq_status status;
    size_t offset;    /* FAILED: of the place in the program's text */
    char reason[200]; /* other than OK: one sentence for people, UTF-8 */
    uint64_t steps;   /* taken; what the run costs, 10 to 70 ns each */
    size_t memory;    /* bytes, the most at once */
    uint64_t results; /* given to take */
};

/* Runs a program. Results that were taken before a failure remain the caller's affair.
   Returns outcome_r->status. */
enum jq_status jq_run(const struct jq_call *call, struct jq_outcome *outcome_r);

/* The text for people of a status. */
const char *jq_status_text(enum jq_status status);

/* The HTTP status that a front answers with. */
int jq_status_http(enum jq_status status);

#endif
