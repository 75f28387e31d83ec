/*
 * liboffloop: JSON and MessagePack work of an event-loop program, done by the worker
 * processes of offloop-worker (--listen) and not on the loop.
 *
 * There are no threads, and one descriptor. The program's loop watches offloop_fd() for
 * what offloop_wants() says, level-triggered, and calls offloop_process() when it is
 * ready, and when offloop_deadline_ms() has passed. offloop_libev.h, offloop_libuv.h,
 * offloop_libevent.h and offloop_poll.h do all that for their loops.
 *
 *     struct offloop *o = offloop_create(NULL, NULL);
 *     struct offloop_request request = {.op = OFFLOOP_ENCODE, .data = bytes, .len = n};
 *     offloop_submit(o, &request, done, user);
 *
 * A connection that is lost is made anew, and jobs that were under way are sent once
 * more: they are pure functions of their bytes. Small jobs, and all jobs while no daemon
 * is there, run in the program itself by the same codec (struct offloop_options).
 *
 * A struct offloop belongs to one thread at a time. Callbacks come from inside
 * offloop_process() only, and may call anything here. Memory that runs out ends the
 * program.
 */
#ifndef OFFLOOP_H
#define OFFLOOP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define OFFLOOP_API __attribute__((visibility("default")))

/* What a job does (PROTOCOL.md, JOBS). */
enum offloop_op {
    OFFLOOP_DECODE = 0,   /* JSON text to MessagePack */
    OFFLOOP_ENCODE = 1,   /* MessagePack to JSON text */
    OFFLOOP_SEQUENCE = 2, /* MessagePack values back to back to JSON texts */
    OFFLOOP_VALIDATE = 3, /* MessagePack that JSON can hold, to the same bytes */
    OFFLOOP_COMPACT = 4,  /* JSON text to the compact one */
    OFFLOOP_PROJECT = 5,  /* a document to MessagePack, some fields of it */
    OFFLOOP_PATCH = 6,    /* a document and a JSON merge patch to the patched document */
    OFFLOOP_BULK = 7      /* lines to records, as PROTOCOL.md has them */
};

/* Bits of offloop_request.flags. */
#define OFFLOOP_INDENT 1u

/* Bits of offloop_request.options (PROTOCOL.md, Options). */
#define OFFLOOP_GZIP       1u   /* compress a result of more than 1,024 bytes */
#define OFFLOOP_INPUT_GZIP 2u   /* the input (of OFFLOOP_PATCH the patch) is gzip */
#define OFFLOOP_INPUT_JSON 4u   /* the document is JSON and not MessagePack */
#define OFFLOOP_ZSTD       8u   /* as OFFLOOP_GZIP, by zstd */
#define OFFLOOP_TRANSFORM  128u /* the argument is of offloop_pack_program() */

/* How a job can end. */
enum offloop_outcome {
    OFFLOOP_OK = 0,         /* the result is there */
    OFFLOOP_REFUSED = 1,    /* the document or the program is wrong: status, offset */
    OFFLOOP_TIMEOUT = 2,    /* its time has passed */
    OFFLOOP_OVERLOADED = 3, /* this program has too much unanswered: try later */
    OFFLOOP_NO_WORKER = 4,  /* no daemon, or no worker, was there for half of its time */
    OFFLOOP_LOST = 5,       /* the workers, or the connections, that had it were lost */
    OFFLOOP_POISON = 6      /* the document has crashed workers and is refused for now */
};

struct offloop;

/* What is wanted of the loop, as bits. */
#define OFFLOOP_READ  1u
#define OFFLOOP_WRITE 2u

/* Zeros are the defaults. */
struct offloop_options {
    const char *name;    /* for the daemon's log and metrics; at most 64 bytes */
    size_t inline_bytes; /* jobs of at most so many bytes run here [4096] */
    unsigned timeout_ms; /* of jobs that name none [10000] */
    int no_inline;       /* not 0: nothing runs here, whatever its size, daemon or not */
    const char *engine;  /* of the codec for what runs here [yajl] */
    /* Called by offloop_submit() and offloop_cancel() where there was nothing to do for
       offloop_process() before and is now; NULL where the loop looks anyhow. */
    void (*changed)(void *user);
    void *user;
};

/* A job. Zero it first. */
struct offloop_request {
    enum offloop_op op;
    unsigned flags;
    unsigned char
        separator; /* between the texts of a sequence, or the results of a program */
    unsigned options;
    const void *data; /* the input; stays in place until done is called */
    size_t len;
    const void *argument; /* the patch, or the program; stays in place, too */
    size_t argument_len;
    const char *fields;    /* "a,b.c": what to keep of the document; NULL for all */
    uint64_t max_expanded; /* bytes that compressed input may expand to [as
                              OFFLOOP_INPUT_GZIP needs it: 64 MiB] */
    uint64_t max_output;   /* bytes of the result [512 MiB] */
    unsigned timeout_ms;   /* [that of the options] */
};

/* What became of a job; valid during the callback. */
struct offloop_result {
    enum offloop_outcome outcome;
    const void *data; /* of OFFLOOP_OK; else NULL */
    size_t len;
    unsigned status;     /* of OFFLOOP_REFUSED: as PROTOCOL.md numbers them */
    uint64_t offset;     /* of the byte that is wrong; UINT64_MAX for no place */
    const char *message; /* for people; never NULL; of a program, what is wrong with it */
    unsigned queue_us, codec_us;
    int ran_here; /* in this process */
};

/* Makes a client of the daemon at that socket (NULL: $OFFLOOP_JOBS, else
   /run/offloop/jobs.sock), whether it is there or not. Options are copied; NULL for the
   defaults. Returns NULL with errno: EINVAL for a path, name or engine that cannot be. */
OFFLOOP_API struct offloop *offloop_create(const char *path,
                                           const struct offloop_options *options);

/* Ends: jobs without a result are forgotten, their callbacks do not come. May be called
   from a callback. NULL is allowed. */
OFFLOOP_API void offloop_destroy(struct offloop *offloop);

/* The descriptor to watch, -1 while there is none. Another one, or none, may be there
   after each offloop_process(). */
OFFLOOP_API int offloop_fd(const struct offloop *offloop);

/* Another number for each descriptor: one that is closed and the next may be the same. */
OFFLOOP_API unsigned offloop_generation(const struct offloop *offloop);

/* What to watch it for: OFFLOOP_READ, and OFFLOOP_WRITE where something waits to be sent.
   A loop that calls offloop_process(offloop, 0) before it sleeps seldom needs that. */
OFFLOOP_API unsigned offloop_wants(const struct offloop *offloop);

/* In how many milliseconds offloop_process() is to be called whatever the descriptor
   does; -1 for never. */
OFFLOOP_API int offloop_deadline_ms(const struct offloop *offloop);

/* Does what there is to do: `ready` is what the descriptor is ready for, 0 where only
   time has passed or jobs were submitted. Runs at most about a millisecond of jobs here,
   or one. */
OFFLOOP_API void offloop_process(struct offloop *offloop, unsigned ready);

/* Submits a job; done(user, result) is called once, from offloop_process(). Returns its
   number, or 0 with errno: EINVAL for what is no job, EMSGSIZE for more than 512 MiB,
   EAGAIN where 1,024 wait already. */
OFFLOOP_API uint64_t
offloop_submit(struct offloop *offloop, const struct offloop_request *request,
               void (*done)(void *user, const struct offloop_result *result), void *user);

/* Takes a job back: its callback does not come, its bytes may be freed. No-op for one
   that is done. */
OFFLOOP_API void offloop_cancel(struct offloop *offloop, uint64_t number);

/* How many jobs wait for a result. */
OFFLOOP_API unsigned offloop_pending(const struct offloop *offloop);

/* Not 0 where a daemon has welcomed us. */
OFFLOOP_API int offloop_is_connected(const struct offloop *offloop);

/* Packs a jq program and its arguments (one MessagePack map of names and values; NULL for
   none) as the argument of a request with OFFLOOP_TRANSFORM: with OFFLOOP_ENCODE the
   results are JSON texts with the separator between them, with OFFLOOP_PATCH the one
   result is the new document. Returns memory for offloop_free(). */
OFFLOOP_API void *offloop_pack_program(const char *program, const void *args,
                                       size_t args_len, size_t *len_r);

/* Runs one job at once, in the calling thread: op, flags, separator and options (the
   bytes of PROTOCOL.md's Options; NULL for none) as they stand in a job, the payload with
   the argument at its end. Returns 0 with *status_r, and for status 0 a result for
   offloop_free(), else the offset of the fault in *fault_r; -1 with errno EINVAL where an
   argument is none of a job's. Any thread. */
OFFLOOP_API int offloop_run(unsigned op, unsigned flags, unsigned separator,
                            const void *options, size_t options_len, const void *payload,
                            size_t len, unsigned char **result_r, size_t *result_len_r,
                            unsigned *status_r, uint64_t *fault_r);

/* Frees a result or a packed program; NULL is allowed. */
OFFLOOP_API void offloop_free(void *memory);

/* The text for people of a status, "ill-formed UTF-8". */
OFFLOOP_API const char *offloop_status_text(unsigned status);

/* The library's version, "1.2.3". */
OFFLOOP_API const char *offloop_version(void);

#ifdef __cplusplus
}
#endif

#endif
