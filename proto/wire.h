/*
 * The messages between servers and workers, as pure bytes: no socket, no
 * clock, no state. PROTOCOL.md is the same in prose, with example bytes that
 * a test reads; change both together.
 *
 * A message is three fixed bytes (WIRE_MAGIC, version, type), one MessagePack
 * array, and for JOBS and RESULTS the raw payloads one after another, their
 * lengths being in the array. A reader takes exactly that: another version, an
 * unknown type, a missing or superfluous item, a byte left over make the
 * message bad, and a peer that sends a bad message is dropped.
 *
 * Encoders append to the caller's buffer and trust their arguments (asserts);
 * the decoder trusts nothing, allocates nothing, and what it returns points
 * into the message. Any thread may call.
 */
#ifndef OFFLOOP_PROTO_WIRE_H
#define OFFLOOP_PROTO_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"

/* To be bumped by a change that an older reader cannot take. New message types are sent
   only to peers that announced the capability for them and need no bump. */
#define WIRE_VERSION 1
#define WIRE_MAGIC   0x4f /* 'O', which is also the MessagePack integer 79 */

#define WIRE_ID_BYTES          16   /* worker ids, host ids, document hashes, tokens */
#define WIRE_MAX_BATCH         64   /* jobs or results in a message, ids in a CANCEL */
#define WIRE_MAX_SEATS         256  /* fronts that one gate can name */
#define WIRE_MAX_TEXT_BYTES    255  /* any text: URLs, engine names, reasons */
#define WIRE_MAX_OPTIONS_BYTES 8192 /* options of one job */
#define WIRE_MAX_AUTH_BYTES    64
#define WIRE_PROOF_BYTES       32 /* nonces and proofs of the shared secret */
#define WIRE_MAX_CRASHES       4  /* crash reports in a hello */
#define WIRE_MAX_CREDITS       64 /* JOBS messages a worker takes unanswered */
#define WIRE_MAX_APP_BYTES     64 /* an application's name */

/* Both sides of the job socket send these bytes first: what nng says on an ipc connection
   of a PAIR0 socket, so that one of those can dial it. */
#define WIRE_GREETING       "\0SP\0\0\x10\0\0"
#define WIRE_GREETING_BYTES 8

/* What the socket of an arena says first to whoever connects (PROTOCOL.md section 4). */
#define WIRE_ARENA_GREETING "offloop arena 1\n"

/* The largest payload, and with its envelope the largest message: NNG_OPT_RECVMAXSZ of
   both sides' seats. Hellos and answers to them stay far below WIRE_MAX_HELLO_BYTES. */
#define WIRE_MAX_PAYLOAD_BYTES (UINT64_C(512) << 20)
#define WIRE_MAX_MESSAGE_BYTES (WIRE_MAX_PAYLOAD_BYTES + (UINT64_C(1) << 20))
#define WIRE_MAX_HELLO_BYTES   (UINT64_C(128) << 10)

/* A worker tells every front that it lives, however busy it is. */
#define WIRE_ALIVE_EVERY_MS 1000
/* A worker repeats its hello at the gate this often, and learns of new seats. */
#define WIRE_HELLO_EVERY_MS 1000

/* Message types: NAME, value, direction. Values are for ever. */
#define WIRE_TYPE_MAP(X)                                                                \
    X(HELLO, 1)         /* worker to gate (REQ) */                                      \
    X(WELCOME, 2)       /* gate to worker (REP) */                                      \
    X(REFUSED, 3)       /* gate to worker (REP) */                                      \
    X(ASK, 4)           /* worker to gate or front: do you know the secret? */          \
    X(CHALLENGE, 5)     /* gate or front to worker: yes; do you? */                     \
    X(PROOF, 6)         /* worker to front: yes */                                      \
    X(SEAT_HELLO, 16)   /* worker to front: the first message on a seat */              \
    X(SEAT_WELCOME, 17) /* front to worker: the answer to it */                         \
    X(JOBS, 18)         /* front to worker */                                           \
    X(CANCEL, 19)       /* front to worker */                                           \
    X(PING, 20)         /* front to worker: answered by an ALIVE with the same token */ \
    X(PROMPT, 21)       /* front to worker: say hello at the gate at once */            \
    X(RESULTS, 32)      /* worker to front */                                           \
    X(ALIVE, 34)        /* worker to front, every second and after a PING */            \
    X(BYE, 35)       /* worker to front: no new jobs please; those it has it answers */ \
    X(APP_HELLO, 48) /* application to daemon: the first message on the job socket */   \
    X(APP_WELCOME, 49) /* daemon to application: the answer to it */                    \
    X(APP_ARENA, 50)   /* application to daemon: with the descriptor of its arena */

enum wire_type {
#define X(name, value) WIRE_##name = value,
    WIRE_TYPE_MAP(X)
#undef X
};

/* What a worker can do beyond version 1, as bits of a hello. Unknown bits are ignored. */
enum wire_capability {
    WIRE_CAN_ARENA = 1,  /* maps the arena a SEAT_WELCOME names */
    WIRE_CAN_PROMPT = 2, /* says hello at once when a PROMPT comes */
    WIRE_CAN_POOL = 4,   /* maps the pool, too, that a SEAT_WELCOME names */
    WIRE_CAN_FASTPATH =
        8, /* takes the socket beside the seat that a SEAT_WELCOME names */
    WIRE_CAN_TRANSFORM = 16 /* runs programs: codec_call.transform */
};

/* Bits of a job. */
enum wire_job_flag {
    WIRE_JOB_PRETTY = 1, /* codec_call.pretty */
    WIRE_JOB_FLAGS = 1   /* all that exist: others make the message bad */
};

/* What became of a job. Values are for ever. */
enum wire_verdict {
    WIRE_DONE = 0,      /* the codec ran; its status stands beside */
    WIRE_EXPIRED = 1,   /* the deadline had passed before it could start, or while its
                           program ran */
    WIRE_CANCELLED = 2, /* a CANCEL came before it started */
    WIRE_WORKER_VERDICTS,
    /* on the job socket only */
    WIRE_OVERLOADED = 3, /* too much is unanswered: it was not run */
    WIRE_NO_WORKER = 4,  /* no worker came within half of the deadline */
    WIRE_LOST = 5,       /* its workers were lost on it */
    WIRE_POISON = 6,     /* the payload has crashed workers and is refused for now */
    WIRE_VERDICTS
};

/* What a daemon says of itself to applications, as bits of an APP_WELCOME. */
enum wire_app_capability {
    WIRE_APP_TRANSFORM = 1,  /* programs */
    WIRE_APP_ZSTD = 2,       /* results compressed by zstd */
    WIRE_APP_TAKES_ARENA = 4 /* an APP_ARENA, once */
};

/* The arena of an application at most, and a payload in it: one is copied in one turn of
   the daemon's loop. */
#define WIRE_MAX_APP_ARENA_BYTES  (UINT64_C(32) << 20)
#define WIRE_MAX_APP_SHARED_BYTES (UINT64_C(4) << 20)

/* How a worker tells what it has taken of what a SEAT_WELCOME named: one of the first two
   where it is an arena, and the last where the socket is in use. */
enum wire_taken { WIRE_TOOK_ARENA = 1, WIRE_TOOK_POOL = 2, WIRE_TOOK_FASTPATH = 4 };

/* A larger message travels on the seat even where there is a fast path, in either
   direction: there it is copied a slice at a time. */
#define WIRE_MAX_FAST_BYTES (UINT64_C(512) << 10)

/* Why a gate refuses a worker. Values are for ever; unknown ones read as OTHER. */
enum wire_refusal {
    WIRE_REFUSED_OTHER = 0,
    WIRE_REFUSED_VERSION = 1,  /* upgrade one side; the worker keeps asking */
    WIRE_REFUSED_AUTH = 2,     /* the shared secret is missing or wrong */
    WIRE_REFUSED_DRAINING = 3, /* the server is going away */
    WIRE_REFUSED_FULL = 4      /* more workers than the server takes */
};

/* Why a worker says goodbye. */
enum wire_bye { WIRE_BYE_DRAIN = 1, WIRE_BYE_RETIRE = 2 };

struct wire_id {
    uint8_t bytes[WIRE_ID_BYTES];
};

/* A document that an earlier process of the same master crashed on. */
struct wire_crash {
    struct wire_id document; /* hash of the payload */
    unsigned signal;
};

struct wire_hello {
    struct wire_id worker; /* random, new in every process */
    struct wire_id host;   /* the kernel's boot id: equal ids can share memory */
    uint64_t pid;
    uint64_t capabilities; /* enum wire_capability bits */
    unsigned credits;      /* JOBS messages taken unanswered: 1 to WIRE_MAX_CREDITS */
    struct slice engine;   /* the codec's name */
    struct slice auth;     /* the gate's nonce and a proof (proof.h); empty for none */
    unsigned crash_count;
    struct wire_crash crashes[WIRE_MAX_CRASHES];
};

struct wire_seat {
    unsigned front;       /* index of the front process */
    uint64_t incarnation; /* of that front process; a new process has a new one */
    struct slice url;     /* a PAIR0 socket listens there for this worker alone */
};

struct wire_welcome {
    uint64_t generation; /* of the server's configuration */
    unsigned seat_count;
    struct wire_seat seats[WIRE_MAX_SEATS];
};

struct wire_refused {
    enum wire_refusal reason;
    struct slice text; /* for people */
};

/* Nonces and proofs point to WIRE_PROOF_BYTES each. */
struct wire_ask {
    struct wire_id worker;
    struct slice nonce;
};

struct wire_challenge {
    struct slice nonce;
    struct slice proof;
};

struct wire_seat_hello {
    struct wire_id worker;
    uint64_t incarnation; /* the front's, as the gate told it */
};

struct wire_seat_welcome {
    uint64_t incarnation;       /* the front's own */
    bool has_arena;             /* the rest counts only then */
    struct slice arena_path;    /* AF_UNIX socket that hands out the arena's descriptor */
    uint64_t arena_bytes;       /* 0 for none, where there is a fast path only */
    struct wire_id arena_token; /* to be shown there */
    uint64_t pool_bytes;        /* 0 for none; only for workers with WIRE_CAN_POOL. Its
                                   descriptor        comes with the arena's */
    bool has_fastpath;          /* the descriptor of a socket comes last; only for workers
                                   with WIRE_CAN_FASTPATH */
};

/* Where a payload is: in the message, or in the seat's arena, or behind that, in the
   front's pool. */
struct wire_payload {
    struct slice bytes; /* len counts always; data is NULL where in_arena */
    bool in_arena;
    uint64_t offset; /* in the arena, or the arena's bytes and more: in the pool. Whoever
                        has mapped them checks it against their sizes */
};

struct wire_job {
    uint64_t id;           /* chosen by the front, unique on the seat, never reused */
    unsigned op;           /* enum codec_op; a worker that lacks it says UNSUPPORTED */
    unsigned flags;        /* enum wire_job_flag bits */
    uint8_t separator;     /* codec_call.separator */
    uint32_t deadline_ms;  /* counted from arrival; 0 for none */
    uint64_t max_output;   /* bytes; at most WIRE_MAX_PAYLOAD_BYTES */
    bool has_reply_space;  /* the result may be put in the arena... */
    uint64_t reply_offset; /* ...here... */
    uint64_t reply_bytes;  /* ...where it is no longer than this; else in the message */
    struct slice options;  /* of later operations; empty for none */
    struct wire_payload payload;
};

struct wire_result {
    uint64_t id;
    enum wire_verdict verdict;
    unsigned status;       /* enum codec_status where verdict is DONE, else 0; one that
                              this side does not know reads as CODEC_UNSUPPORTED */
    uint64_t fault_offset; /* codec_fault.offset */
    uint32_t queue_us;     /* from arrival at the worker to start */
    uint32_t codec_us;     /* inside the codec */
    struct wire_payload payload; /* of a failure with codec_status_has_text(): the text */
};

struct wire_jobs {
    unsigned count; /* 1 to WIRE_MAX_BATCH */
    struct wire_job jobs[WIRE_MAX_BATCH];
};

struct wire_results {
    unsigned count; /* 1 to WIRE_MAX_BATCH */
    struct wire_result results[WIRE_MAX_BATCH];
};

struct wire_cancel {
    unsigned count; /* 1 to WIRE_MAX_BATCH */
    uint64_t ids[WIRE_MAX_BATCH];
};

struct wire_alive {
    uint64_t token;      /* of the PING it answers; 0 where unasked */
    uint64_t running_id; /* the job inside the codec; 0 for none (or another front's) */
    uint32_t running_ms; /* how long already */
};

struct wire_app_hello {
    uint64_t version;      /* WIRE_VERSION, or another one: that is refused */
    struct slice name;     /* for logs and metrics; may be empty */
    uint64_t capabilities; /* none is known yet */
};

struct wire_app_welcome {
    uint64_t version;
    uint64_t max_jobs;     /* that may be unanswered... */
    uint64_t max_bytes;    /* ...and bytes of their payloads */
    uint64_t capabilities; /* enum wire_app_capability bits */
    struct slice engine;   /* the codec's name */
};

/* A decoded message; slices point into the bytes it was decoded from. About 13 KiB. */
struct wire_message {
    enum wire_type type;
    union {
        struct wire_hello hello;
        struct wire_welcome welcome;
        struct wire_refused refused;
        struct wire_ask ask;
        struct wire_challenge challenge;
        struct slice proof;
        struct wire_seat_hello seat_hello;
        struct wire_seat_welcome seat_welcome;
        struct wire_jobs jobs;
        struct wire_cancel cancel;
        uint64_t ping_token;
        struct wire_results results;
        struct wire_alive alive;
        enum wire_bye bye;
        struct wire_app_hello app_hello;
        struct wire_app_welcome app_welcome;
        uint64_t app_arena_bytes;
    };
};

/* How decoding can end. */
enum wire_error {
    WIRE_OK = 0,
    WIRE_BAD = -1,        /* not a message: drop the peer */
    WIRE_BAD_VERSION = -2 /* a message of another version: a gate answers REFUSED */
};

/* Reads one whole message. On failure msg_r holds nothing, and *why_r (static text,
   may be NULL) says what is wrong. */
enum wire_error wire_decode(struct slice bytes, struct wire_message *msg_r,
                            const char **why_r) __attribute__((warn_unused_result));

/* Appends a HELLO. */
void wire_put_hello(struct buf *out, const struct wire_hello *hello);

/* Appends a WELCOME. */
void wire_put_welcome(struct buf *out, const struct wire_welcome *welcome);

/* Appends a REFUSED; text is cut to WIRE_MAX_TEXT_BYTES. */
void wire_put_refused(struct buf *out, enum wire_refusal reason, const char *text);

/* Appends an ASK. */
void wire_put_ask(struct buf *out, const struct wire_ask *ask);

/* Appends a CHALLENGE. */
void wire_put_challenge(struct buf *out, const struct wire_challenge *challenge);

/* Appends a PROOF. */
void wire_put_proof(struct buf *out, struct slice proof);

/* Appends a SEAT_HELLO. */
void wire_put_seat_hello(struct buf *out, const struct wire_seat_hello *hello);

/* Appends a SEAT_WELCOME. */
void wire_put_seat_welcome(struct buf *out, const struct wire_seat_welcome *welcome);

/* Appends the envelope of a JOBS message with 1 to WIRE_MAX_BATCH jobs. The payloads
   that are not in the arena must follow it, in order, by the caller's hand. */
void wire_put_jobs(struct buf *out, const struct wire_job *jobs, unsigned count);

/* Appends a CANCEL of 1 to WIRE_MAX_BATCH jobs; unknown ids are no fault. */
void wire_put_cancel(struct buf *out, const uint64_t *ids, unsigned count);

/* Appends a PING; the token is not 0. */
void wire_put_ping(struct buf *out, uint64_t token);

/* Appends a PROMPT; only for workers with WIRE_CAN_PROMPT. */
void wire_put_prompt(struct buf *out);

/* Appends the envelope of a RESULTS message; payloads as with wire_put_jobs(). */
void wire_put_results(struct buf *out, const struct wire_result *results, unsigned count);

/* Appends an ALIVE. */
void wire_put_alive(struct buf *out, const struct wire_alive *alive);

/* Appends a BYE. */
void wire_put_bye(struct buf *out, enum wire_bye reason);

/* Appends an APP_HELLO. */
void wire_put_app_hello(struct buf *out, const struct wire_app_hello *hello);

/* Appends an APP_WELCOME. */
void wire_put_app_welcome(struct buf *out, const struct wire_app_welcome *welcome);

/* Appends an APP_ARENA; the descriptor goes with the first byte of its frame. */
void wire_put_app_arena(struct buf *out, uint64_t bytes);

/* The name of a type, "JOBS"; "?" for what is none. */
const char *wire_type_name(enum wire_type type);

#endif
