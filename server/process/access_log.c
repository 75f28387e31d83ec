#include "server/process/access_log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/log.h"

/* More bytes than this do not wait for the disk: lines are dropped. */
#define PENDING_MAX_BYTES (4u << 20)

/* The longest piece of a request that is logged. */
#define FIELD_MAX_BYTES 1024

struct access_log {
    int fd;
    bool owns_fd;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;
    struct buf pending;
    uint64_t dropped;
    bool ending;
    struct buf line; /* the loop thread prints into it */
    time_t stamp_second;
    char stamp[40];
};

static void write_all(int fd, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.data, bytes.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            log_warn("access log: %s: %zu bytes lost", strerror(errno), bytes.len);
            return;
        }
        bytes.data += n;
        bytes.len -= (size_t)n;
    }
}

/* Waits for lines, takes them and writes them; false at the end. */
static bool write_pending(struct access_log *log)
{
    struct buf taken;
    uint64_t dropped;
    bool ending;

    pthread_mutex_lock(&log->lock);
    while (log->pending.len == 0 && !log->ending)
        pthread_cond_wait(&log->wake, &log->lock);
    taken = log->pending;
    log->pending = (struct buf)BUF_INIT;
    dropped = log->dropped;
    log->dropped = 0;
    ending = log->ending;
    pthread_mutex_unlock(&log->lock);
    write_all(log->fd, buf_slice(&taken));
    if (dropped > 0)
        log_warn("access log: the disk is slow: %llu lines dropped",
                 (unsigned long long)dropped);
    buf_free(&taken);
    return !ending;
}

static void *run(void *context)
{
    while (write_pending(context)) {
    }
    return NULL;
}

static int start_thread(struct access_log *log)
{
    sigset_t all, old;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    error = pthread_create(&log->thread, NULL, run, log);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return error;
}

struct access_log *access_log_create(const char *path)
{
    bool is_stdout = strcmp(path, "-") == 0;
    int fd = is_stdout ? STDOUT_FILENO
                       : open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    struct access_log *log;

    if (fd < 0)
        return NULL;
    log = mem_zalloc(sizeof *log);
    log->fd = fd;
    log->owns_fd = !is_stdout;
    pthread_mutex_init(&log->lock, NULL);
    pthread_cond_init(&log->wake, NULL);
    errno = start_thread(log);
    if (errno != 0)
        log_fatal("cannot start the access log's thread: %s", strerror(errno));
    return log;
}

void access_log_destroy(struct access_log **log)
{
    struct access_log *l = *log;

    *log = NULL;
    if (l == NULL)
        return;
    pthread_mutex_lock(&l->lock);
    l->ending = true;
    pthread_cond_signal(&l->wake);
    pthread_mutex_unlock(&l->lock);
    pthread_join(l->thread, NULL);
    assert(l->pending.len == 0);
    pthread_cond_destroy(&l->wake);
    pthread_mutex_destroy(&l->lock);
    if (l->owns_fd)
        close(l->fd);
    buf_free(&l->line);
    mem_free(l);
}

/* Appends text of a client so that it cannot end its quotes or its line. */
static void put_escaped(struct buf *line, struct slice text)
{
    if (text.len == 0)
        buf_append_str(line, "-");
    for (size_t i = 0; i < text.len && i < FIELD_MAX_BYTES; i++) {
        uint8_t c = text.data[i];

        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
            buf_printf(line, "\\x%02x", c);
        else
            buf_append(line, &c, 1);
    }
}

static const char *stamp_now(struct access_log *log)
{
    time_t now = time(NULL);
    struct tm tm;

    if (now != log->stamp_second) {
        gmtime_r(&now, &tm);
        strftime(log->stamp, sizeof log->stamp, "[%d/%b/%Y:%H:%M:%S +0000]", &tm);
        log->stamp_second = now;
    }
    return log->stamp;
}

static void print_line(struct access_log *log, const struct api_event *event)
{
    const struct http_request *request = http_request(event->x);
    struct buf *line = &log->line;

    line->len = 0;
    buf_printf(line, "%s - - %s \"", http_peer(event->x), stamp_now(log));
    put_escaped(line, request->method_text);
    buf_append_str(line, " ");
    put_escaped(line, request->target);
    buf_printf(line, " HTTP/1.%d\" %d %llu \"", request->minor,
               event->status ? event->status : 499,
               (unsigned long long)event->sent_bytes);
    put_escaped(line, http_header(event->x, "referer"));
    buf_append_str(line, "\" \"");
    put_escaped(line, http_header(event->x, "user-agent"));
    buf_printf(line, "\" %s %llu %llu\n",
               event->ran_job ? jobs_mode_name(event->mode) : "-",
               (unsigned long long)event->codec_us, (unsigned long long)event->queue_us);
}

static void print_refused(struct access_log *log, const struct http_refusal *refusal)
{
    struct buf *line = &log->line;

    line->len = 0;
    buf_printf(line, "%s - - %s \"", refusal->peer, stamp_now(log));
    put_escaped(line, refusal->line);
    buf_printf(line, "\" %d %llu \"", refusal->status,
               (unsigned long long)refusal->sent_bytes);
    put_escaped(line, refusal->referer);
    buf_append_str(line, "\" \"");
    put_escaped(line, refusal->user_agent);
    buf_append_str(line, "\" - 0 0\n");
}

/* Hands the line that was printed to the thread. */
static void give_line(struct access_log *log)
{
    bool was_empty;

    pthread_mutex_lock(&log->lock);
    was_empty = log->pending.len == 0;
    if (log->pending.len + log->line.len > PENDING_MAX_BYTES)
        log->dropped++;
    else
        buf_append(&log->pending, log->line.data, log->line.len);
    if (was_empty)
        pthread_cond_signal(&log->wake);
    pthread_mutex_unlock(&log->lock);
}

void access_log_put(struct access_log *log, const struct api_event *event)
{
    print_line(log, event);
    give_line(log);
}

void access_log_put_refused(struct access_log *log, const struct http_refusal *refusal)
{
    print_refused(log, refusal);
    give_line(log);
}
