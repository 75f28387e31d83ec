/*
 * The document API (docs: the routes under /v1): turns HTTP exchanges into
 * store requests and codec jobs, and their results into replies. Between exchanges it
 * holds nothing but the cache of replies (reply_cache.h).
 *
 * Only the front's loop thread may call.
 */
#ifndef OFFLOOP_SERVER_API_API_H
#define OFFLOOP_SERVER_API_API_H

#include <stdbool.h>
#include <stdint.h>

#include "server/api/access/auth.h"
#include "server/api/access/cors.h"
#include "server/api/programs/views.h"
#include "server/http/http.h"
#include "server/jobs/jobs.h"

struct api;
struct ev_loop;
struct store;
struct stats_front;

/* What the access log is told when an exchange is over; valid during the call only. */
struct api_event {
    struct http_exchange *x;
    int status;           /* 0 where the client left first */
    uint64_t sent_bytes;  /* of the body */
    bool ran_job;         /* whether the next two mean something */
    enum jobs_mode mode;  /* where the last job ran */
    uint64_t codec_us;    /* sum over the exchange's jobs */
    uint64_t queue_us;    /* the same, waiting for a worker */
    uint64_t duration_us; /* since the request's head was read */
};

/* Who may have programs run: --jq. */
enum api_programs {
    API_PROGRAMS_BY_LISTENER, /* ON for those of this host, else VIEWS */
    API_PROGRAMS_ON,          /* any */
    API_PROGRAMS_VIEWS,       /* the operator's */
    API_PROGRAMS_OFF
};

struct api_config {
    struct ev_loop *loop;
    struct store *store;
    struct jobs *jobs;
    struct stats_front *stats;
    enum jobs_mode mode;        /* of requests that do not choose */
    bool store_json;            /* what writes store: compact JSON, else MessagePack */
    bool keep_numbers;          /* MessagePack made of JSON keeps numbers' own text */
    bool mode_header;           /* honour Offloop-Mode */
    bool server_timing;         /* add Server-Timing */
    uint64_t max_reply_bytes;   /* a job's result */
    uint64_t reply_cache_bytes; /* encoded replies that are kept; 0 for none */
    uint64_t max_memory_bytes;  /* a job's memory */
    uint64_t max_body_bytes;    /* what a compressed body may expand to */
    uint64_t job_timeout_ns;    /* how long a request waits for its turn at a document */
    const struct auth *auth;    /* who may do what; NULL where everybody may do all */
    enum api_programs programs;
    const struct views *views; /* NULL for none */
    struct cors cors;          /* origins whose scripts may read replies */
    const char *base_path;     /* stands before Link and Location; NULL or "" for none;
                                  must stay */
    void (*on_event)(void *context, const struct api_event *event); /* may be NULL */
    /* A request that was refused before there was an exchange; may be NULL. */
    void (*on_refused)(void *context, const struct http_refusal *refusal);
    void *context;
};

/* Makes the API of one front; the caller ends it with api_destroy() once no exchange is
   left. */
struct api *api_create(const struct api_config *config);

/* Frees; NULL inside is allowed. */
void api_destroy(struct api **api);

/* The callbacks for an http_server whose context is the api. */
struct http_callbacks api_callbacks(void);

#endif
