/*
 * An HTTP/1.1 server on a libev loop (RFC 9110, RFC 9112). It hands each request
 * to a handler as an exchange: one request and its reply.
 *
 * When the head of a request has been read and is good, the handler's on_request
 * runs. The handler replies at once, or asks for the body with http_collect_body()
 * or http_stream_body() and replies later, at any time, also before the body has
 * been read. A reply is whole (http_reply) or streamed (http_reply_begin, _chunk,
 * _end). The exchange ends when its reply is written and its request is read, or
 * when its connection is lost. In both cases on_close runs, exactly once and last,
 * and the handler frees what it put into http_user(). The requests of one
 * connection are handled one after another, so a GET after a PUT on one connection
 * sees what the PUT did.
 *
 * A request that breaks the rules never reaches the handler: the server answers
 * it with problem+json and closes the connection. Where only the body breaks the
 * rules (bad chunks, too slow, too long to collect), on_close comes with the
 * status, unless the handler has replied before. HEAD is handled as GET: the
 * handler replies with a body, of which the client gets the length and no bytes;
 * of a streamed reply it gets the head.
 *
 * While an exchange runs, at most 16 KiB of further requests wait in the buffer of
 * a connection; then reading stops. A client that has sent its FIN still gets its
 * answers. After RST on_close comes at once with status 0 (or with the status that
 * was sent), so that the work of the exchange can be cancelled.
 *
 * Only the thread of the loop may call. No callback comes from inside a call of a
 * function below: on_body_end, on_writable and on_close come later, from the loop.
 * After on_close no callback comes and no function may be called.
 */
#ifndef OFFLOOP_SERVER_HTTP_HTTP_H
#define OFFLOOP_SERVER_HTTP_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/blob.h"

struct ev_loop;
struct http_server;
struct http_exchange;

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_PUT,
    HTTP_POST,
    HTTP_PATCH,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_OTHER /* any other token */
};

/* The request as read. Slices stay valid until on_close. */
struct http_request {
    enum http_method method;
    struct slice method_text;
    struct slice target; /* as sent */
    struct slice path;   /* of the target (absolute-form too), still percent-encoded */
    struct slice query;  /* after the '?', empty without one */
    int minor;           /* HTTP/1.minor: 0 or 1 */
    bool has_body;       /* Content-Length over 0, or chunked */
    int64_t length;      /* Content-Length; -1 for chunked; 0 for none */
};

/* A request that the server answered before the handler knew of it. */
struct http_refusal {
    int status;
    uint64_t sent_bytes;              /* of the reply's body */
    const char *peer;                 /* as http_peer() */
    struct slice line;                /* the request line, as far as it came */
    struct slice referer, user_agent; /* data is NULL where they did not come */
};

/* What the server tells the handler. Every member but on_request may be NULL. */
struct http_callbacks {
    /* The head of a request was read; see the head of this file. */
    void (*on_request)(struct http_exchange *x, void *context);
    /* Bytes of a body asked for with http_stream_body(). */
    void (*on_body)(struct http_exchange *x, struct slice bytes);
    /* The whole body has been read (http_body() returns a collected one). Not called
       where the exchange is lost or refused before. */
    void (*on_body_end)(struct http_exchange *x);
    /* A streamed reply may go on after http_reply_chunk() returned false. */
    void (*on_writable)(struct http_exchange *x);
    /* The exchange is over and about to be freed. status is that of the reply, 0 where
       there was none; sent_bytes is how many bytes of its body were sent. */
    void (*on_close)(struct http_exchange *x, int status, uint64_t sent_bytes);
    /* The server answered a request before the handler knew of it (malformed, too slow,
       too long, for another host). For counting and logging; valid during the call. */
    void (*on_refused)(const struct http_refusal *refusal, void *context);
};

/* A reply's head. Slices are copied. */
struct http_reply {
    int status;
    const char *content_type; /* NULL for none */
    struct slice headers;     /* more header lines, each ending in CRLF; may be empty */
    struct blob *body;        /* whole replies; NULL for none; a reference is taken */
    struct slice body_part;   /* where not empty: only this part of the body is sent */
};

struct http_limits {
    size_t head_bytes;          /* request line and headers, 431 (32 KiB) */
    size_t target_bytes;        /* 414 (8 KiB) */
    uint64_t body_bytes;        /* collected bodies, 413 */
    unsigned head_timeout_ms;   /* absolute, from the first byte (10 s): 408 */
    unsigned idle_timeout_ms;   /* between requests (75 s): closed */
    unsigned send_timeout_ms;   /* while the peer acknowledges no byte (5 min): closed */
    unsigned send_min_rate;     /* bytes per second that the peer acknowledges, over
                                   each send_timeout_ms (256): closed below it */
    unsigned body_grace_ms;     /* before body_min_rate counts (10 s): 408 */
    unsigned body_min_rate;     /* bytes per second (1 KiB) */
    unsigned linger_timeout_ms; /* reading on after a refusal while bytes come (30 s) */
    unsigned linger_idle_ms;    /* and while none come (5 s) */
    unsigned drain_idle_ms;     /* while draining, an idle connection has so long to send
                                   one more request, because a client may have sent it
                                   before it knew (500 ms) */
};

/* The default limits: the values in brackets above, and 64 MiB for body_bytes. */
struct http_limits http_limits_default(void);

/* Makes a server that hands requests to the callbacks. The caller ends it with
   http_server_destroy(). `callbacks` is copied, `context` is for on_request. */
struct http_server *http_server_create(struct ev_loop *loop,
                                       const struct http_limits *limits,
                                       const struct http_callbacks *callbacks,
                                       void *context);

/* Which hosts requests may name, in Host and in an absolute target; others get 421. The
   reason: a site can give its own name the address of a server on its reader's machine,
   and then the browser takes that server for a part of the site. No site can own address
   literals, localhost, *.localhost and names without a dot: these are the local names. */
enum http_host_rule {
    HTTP_HOST_ANY,        /* all may be named */
    HTTP_HOST_SAFE_LOCAL, /* local names at listeners that only this host reaches; any at
                             others */
    HTTP_HOST_LISTED      /* local names, and `names` */
};

struct http_hosts {
    enum http_host_rule rule;
    char *const *names; /* lower or upper case, without ports; the caller keeps them */
    size_t count;
};

/* True for a host that may stand in `names`: well formed, without a port. */
bool http_host_valid(const char *name);

/* Sets which hosts may be named (any, without this call). For the server's start. */
void http_server_set_hosts(struct http_server *server, const struct http_hosts *hosts);

/* Closes every connection and listener (on_close comes), then frees; NULL inside is
   allowed. Not to be called from a callback of an exchange. */
void http_server_destroy(struct http_server **server);

/* Accepts connections on a listening socket (TCP or Unix; non-blocking). The server owns
   the descriptor from now on. Several processes may accept from one socket. */
void http_server_listen(struct http_server *server, int listen_fd);

/* Serves one connected socket, as if it had been accepted; for tests and fuzzers. */
void http_server_adopt(struct http_server *server, int fd);

/* Stops accepting (what already waits to be accepted is still served), answers what is in
   flight with Connection: close, closes idle connections after limits.drain_idle_ms, and
   calls done (NULL for none) from the loop once none is left. done may destroy the
   server. Once only; not to be called from a callback of an exchange. */
void http_server_drain(struct http_server *server, void (*done)(void *context),
                       void *context);

/* To be called about every second: where memory is short, cuts off the clients that are
   slowest to take or to send what waits in memory for them. */
void http_server_look_at_memory(struct http_server *server);

/* How many clients have been cut off for that. */
uint64_t http_server_cuts(const struct http_server *server);

/* How many connections are open. */
unsigned http_server_connections(const struct http_server *server);

/* How many have been accepted (or adopted) since the server was made. */
uint64_t http_server_accepted(const struct http_server *server);

/* The exchange's request. */
const struct http_request *http_request(const struct http_exchange *x);

/* The value of the request's first header of that name (any case), without white space
   around it; data is NULL where there is none. */
struct slice http_header(const struct http_exchange *x, const char *name);

/* All values of that name, joined with ", " where there are several (RFC 9110 section
   5.3); data is NULL where there is none. Valid until on_close. */
struct slice http_header_joined(struct http_exchange *x, const char *name);

/* The peer's address as text, for the access log; "unix" for Unix sockets. */
const char *http_peer(const struct http_exchange *x);

/* Asks for the body in one piece: on_body_end comes when it is whole. A body over
   limits.body_bytes is refused with 413. Sends 100 Continue where it was asked for. Call
   in on_request only, also for a request without body (on_body_end comes right after
   on_request has returned). */
void http_collect_body(struct http_exchange *x);

/* Asks for the body in pieces through on_body, of any size in all. As above. */
void http_stream_body(struct http_exchange *x);

/* Stops and resumes the reading of a streamed body (backpressure to the client). */
void http_pause_body(struct http_exchange *x);
void http_resume_body(struct http_exchange *x);

/* The collected body; valid from on_body_end until on_close. */
struct slice http_body(const struct http_exchange *x);

/* Takes the collected body over as a blob with one reference, without a copy. Afterwards
   http_body() is empty. */
struct blob *http_take_body(struct http_exchange *x);

/* Replies whole. Adds Date, Content-Length and Connection. An exchange takes one reply;
   more are a bug. The rest of the request's body is read and dropped, or the connection
   is closed after the reply: neither on_body nor on_body_end comes any more. */
void http_reply(struct http_exchange *x, const struct http_reply *reply);

/* Replies with problem+json (RFC 9457). detail is text for people, escaped here; offset
   is added as "offset" where it is not negative; headers (may be empty) as in http_reply.
 */
void http_reply_problem(struct http_exchange *x, int status, const char *detail,
                        int64_t offset, struct slice headers);

/* Starts a streamed reply: chunked for HTTP/1.1, until the close for HTTP/1.0. */
void http_reply_begin(struct http_exchange *x, const struct http_reply *reply);

/* Queues one piece and takes a reference of its own. Returns false where enough is
   queued: call again only after on_writable. An empty piece queues nothing and returns
   the same. */
bool http_reply_chunk(struct http_exchange *x, struct blob *blob, struct slice part);

/* Ends a streamed reply. */
void http_reply_end(struct http_exchange *x);

/* Gives a streamed reply up: the connection is closed without the last chunk (for
   HTTP/1.0 with RST), so that no client takes the part that it got for the whole.
   on_close comes. */
void http_reply_abort(struct http_exchange *x);

/* True where the request came by a listener that only this host reaches. */
bool http_is_local(const struct http_exchange *x);

/* True once http_reply() or http_reply_begin() was called. */
bool http_replied(const struct http_exchange *x);

/* A pointer of the handler's own, NULL at first. */
void **http_user(struct http_exchange *x);

/* The standard reason phrase of a status that offloop answers with. */
const char *http_reason(int status);

#endif
