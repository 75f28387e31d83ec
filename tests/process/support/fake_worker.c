/*
 * A worker that misbehaves as told, for tests of the server's side:
 *
 *     fake-worker URL MODE [N]
 *
 * It says hello at the --rpc URL, takes every seat it is given, and then does
 * what its mode says (the table below). N is the mode's number. It prints one
 * line "seated" once its first seat is connected, and runs until killed.
 */
#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <nng/protocol/reqrep0/req.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/codec/codec.h"
#include "proto/call_options.h"
#include "proto/frame.h"
#include "proto/wire.h"
#include "worker/memory/arena.h"
#include "worker/hello.h"
#include "worker/job.h"

/* NAME, text, default N */
#define FAKE_MODE_MAP(X)                                                                     \
    X(GOOD, "good", 0)                   /* answers everything */                            \
    X(CRASH, "crash", 0)                 /* aborts inside job N+1 */                         \
    X(HANG, "hang", 0)                   /* answers N jobs, takes the rest, is alive */      \
    X(BABBLE, "babble", 16)              /* answers jobs with N random bytes */              \
    X(TWICE, "twice", 0)                 /* answers every job twice */                       \
    X(WRONG_VERSION, "wrong-version", 2) /* its hello is of version N */                     \
    X(WRONG_ID, "wrong-id", 7)           /* answers with ids that are N too high */          \
    X(SHORT_PAYLOAD, "short-payload", 1) /* result lengths are N more than there is */       \
    X(LONG_PAYLOAD, "long-payload", 1)   /* N bytes follow the message */                    \
    X(SLOW, "slow", 100)                 /* N ms for each job */                             \
    X(SILENT, "silent", 0)       /* answers N jobs, then nothing, not even ALIVE */          \
    X(IMPOSTOR, "impostor", 0)   /* its seat hello names another worker */                   \
    X(MUTE, "mute", 0)           /* connects to its seat and never says hello */             \
    X(EXPIRE, "expire", 0)       /* says of every job that it came too late */               \
    X(VERDICT, "verdict", 3)     /* says N of every job, as no worker may */                 \
    X(OLD, "old", 31)            /* knows the flags of options that are in N */              \
    X(BYE, "bye", 1)             /* after N jobs it says goodbye, then answers               \
                                    what it has and exits when hung up on */                 \
    X(NO_CODING, "no-coding", 1) /* lacks codings and ids from job N+1 on */                 \
    X(SIZED, "sized", 100000)    /* jobs 1 and 2 give N bytes, all others none */            \
    X(ARENA, "arena", 0)         /* maps the arena and answers there */                      \
    X(ARENA_OFFSET, "arena-offset", 1)     /* N bytes behind the result's place */           \
    X(ARENA_LENGTH, "arena-length", 1)     /* N bytes longer than the place */               \
    X(ARENA_INPUT, "arena-input", 0)       /* says the result is where the input is */       \
    X(ARENA_UNMAPPED, "arena-unmapped", 0) /* answers in an arena it has not */              \
    X(ARENA_TWICE, "arena-twice", 0)       /* answers every job twice, there */              \
    X(ARENA_SCRIBBLE, "arena-scribble", 0) /* and writes all over it afterwards */           \
    X(ARENA_DIE, "arena-die", 0)           /* dies 0 when it is told of it, 1 once it is     \
                                              mapped, 2 inside a job, 3 before it answers */ \
    X(FAST, "fast", 0)                     /* takes the fast path and answers there */       \
    X(FAST_BABBLE, "fast-babble", 64)      /* answers with what is no frame */               \
    X(FAST_BAD, "fast-bad", 64)            /* with a frame of what is no message */          \
    X(FAST_EMPTY, "fast-empty", 0) /* with a frame of N bytes, which say nothing */          \
    X(FAST_LARGE, "fast-large", 1) /* with the head of a frame of N MiB */                   \
    X(FAST_ALIVE, "fast-alive", 0) /* with what belongs on the seat */                       \
    X(FAST_TWICE, "fast-twice", 0) /* answers every job twice */                             \
    X(FAST_WRONG_ID, "fast-wrong-id", 7) /* with ids that are N too high */                  \
    X(FAST_FLOOD, "fast-flood", 7)       /* and without end */                               \
    X(FAST_BYTEWISE, "fast-bytewise", 0) /* honestly, byte by byte */                        \
    X(FAST_HALF, "fast-half", 10)        /* with N bytes of the answer, and dies */          \
    X(FAST_CLOSE, "fast-close", 0)       /* hangs up there and keeps the seat */             \
    X(FAST_MUTE, "fast-mute", 0)         /* never reads there */

enum fake_mode {
#define X(name, text, n) FAKE_##name,
    FAKE_MODE_MAP(X)
#undef X
        FAKE_MODES
};

static const struct {
    const char *text;
    unsigned n;
} fake_modes[] = {
#define X(name, text, n) {text, n},
    FAKE_MODE_MAP(X)
#undef X
};

#define FAKE_MAX_SEATS 16

struct fake_seat {
    struct fake *fake;
    nng_socket socket;
    _Atomic bool is_up;  /* connected, and the hello is sent */
    struct arena *arena; /* NULL for none */
    uint64_t arena_bytes;
    int fast; /* the fast path; -1 for none */
    uint64_t incarnation;
    char url[WIRE_MAX_TEXT_BYTES + 1];
};

struct fake {
    enum fake_mode mode;
    unsigned n;
    struct wire_hello hello;
    struct codec *codec;
    pthread_mutex_t lock; /* over codec and answered */
    unsigned answered;    /* jobs */
    unsigned seat_count;
    struct fake_seat seats[FAKE_MAX_SEATS];
};

static void fake_check(int error, const char *what)
{
    if (error == 0)
        return;
    fprintf(stderr, "fake-worker: %s: %s\n", what, nng_strerror(error));
    exit(1);
}

static void fake_send(nng_socket socket, const struct buf *bytes)
{
    /* a peer that is gone is no news here */
    (void)nng_send(socket, bytes->data, bytes->len, 0);
}

static bool fake_is_alive(const struct fake *fake)
{
    return !(fake->mode == FAKE_SILENT && fake->answered >= fake->n) &&
           fake->mode != FAKE_MUTE;
}

static void fake_send_alive(struct fake_seat *seat, uint64_t token)
{
    struct wire_alive alive = {token, 0, 0};
    struct buf out = BUF_INIT;

    wire_put_alive(&out, &alive);
    fake_send(seat->socket, &out);
    buf_free(&out);
}

static bool fake_wants_arena(const struct fake *fake)
{
    return fake->mode >= FAKE_ARENA && fake->mode != FAKE_ARENA_UNMAPPED;
}

static void *fake_serve_fast(void *arg);

static void fake_take_fast(struct fake_seat *seat)
{
    pthread_t thread;

    if (seat->fast < 0)
        return;
    if (seat->fake->mode == FAKE_FAST_CLOSE)
        close(seat->fast);
    else if (seat->fake->mode != FAKE_FAST_MUTE)
        fake_check(pthread_create(&thread, NULL, fake_serve_fast, seat), "thread");
}

static void fake_take_arena(struct fake_seat *seat,
                            const struct wire_seat_welcome *welcome)
{
    const struct arena_front front = {seat->url, true};
    const struct fake *fake = seat->fake;
    const char *why;

    if (!welcome->has_arena || !fake_wants_arena(fake))
        return;
    if (fake->mode == FAKE_ARENA_DIE && fake->n == 0)
        abort();
    seat->arena_bytes = welcome->arena_bytes;
    seat->arena =
        arena_fetch(&front, welcome, fake->mode >= FAKE_FAST ? &seat->fast : NULL, &why);
    if (!seat->arena && seat->fast < 0)
        fprintf(stderr, "fake-worker: no arena: %s\n", why);
    fake_take_fast(seat);
    if (fake->mode == FAKE_ARENA_DIE && fake->n == 1)
        abort();
}

/* Moves a result into the arena, or says so. */
static void fake_place_result(struct fake_seat *seat, const struct wire_job *job,
                              struct buf *payloads, struct wire_result *result)
{
    const struct fake *fake = seat->fake;
    struct wire_payload *payload = &result->payload;
    size_t len = payload->bytes.len;

    if (!(job->has_reply_space && len <= job->reply_bytes && len > 0) &&
        fake->mode != FAKE_ARENA_UNMAPPED)
        return;
    payloads->len -= len;
    if (seat->arena)
        memcpy(arena_data(seat->arena) + job->reply_offset,
               payloads->data + payloads->len, len);
    payload->in_arena = true;
    payload->offset = job->reply_offset;
    if (fake->mode == FAKE_ARENA_OFFSET)
        payload->offset += job->reply_bytes - len + fake->n;
    if (fake->mode == FAKE_ARENA_LENGTH)
        payload->bytes.len = (size_t)job->reply_bytes + fake->n;
    if (fake->mode == FAKE_ARENA_INPUT)
        payload->offset = job->payload.offset;
    if (fake->mode == FAKE_ARENA_DIE && fake->n == 3)
        abort();
}

/* True for a job whose options, an array whose first item are the flags, have one that
   the worker does not know. */
static bool fake_is_newer(const struct fake *fake, const struct wire_job *job)
{
    return job->options.len > 1 && (job->options.data[1] & ~fake->n) != 0;
}

/* True where the job asks for what old workers do not know. */
static bool fake_is_new(const struct wire_job *job)
{
    struct codec_call call = {.in = job->payload.bytes};

    return call_options_read(job->options, &call) == 0 &&
           (call.coding != CODING_NONE || call.ids);
}

/* Puts digits in the place of a result, as many as told. */
static void fake_resize(size_t len, struct buf *payloads, struct wire_result *result)
{
    payloads->len -= result->payload.bytes.len;
    memset(buf_reserve(payloads, len + 1), '1', len);
    payloads->len += len;
    result->payload.bytes.len = len;
    result->status = CODEC_OK;
}

/* One job's result, honest but for the mode; its bytes go to payloads. */
static void fake_do_job(struct fake_seat *seat, struct wire_job *job,
                        struct buf *payloads, struct wire_result *result_r)
{
    struct fake *fake = seat->fake;

    if (job->payload.in_arena)
        job->payload.bytes.data = arena_data(seat->arena) + job->payload.offset;
    job->payload.in_arena = false;
    if (fake->mode == FAKE_ARENA_DIE && fake->n == 2)
        abort();
    if (fake->mode == FAKE_CRASH && fake->answered >= fake->n)
        abort();
    if (fake->mode == FAKE_SLOW)
        usleep(fake->n * 1000);
    if (fake->mode == FAKE_OLD && fake_is_newer(fake, job))
        job->op = CODEC_OPS; /* as little known */
    if (fake->mode == FAKE_EXPIRE)
        job_skip(job, WIRE_EXPIRED, result_r);
    else if (fake->mode == FAKE_VERDICT)
        *result_r =
            (struct wire_result){.id = job->id, .verdict = (enum wire_verdict)fake->n};
    else
        job_run(fake->codec, job, 1 << 30, 0, payloads, result_r);
    if (fake->mode == FAKE_NO_CODING && fake->answered >= fake->n && fake_is_new(job)) {
        fake_resize(0, payloads, result_r);
        result_r->status = CODEC_UNSUPPORTED;
    }
    if (fake->mode == FAKE_SIZED)
        fake_resize(fake->answered < 2 ? fake->n : 0, payloads, result_r);
    if (fake->mode == FAKE_WRONG_ID || fake->mode == FAKE_FAST_WRONG_ID ||
        fake->mode == FAKE_FAST_FLOOD)
        result_r->id += fake->n;
    if (fake->mode == FAKE_SHORT_PAYLOAD)
        result_r->payload.bytes.len += fake->n;
    if (fake->mode >= FAKE_ARENA)
        fake_place_result(seat, job, payloads, result_r);
    fake->answered++;
}

/* True where the mode has stopped answering. */
static bool fake_has_stopped(const struct fake *fake)
{
    return (fake->mode == FAKE_HANG || fake->mode == FAKE_SILENT) &&
           fake->answered >= fake->n;
}

/* A frame as the mode has it. */
static void fake_put_frame(const struct fake *fake, struct slice message, struct buf *out)
{
    uint64_t bytes = message.len;

    if (fake->mode == FAKE_FAST_BABBLE)
        buf_append_str(out, "babble");
    if (fake->mode == FAKE_FAST_LARGE)
        bytes = (uint64_t)fake->n << 20;
    if (fake->mode == FAKE_FAST_EMPTY)
        bytes = message.len = fake->n;
    frame_put_head(buf_reserve(out, FRAME_HEAD_BYTES), bytes);
    out->len += FRAME_HEAD_BYTES;
    buf_append(out, message.data, message.len);
    if (fake->mode == FAKE_FAST_BAD)
        memset(out->data + FRAME_HEAD_BYTES, 'x', message.len);
    if (fake->mode == FAKE_FAST_HALF && out->len > fake->n)
        out->len = fake->n;
}

/* Sends until the front hangs up, where the mode wants that. */
static void fake_send_fast(struct fake_seat *seat, struct slice message)
{
    const struct fake *fake = seat->fake;
    size_t step = fake->mode == FAKE_FAST_BYTEWISE ? 1 : SIZE_MAX;
    struct buf out = BUF_INIT;
    ssize_t sent = 0;

    fake_put_frame(fake, message, &out);
    do
        for (size_t at = 0; at < out.len && sent >= 0; at += (size_t)sent)
            sent = send(seat->fast, out.data + at,
                        out.len - at < step ? out.len - at : step, MSG_NOSIGNAL);
    while (fake->mode == FAKE_FAST_FLOOD && sent >= 0);
    if (fake->mode == FAKE_FAST_HALF)
        abort();
    buf_free(&out);
}

/* By the way that jobs come once there is a fast path. */
static void fake_send_answer(struct fake_seat *seat, const struct buf *out)
{
    if (seat->fast >= 0)
        fake_send_fast(seat, buf_slice(out));
    else
        fake_send(seat->socket, out);
}

static void fake_send_results(struct fake_seat *seat, const struct wire_result *results,
                              unsigned count, const struct buf *payloads)
{
    struct fake *fake = seat->fake;
    struct buf out = BUF_INIT;

    wire_put_results(&out, results, count);
    buf_append(&out, payloads->data, payloads->len);
    if (fake->mode == FAKE_LONG_PAYLOAD)
        memset(buf_reserve(&out, fake->n), 'x', fake->n), out.len += fake->n;
    if (fake->mode == FAKE_BABBLE) {
        out.len = 0;
        if (getrandom(buf_reserve(&out, fake->n), fake->n, 0) == (ssize_t)fake->n)
            out.len = fake->n;
    }
    if (fake->mode == FAKE_FAST_ALIVE) {
        out.len = 0;
        wire_put_alive(&out, &(struct wire_alive){0, 0, 0});
    }
    fake_send_answer(seat, &out);
    if (fake->mode == FAKE_TWICE || fake->mode == FAKE_ARENA_TWICE ||
        fake->mode == FAKE_FAST_TWICE)
        fake_send_answer(seat, &out);
    buf_free(&out);
    for (unsigned i = 0; fake->mode == FAKE_ARENA_SCRIBBLE && seat->arena && i < 100; i++)
        memset(arena_data(seat->arena), (int)i, seat->arena_bytes);
}

static void fake_do_jobs(struct fake_seat *seat, struct wire_jobs *jobs)
{
    struct fake *fake = seat->fake;
    struct wire_result results[WIRE_MAX_BATCH];
    struct buf payloads = BUF_INIT;
    unsigned count = 0;
    bool is_leaving;

    pthread_mutex_lock(&fake->lock);
    while (count < jobs->count && !fake_has_stopped(fake)) {
        fake_do_job(seat, &jobs->jobs[count], &payloads, &results[count]);
        count++;
    }
    is_leaving = fake->mode == FAKE_BYE && fake->answered >= fake->n;
    pthread_mutex_unlock(&fake->lock);
    if (is_leaving) {
        struct buf bye = BUF_INIT;

        wire_put_bye(&bye, WIRE_BYE_RETIRE);
        fake_send(seat->socket, &bye);
        buf_free(&bye);
    }
    if (count)
        fake_send_results(seat, results, count, &payloads);
    buf_free(&payloads);
}

static void fake_take_message(struct fake_seat *seat, struct slice bytes)
{
    static _Thread_local struct wire_message message;
    const char *why;

    if (wire_decode(bytes, &message, &why) != WIRE_OK) {
        fprintf(stderr, "fake-worker: the front sent a bad message: %s\n", why);
        exit(1);
    }
    if (message.type == WIRE_JOBS)
        fake_do_jobs(seat, &message.jobs);
    else if (message.type == WIRE_PING && fake_is_alive(seat->fake))
        fake_send_alive(seat, message.ping_token);
    else if (message.type == WIRE_SEAT_WELCOME)
        fake_take_arena(seat, &message.seat_welcome);
}

static void *fake_serve_fast(void *arg)
{
    struct fake_seat *seat = arg;
    struct frame_reader reader;
    struct slice message;
    ssize_t got;

    frame_reader_init(&reader, WIRE_MAX_FAST_BYTES);
    do {
        size_t room;
        uint8_t *space = frame_reader_space(&reader, &room);

        got = recv(seat->fast, space, room, 0);
        if (got > 0)
            frame_reader_add(&reader, (size_t)got);
        while (frame_reader_next(&reader, &message) == FRAME_MESSAGE)
            fake_take_message(seat, message);
    } while (got > 0);
    frame_reader_free(&reader);
    return NULL;
}

static void *fake_serve_seat(void *arg)
{
    struct fake_seat *seat = arg;

    while (true) {
        void *data;
        size_t len;

        if (nng_recv(seat->socket, &data, &len, NNG_FLAG_ALLOC) != 0)
            return NULL;
        fake_take_message(seat, (struct slice){data, len});
        nng_free(data, len);
    }
}

/* nng: connected; the hello is the first message. */
static void fake_on_pipe_up(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct fake_seat *seat = arg;
    struct wire_seat_hello hello = {seat->fake->hello.worker, seat->incarnation};
    struct buf out = BUF_INIT;

    (void)pipe;
    (void)event;
    if (seat->fake->mode == FAKE_MUTE)
        return;
    if (seat->fake->mode == FAKE_IMPOSTOR)
        hello.worker.bytes[0] ^= 1;
    wire_put_seat_hello(&out, &hello);
    (void)nng_send(seat->socket, out.data, out.len, NNG_FLAG_NONBLOCK);
    buf_free(&out);
    seat->is_up = true;
    puts("seated");
    fflush(stdout);
}

/* nng: a worker that said goodbye leaves when it is hung up on. */
static void fake_on_pipe_down(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct fake_seat *seat = arg;

    (void)pipe;
    (void)event;
    seat->is_up = false;
    if (seat->fake->mode == FAKE_BYE && seat->fake->answered >= seat->fake->n)
        _exit(0);
}

static void fake_take_seat(struct fake *fake, const struct wire_seat *told)
{
    struct fake_seat *seat = &fake->seats[fake->seat_count];
    pthread_t thread;

    for (unsigned i = 0; i < fake->seat_count; i++)
        if (fake->seats[i].incarnation == told->incarnation &&
            strlen(fake->seats[i].url) == told->url.len &&
            memcmp(fake->seats[i].url, told->url.data, told->url.len) == 0)
            return;
    if (fake->seat_count == FAKE_MAX_SEATS)
        return;
    fake->seat_count++;
    seat->fake = fake;
    seat->fast = -1;
    seat->incarnation = told->incarnation;
    memcpy(seat->url, told->url.data, told->url.len);
    fake_check(nng_pair0_open(&seat->socket), "pair0");
    nng_socket_set_size(seat->socket, NNG_OPT_RECVMAXSZ, WIRE_MAX_MESSAGE_BYTES);
    nng_socket_set_int(seat->socket, NNG_OPT_SENDBUF, 4);
    nng_pipe_notify(seat->socket, NNG_PIPE_EV_ADD_POST, fake_on_pipe_up, seat);
    nng_pipe_notify(seat->socket, NNG_PIPE_EV_REM_POST, fake_on_pipe_down, seat);
    fake_check(nng_dial(seat->socket, seat->url, NULL, NNG_FLAG_NONBLOCK), "dial");
    fake_check(pthread_create(&thread, NULL, fake_serve_seat, seat), "thread");
}

/* Says hello and waits for the answer; takes the seats it names. */
static void fake_ask_gate(struct fake *fake, nng_socket gate)
{
    static struct wire_message answer;
    struct buf out = BUF_INIT;
    void *data;
    size_t len;
    const char *why = "an answer that is none";

    wire_put_hello(&out, &fake->hello);
    if (fake->mode == FAKE_WRONG_VERSION)
        out.data[1] = (uint8_t)fake->n;
    fake_send(gate, &out);
    buf_free(&out);
    if (nng_recv(gate, &data, &len, NNG_FLAG_ALLOC) != 0)
        return;
    if (wire_decode((struct slice){data, len}, &answer, &why) != WIRE_OK) {
        fprintf(stderr, "fake-worker: the gate sent a bad message: %s\n", why);
        exit(1);
    }
    if (answer.type == WIRE_REFUSED)
        printf("refused %.*s\n", (int)answer.refused.text.len,
               (const char *)answer.refused.text.data);
    fflush(stdout);
    for (unsigned i = 0; answer.type == WIRE_WELCOME && i < answer.welcome.seat_count;
         i++)
        fake_take_seat(fake, &answer.welcome.seats[i]);
    nng_free(data, len);
}

static void fake_run(struct fake *fake, const char *url)
{
    nng_socket gate;

    fake_check(nng_req0_open(&gate), "req0");
    nng_socket_set_ms(gate, NNG_OPT_RECVTIMEO, 2 * WIRE_HELLO_EVERY_MS);
    nng_socket_set_ms(gate, NNG_OPT_SENDTIMEO, 2 * WIRE_HELLO_EVERY_MS);
    fake_check(nng_dial(gate, url, NULL, NNG_FLAG_NONBLOCK), url);
    while (true) {
        fake_ask_gate(fake, gate);
        for (unsigned i = 0; fake_is_alive(fake) && i < fake->seat_count; i++) {
            struct wire_alive alive = {0, 0, 0};
            struct buf out = BUF_INIT;

            if (!fake->seats[i].is_up)
                continue; /* it would wait in nng and go out before the hello */
            wire_put_alive(&out, &alive);
            (void)nng_send(fake->seats[i].socket, out.data, out.len, NNG_FLAG_NONBLOCK);
            buf_free(&out);
        }
        usleep(WIRE_HELLO_EVERY_MS * 1000);
    }
}

int main(int argc, char **argv)
{
    static struct fake fake;
    unsigned mode = 0;

    while (argc >= 3 && mode < FAKE_MODES && strcmp(argv[2], fake_modes[mode].text) != 0)
        mode++;
    if (argc < 3 || mode == FAKE_MODES) {
        fprintf(stderr, "usage: fake-worker URL MODE [N]; modes:");
        for (mode = 0; mode < FAKE_MODES; mode++)
            fprintf(stderr, " %s", fake_modes[mode].text);
        fputc('\n', stderr);
        return 2;
    }
    fake.mode = (enum fake_mode)mode;
    fake.n = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : fake_modes[mode].n;
    pthread_mutex_init(&fake.lock, NULL);
    fake.codec = codec_create("yajl");
    hello_init(&fake.hello, "yajl");
    if (!fake.codec)
        return 1;
    fake_run(&fake, argv[1]);
}
