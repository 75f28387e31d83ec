/*
 * A client from the inside: its jobs (client_jobs.c), its connection
 * (client_connection.c), and what programs call (client.c). One thread.
 */
#ifndef OFFLOOP_CLIENTS_C_CLIENT_INSIDE_H
#define OFFLOOP_CLIENTS_C_CLIENT_INSIDE_H

#include <stdbool.h>
#include <sys/un.h>

#include "clients/c/arena.h"
#include "clients/c/link.h"
#include "clients/c/offloop.h"
#include "common/base/clock.h"
#include "common/base/list.h"

struct codec;

#define MAX_JOBS 1024u
/* A daemon that is not there is looked for after so long, and then after twice that... */
#define RETRY_MIN_NS (50 * NS_PER_MS)
#define RETRY_MAX_NS (2 * NS_PER_S)

enum job_state {
    JOB_QUEUED, /* to be sent */
    JOB_SENT,   /* its answer is awaited */
    JOB_HERE    /* to be run here */
};

struct job {
    struct list link; /* in the list of its state */
    enum job_state state;
    uint64_t number;
    struct offloop_request request;
    void (*done)(void *user, const struct offloop_result *result);
    void *user;
    uint64_t ends_ns, half_ns;
    unsigned tries;
    uint64_t message; /* the number of that which it was sent in */
    size_t options_len;
    uint8_t options[]; /* as the message has them */
};

struct offloop {
    char path[sizeof((struct sockaddr_un *)NULL)->sun_path];
    char name[WIRE_MAX_APP_BYTES + 1];
    struct offloop_options options;
    struct codec *codec;
    struct link link;
    struct arena arena; /* of the connection */
    bool is_welcome;
    bool takes_arena; /* the daemon does */
    bool in_doubt;    /* an arena was passed, and no result has come since */
    bool no_arena;    /* a connection was lost like that: descriptors do not pass */
    bool is_leaving;  /* the daemon has said goodbye: nothing more is sent */
    bool is_absent;   /* the last attempt to connect has failed */
    uint64_t retry_ns, pause_ns;
    uint64_t sweep_ns;
    uint64_t max_jobs, max_bytes; /* as the daemon says */
    uint64_t messages;            /* put so far */
    unsigned generation;          /* of the descriptor */
    struct job *slots[MAX_JOBS];
    unsigned pending, next_slot;
    uint64_t serial;
    struct list queued, sent, here;
    unsigned sent_count;
    uint64_t sent_bytes;
    uint64_t *cancels; /* to be told */
    unsigned cancel_count, cancel_room;
    bool is_inside, is_over; /* inside offloop_process(); to be freed after it */
    struct wire_message message;
};

/* ---- client_jobs.c ---- */

/* Bytes of its input and argument. */
size_t job_payload_bytes(const struct job *job);

/* True where the job's payload, or some of it, is still to be sent. */
bool job_is_half_sent(const struct offloop *o, const struct job *job);

/* Its bytes may be freed from now on. */
void job_let_go(struct offloop *o, const struct job *job);

/* The first of a list; NULL for none. */
struct job *job_first(struct list *list);

/* An errno where this is no job, or one too many; 0. */
int job_check(const struct offloop *o, const struct offloop_request *request);

/* A job of the request, in no list and without a number. */
struct job *job_make(struct offloop *o, const struct offloop_request *request);

/* Gives it a number; it counts as pending then. */
void job_give_number(struct offloop *o, struct job *job);

/* The pending job of that number; NULL for none. */
struct job *job_find(const struct offloop *o, uint64_t number);

/* Puts it into the list of a state, from none or from another's. */
void job_enter(struct offloop *o, struct job *job, enum job_state state);
void job_move(struct offloop *o, struct job *job, enum job_state state);

/* Frees it without a word. */
void job_forget(struct offloop *o, struct job *job);

/* What a program that failed says of itself, as a string in `text`; NULL for nothing. */
const char *job_fault_text(unsigned status, struct slice said, struct buf *text);

/* Ends it with a result, or with none. The callback may do anything, also end all. */
void job_finish(struct offloop *o, struct job *job, struct offloop_result *result);
void job_end(struct offloop *o, struct job *job, enum offloop_outcome outcome);

/* True where jobs may run in this process. */
bool jobs_may_run_here(const struct offloop *o);

/* Runs those that are to run here, one at least, for about a millisecond. */
void jobs_run_here(struct offloop *o);

/* ---- client_connection.c ---- */

/* Connects where there is no connection and it is time to. */
void connection_try(struct offloop *o, uint64_t now_ns);

/* Reads what has come; the connection may be gone afterwards. */
void connection_read(struct offloop *o);

/* Sends what is to be sent, as far as the socket takes it; as above. */
void connection_send(struct offloop *o);

#endif
