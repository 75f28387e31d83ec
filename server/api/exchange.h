/*
 * One exchange inside this room: what every route's state begins with, and the
 * answers they share. A route embeds struct exchange first in a struct of its
 * own and describes itself with a struct exchange_kind.
 */
#ifndef OFFLOOP_SERVER_API_EXCHANGE_H
#define OFFLOOP_SERVER_API_EXCHANGE_H

#include "common/base/log.h"
#include "server/api/api.h"
#include "server/api/negotiate.h"
#include "server/api/document/new_id.h"
#include "server/api/query.h"
#include "server/api/route.h"
#include "server/store/store.h"

struct codec;
struct exchange;
struct program;
struct reply_cache;

/* How one route handles its exchanges; NULL members are not called. */
struct exchange_kind {
    size_t size; /* bytes of the struct that begins with struct exchange */
    void (*start)(struct exchange *e);
    void (*body)(struct exchange *e, struct slice bytes); /* of a streamed body */
    void (*body_end)(struct exchange *e);
    void (*writable)(struct exchange *e);
    void (*cancel)(struct exchange *e); /* lets go of what is in flight and held */
};

struct exchange {
    const struct exchange_kind *kind;
    struct api *api;
    struct http_exchange *x;
    struct route route;
    struct query query;
    struct program *program;         /* program.h; NULL for none */
    enum negotiate_type type;        /* of the reply */
    char media[NEGOTIATE_MEDIA_MAX]; /* another name of it; empty for none */
    enum codec_coding coding;        /* that the client takes, and likes best */
    enum jobs_mode mode;             /* asked for */
    bool mode_chosen;   /* by Offloop-Mode: to be measured, so its job is its own */
    enum jobs_mode ran; /* of the last job */
    bool ran_job;
    uint64_t started_ns;
    uint64_t store_since_ns; /* when the store was last asked */
    uint64_t store_us, queue_us, codec_us, job_us;
};

struct api {
    struct api_config config;
    struct new_id new_id; /* of the ids this front makes */
    uint64_t share_seed;  /* random, so that nobody can make two names share a key:
                             exchange_hash() */
    struct reply_cache *reply_cache; /* NULL for none */
    struct codec *codec;             /* of programs' arguments; NULL before the first */
    struct list patches;             /* at work: struct document_patch.link */
    struct list patches_due;         /* about to be: the same */
    bool patches_beginning;
    unsigned bulk_writes; /* of all bulk requests, under way */
    struct log_limited scan_log;
};

/* Submits a job for this exchange; its limits are filled in here, the blobs, share_key
   and sends_result may stand in it already. done is called as jobs.h says. */
void exchange_submit(struct exchange *e, struct job *job, const struct codec_call *call,
                     void (*done)(struct job *job));

/* The same in another mode than the one that the exchange asks for. */
void exchange_submit_as(struct exchange *e, enum jobs_mode mode, struct job *job,
                        const struct codec_call *call, void (*done)(struct job *job));

/* True where the store is an application's: store.h. Versions are digests then, which
   the exchange's jobs make. */
bool exchange_is_foreign(const struct exchange *e);

/* The store's format as the codec's, and the other way round. */
enum codec_format exchange_codec_format(enum store_format format);
enum store_format exchange_store_format(const struct exchange *e);

/* Books a finished job's times; call first in a job's done. */
void exchange_job_ended(struct exchange *e, const struct job *job);

/* Books the store's time; call before asking it and first in its done. */
void exchange_store_asked(struct exchange *e);
void exchange_store_answered(struct exchange *e);

/* Reads the document that the exchange's route names. */
void exchange_get(struct exchange *e, struct store_get *get,
                  void (*done)(struct store_get *get));

/* Writes to the exchange's collection what *put says, in all but collection and done. */
void exchange_put(struct exchange *e, struct store_put *put,
                  void (*done)(struct store_put *put));

/* False where the request has no body at all or one in a coding other than gzip, after
   answering; `what` is "a document" or the like. */
bool exchange_check_body(struct exchange *e, const char *what, bool *gunzip_r);

/* Replies with a problem; 503 gets Retry-After, 405 an Allow from exchange_allow(). */
void exchange_fail(struct exchange *e, int status, const char *detail);

/* The same with further header lines, each ended by CRLF. */
void exchange_fail_with(struct exchange *e, int status, const char *detail,
                        const char *headers);

/* Replies with what a job that did not end OK means for the client's own bytes. */
void exchange_fail_job(struct exchange *e, const struct job *job);

/* The same for a job on stored bytes: what is malformed there is our fault, unless the
   store is an application's. */
void exchange_fail_stored(struct exchange *e, const struct job *job);

/* Replies with what a store status other than OK and CREATED means. */
void exchange_fail_store(struct exchange *e, enum store_status status);

/* The media type of the reply, by the name that Accept asks for. */
const char *exchange_media(const struct exchange *e);

/* Refuses the request's Content-Type with 415; `taken` lists what is taken. Further
   header lines as above. */
void exchange_fail_content_type(struct exchange *e, const char *taken,
                                const char *headers);

/* The methods that the exchange's route has, "GET, HEAD, OPTIONS". */
const char *exchange_allow(const struct exchange *e);

/* Appends what every reply carries: the lines of cors.h, and Server-Timing where it is
   switched on. */
void exchange_put_common(const struct exchange *e, struct buf *headers);

/* Appends the request's path as clients of a proxy know it: behind --base-path. */
void exchange_put_path(const struct exchange *e, struct buf *headers);

/* Appends the "Vary: ..." line of what the exchange's route negotiates. */
void exchange_put_vary(const struct exchange *e, struct buf *headers);

/* Appends "ETag: ..." and "Vary: ..." lines: the tag of the document's version as the
   exchange's reply shows it. */
void exchange_put_etag(const struct exchange *e, struct buf *headers, uint64_t version,
                       enum codec_coding coding);

/* Prints that tag, for a reply of another type perhaps. */
void exchange_print_etag(const struct exchange *e, uint64_t version,
                         enum negotiate_type type, enum codec_coding coding,
                         char etag_r[NEGOTIATE_ETAG_MAX]);

/* Appends the "Content-Encoding: ..." line, where there is a coding. */
void exchange_put_coding(struct buf *headers, enum codec_coding coding);

/* True where a job failed for no other reason than that its worker, older or built
   without the library, lacks the coding. The exchange does without any from then on: the
   job may be submitted again. */
bool exchange_lacks_coding(struct exchange *e, const struct job *job);

/* Hashes a name (FNV-1a) from a key on, which is api.share_seed or an earlier hash: so
   that nobody outside can make two names collide. */
uint64_t exchange_hash(uint64_t key, struct slice name);

#endif
