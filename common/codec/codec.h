/*
 * The codec: JSON to MessagePack and back, as pure functions over bytes.
 *
 * It knows no loop, no socket and no file, and has no globals. A struct codec
 * holds one engine and its reusable scratch memory; it belongs to one thread
 * at a time. The input is never changed and never kept.
 *
 * Memory comes from malloc under a budget that may run out: a job that needs
 * more than its call allows fails with CODEC_TOO_LARGE or CODEC_MEMORY, the
 * codec stays usable, and nothing is lost. Time is linear in the input.
 *
 * What is accepted is RFC 8259 and nothing looser, with the policies of
 * docs/CODEC.md (nesting, surrogates, numbers beyond 64 bits).
 */
#ifndef OFFLOOP_COMMON_CODEC_CODEC_H
#define OFFLOOP_COMMON_CODEC_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/document_name.h"
#include "common/codec/digest.h"

/* Containers inside one another; the 513th is refused, both ways. */
#define CODEC_MAX_DEPTH 512

/* The most that are ever open at once: BULK reads a document inside its line. */
#define CODEC_OPEN_MAX (CODEC_MAX_DEPTH + 1)

/* MessagePack ext type whose bytes are a JSON number text: of one that neither 64-bit
   integers nor doubles can hold, or that call.keep_numbers keeps. */
#define CODEC_EXT_NUMBER 1

/* What a job can do. NAME, text used in metrics and messages. Values are part of
   proto/PROTOCOL.md: append only. */
#define CODEC_OP_MAP(X)                                                                  \
    X(DECODE, "decode")     /* JSON text to MessagePack */                               \
    X(ENCODE, "encode")     /* one MessagePack value to JSON text */                     \
    X(SEQUENCE, "sequence") /* MessagePack values back to back to JSON texts, with       \
                               call.separator between them */                            \
    X(VALIDATE, "validate") /* one MessagePack value from outside: same bytes out, or an \
                               error where JSON could not hold it */                     \
    X(COMPACT, "compact")   /* JSON text to the compact JSON text of the same value */   \
    X(PROJECT, "project")   /* stored documents to MessagePack, call.fields of each */   \
    X(PATCH, "patch")       /* a stored document and a JSON merge patch                  \
                               (call.argument) to the patched document, stored alike */  \
    X(BULK, "bulk")         /* lines of {"id": ..., "document": ...} to records of what  \
                               is to be stored: see bulk.h */

enum codec_op {
#define X(name, text) CODEC_OP_##name,
    CODEC_OP_MAP(X)
#undef X
        CODEC_OPS
};

/* How a job can end: NAME, HTTP status the server answers with, text for people.
   Values are part of proto/PROTOCOL.md: append only. */
#define CODEC_STATUS_MAP(X)                                                  \
    X(OK, 200, "ok")                                                         \
    X(SYNTAX, 400, "not valid JSON")                                         \
    X(TRUNCATED, 400, "ends too early")                                      \
    X(TRAILING, 400, "bytes follow the value")                               \
    X(UTF8, 400, "ill-formed UTF-8")                                         \
    X(SURROGATE, 400, "lone surrogate in an escape")                         \
    X(CONTROL, 400, "unescaped control character in a string")               \
    X(NUMBER, 400, "malformed number")                                       \
    X(DEPTH, 400, "nested more than 512 deep")                               \
    X(MSGPACK, 400, "not valid MessagePack")                                 \
    X(TYPE, 400, "MessagePack type that JSON does not have")                 \
    X(KEY, 400, "map key is not a string")                                   \
    X(TOO_LARGE, 413, "result is larger than allowed")                       \
    X(MEMORY, 413, "needs more memory than one job may use")                 \
    X(UNSUPPORTED, 500, "operation is not supported")                        \
    X(DUPLICATE, 400, "a merge patch names a member twice")                  \
    X(FIELDS, 400, "fields are not names divided by , and .")                \
    X(GZIP, 400, "not valid gzip data")                                      \
    X(LINE, 400, "not one {\"id\": ..., \"document\": ...}")                 \
    X(NAME, 400, "the id is not " DOCUMENT_NAME_RULE)                        \
    X(STOPPED, 500, "stopped before its end") /* call.budget */              \
    X(PROGRAM, 400, "the program does not compile")                          \
    X(FAILED, 422, "the program fails")                                      \
    X(STEPS, 422, "the program takes too many steps")                        \
    X(SEVERAL, 422, "the program gives several results where one is needed") \
    X(NONE, 422, "the program gives no result where one is needed")          \
    X(ARGUMENT, 400, "an argument of the program is malformed")

enum codec_status {
#define X(name, http, text) CODEC_##name,
    CODEC_STATUS_MAP(X)
#undef X
        CODEC_STATUSES
};

/* How PROJECT begins the array of a program's results: see call.separator. */
#define CODEC_ARRAY_HEAD       0xdd
#define CODEC_ARRAY_HEAD_BYTES 5

/* The longest text that a failed job leaves: see codec_status_has_text(). */
#define CODEC_MAX_TEXT_BYTES 512

/* What a result can be compressed with: NAME, Content-Encoding, mark in entity tags.
   Values are part of proto/PROTOCOL.md: append only. See coding.h. */
#define CODEC_CODING_MAP(X)  \
    X(NONE, "identity", "")  \
    X(GZIP, "gzip", "-gzip") \
    X(ZSTD, "zstd", "-zstd")

enum codec_coding {
#define X(name, text, mark) CODING_##name,
    CODEC_CODING_MAP(X)
#undef X
        CODEC_CODINGS
};

/* A smaller result is not worth compressing: it fits one packet as it is. */
#define CODEC_CODED_MIN_BYTES 1024

/* How a stored document is held. JSON texts of a sequence are divided by '\n', which
   compact text never holds. */
enum codec_format { CODEC_FORMAT_MSGPACK, CODEC_FORMAT_JSON };

/* The digests (digest.h) that a call may ask for, for a store whose documents have no
   versions. Each is DIGEST_BYTES long; they follow the result, IN before OUT, and count
   in its max_output. */
#define CODEC_DIGEST_IN                                                                  \
    1u                      /* of the input, as it is: one document, in any form of JSON \
                             */
#define CODEC_DIGEST_OUT 2u /* of the result */
#define CODEC_DIGESTS    3u

/* Bounds the work of a job for a caller that cannot wait until its end. The codec counts
   work in units, about what it takes to write a byte (some nanoseconds), and asks each
   time CODEC_BUDGET_WORK units are done or about to begin. Compressing and expanding are
   not counted, nor are the plain bytes of one string in yajl. */
struct codec_budget {
    /* True where the job shall stop, now or because `ahead` units more, which cannot be
       interrupted, would be too many. */
    bool (*is_spent)(struct codec_budget *budget, size_t ahead);
    size_t work; /* since it was last asked; the codec's */
};

/* Units of work between two questions to a budget. */
#define CODEC_BUDGET_WORK ((size_t)1024)

/* One job. Members that an operation does not name are ignored by it. */
struct codec_call {
    enum codec_op op;
    bool pretty; /* ENCODE, SEQUENCE: indent by two spaces; a sequence with ',' as the
                    elements of an array, each beginning on a line of its own */
    enum codec_coding coding; /* compress a result over CODEC_CODED_MIN_BYTES */
    bool part;   /* compress it, whatever its size, as a part of a stream: coding.h */
    bool gunzip; /* DECODE, ENCODE, VALIDATE, COMPACT: the input is gzip, of ENCODE where
                    it is no stored document; PATCH: the patch is */
    bool keep_numbers; /* DECODE, PROJECT, PATCH, BULK: a number whose text is not the one
                          that ENCODE would print keeps it, as CODEC_EXT_NUMBER. Where
                          JSON text becomes JSON text, every number always does */
    unsigned levels_around; /* DECODE: containers that do not count; for BULK's own steps,
                               at most CODEC_OPEN_MAX - CODEC_MAX_DEPTH */
    bool ids; /* SEQUENCE, PROJECT: each document becomes {"id": its name, "document":
                 itself}, as BULK takes it; the argument is the names */
    bool transform; /* ENCODE, SEQUENCE, PROJECT, BULK: a program is run on each document
                       before anything else; PATCH: in place of the patch. The argument is
                       the program (operations/program.h). ENCODE gives several results
                       divided by the separator, PATCH takes exactly one */
    bool one;       /* transform: a document that gives several results is a failure */
    unsigned digests;  /* CODEC_DIGEST_… that follow the result; zero for none */
    uint8_t separator; /* SEQUENCE, and ENCODE of a program's results: ',' or '\n'.
                          PROJECT of a program's results: ',' makes them one array, whose
                          head has CODEC_ARRAY_HEAD_BYTES */
    enum codec_format
        format; /* ENCODE, SEQUENCE, PROJECT, PATCH, BULK: of stored documents */
    struct slice argument; /* PATCH: the patch; with ids, as many names as there are
                              documents, a '\n' behind each */
    struct slice fields;   /* ENCODE, SEQUENCE, PROJECT: see fields.h; empty for all */
    struct slice in;
    size_t max_output;   /* bytes; more fails with CODEC_TOO_LARGE */
    size_t max_memory;   /* bytes of output and scratch; more fails with CODEC_MEMORY */
    size_t max_expanded; /* bytes that gunzip may give; more fails with CODEC_TOO_LARGE */
    struct codec_budget *budget; /* NULL for none; spent, the job ends as CODEC_STOPPED.
                                    A program may take JQ_LOOP_STEPS then */
    struct codec_budget *program_budget; /* the same, asked only while a program runs */
};

/* The offset of a fault that has no place in the input. */
#define CODEC_NO_OFFSET UINT64_MAX

/* Where a failed job's input is wrong: the offset of the first byte that cannot be part
   of a valid input (its length where it ends too early), or of the offending value. */
struct codec_fault {
    enum codec_status status;
    uint64_t offset; /* bytes from the start of call.in */
};

struct codec;

/* A codec with the engine of that name ("yajl", "direct"); NULL where there is none. The
   caller ends it with codec_destroy(). */
struct codec *codec_create(const char *engine);

/* Frees the codec and its scratch; NULL inside is allowed. */
void codec_destroy(struct codec **codec);

/* The engine's name. */
const char *codec_engine_name(const struct codec *codec);

/* The names of the engines, NULL last; static memory. */
const char *const *codec_engine_names(void);

/* Runs one job and appends its result to out (which may hold bytes already, and belongs
   to the caller). Returns CODEC_OK, or the status that is also in *fault_r; then out is
   as it was, but for a text of at most CODEC_MAX_TEXT_BYTES that is appended where
   codec_status_has_text(). A fault of a program has its offset in the program's text. */
enum codec_status codec_run(struct codec *codec, const struct codec_call *call,
                            struct buf *out, struct codec_fault *fault_r)
    __attribute__((warn_unused_result));

/* Gives back scratch memory above `keep_bytes`, for a process that goes idle. */
void codec_trim(struct codec *codec, size_t keep_bytes);

/* The most bytes of output and scratch that any job of this codec has held at once: what
   call.max_memory limits. */
size_t codec_peak_bytes(const struct codec *codec);

/* The text of an operation, "decode". */
const char *codec_op_name(enum codec_op op);

/* The text for people of a status, "ill-formed UTF-8". */
const char *codec_status_text(enum codec_status status);

/* True for a status of programs, whose failed jobs leave a text that says more. */
static inline bool codec_status_has_text(enum codec_status status)
{
    return status >= CODEC_PROGRAM && status < CODEC_STATUSES;
}

/* The bytes of a call's digests behind its result. */
static inline size_t codec_digest_bytes(unsigned digests)
{
    return ((digests & CODEC_DIGEST_IN) != 0 ? DIGEST_BYTES : 0u) +
           ((digests & CODEC_DIGEST_OUT) != 0 ? DIGEST_BYTES : 0u);
}

/* The HTTP status that a front answers with, 400 and so on. */
int codec_status_http(enum codec_status status);

#endif
