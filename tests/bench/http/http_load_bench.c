/*
 * A load of HTTP reads that costs its machine little: one thread, one poll, large
 * receives. Closed loop (every connection asks again when it has been answered) or open
 * loop (requests are due at fixed times, whatever the server does, and a request's time
 * counts from the moment at which it was due).
 *
 *     http_load_bench PORT [-c CONNECTIONS] [-n REQUESTS] [-t SECONDS] [-r RATE]
 *                     [-g SECONDS] [-H HEADER]... [-a] <TARGETS
 *
 * TARGETS are lines of a path and, after a space, a file that the body of a 200 has to
 * equal; they are asked for in turn. -r makes the loop open; -g is how long answers are
 * waited for after the last request (10 s): those that are missing then hang. Prints one
 * line of JSON; with -a it has the time of each good reply. Needs nothing but libc, so
 * that scripts may compile it by themselves.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S     1000000000u
#define NS_PER_US    1000u
#define HEAD_MAX     8192
#define REQUEST_MAX  2048
#define RECEIVE_MAX  (512 * 1024)
#define STATUSES     600
#define EVENTS       256
#define CONNECTED_NS 100000000u /* until the server has accepted them, too */

struct target {
    char request[REQUEST_MAX];
    size_t request_len;
    const char *body; /* what a 200 has to carry; NULL for anything */
    size_t body_len;
};

struct connection {
    int fd; /* -1 for none */
    struct connection *next_idle;
    bool busy; /* a request is under way */
    const struct target *target;
    uint64_t due_ns, sent_ns;
    size_t written;
    char head[HEAD_MAX];
    size_t head_len;
    bool has_head, close, wrong;
    unsigned status;
    uint64_t body_len, body_at;
};

/* Times in microseconds, and when they were due counts. */
struct times {
    uint32_t *us;
    size_t count, room;
};

static struct load {
    int port, poll;
    unsigned connections;
    uint64_t requests, seconds_ns, grace_ns;
    double rate; /* 0 for a closed loop */
    bool all_times;
    char headers[REQUEST_MAX / 2];
    struct target *targets;
    size_t target_count;
    struct connection *all, *idle_first, *idle_last;
    uint64_t start_ns, end_ns, last_ns; /* begin, end of sending, last answer */
    uint64_t sent, answered, lost, wrong, ok_in_time;
    uint64_t statuses[STATUSES];
    struct times ok, ok_sent,
        other; /* 2xx since due and since sent; all else since sent */
} load;

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "http_load_bench: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *grown(void *memory, size_t bytes)
{
    memory = realloc(memory, bytes);
    if (memory == NULL)
        die("memory");
    return memory;
}

static void times_add(struct times *times, uint64_t ns)
{
    if (times->count == times->room) {
        times->room = times->room ? 2 * times->room : 4096;
        times->us = grown(times->us, times->room * sizeof *times->us);
    }
    times->us[times->count++] = (uint32_t)(ns / NS_PER_US);
}

/* ---- connections ---- */

static void idle_push(struct connection *connection)
{
    connection->busy = false;
    connection->next_idle = NULL;
    if (load.idle_first == NULL)
        load.idle_first = connection;
    else
        load.idle_last->next_idle = connection;
    load.idle_last = connection;
}

static void hang_up(struct connection *connection)
{
    if (connection->fd >= 0)
        close(connection->fd);
    connection->fd = -1;
}

static void connect_it(struct connection *connection)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)load.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET,
                                .data.ptr = connection};
    int on = 1;

    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0)
        die("socket");
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(connection->fd, (struct sockaddr *)&to, sizeof to) != 0)
        die("connect"); /* on the loopback that takes no time */
    if (fcntl(connection->fd, F_SETFL, O_NONBLOCK) != 0)
        die("fcntl");
    if (epoll_ctl(load.poll, EPOLL_CTL_ADD, connection->fd, &event) != 0)
        die("epoll_ctl");
}

/* The request under way is lost, and so is its connection. */
static void lose(struct connection *connection)
{
    hang_up(connection);
    if (!connection->busy)
        return;
    load.lost++;
    load.last_ns = now_ns();
    idle_push(connection);
}

static void send_rest(struct connection *connection)
{
    const struct target *target = connection->target;

    while (connection->busy && connection->written < target->request_len) {
        ssize_t n = send(connection->fd, target->request + connection->written,
                         target->request_len - connection->written, MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN)
            return; /* the poll says when */
        if (n < 0)
            lose(connection);
        else
            connection->written += (size_t)n;
    }
}

static void ask(uint64_t due_ns)
{
    struct connection *connection = load.idle_first;

    load.idle_first = connection->next_idle;
    connection->busy = true;
    connection->target = &load.targets[load.sent % load.target_count];
    connection->due_ns = due_ns;
    connection->sent_ns = now_ns();
    connection->written = connection->head_len = 0;
    connection->has_head = connection->close = connection->wrong = false;
    connection->body_at = connection->body_len = 0;
    load.sent++;
    if (connection->fd < 0)
        connect_it(connection);
    send_rest(connection);
}

/* ---- replies ---- */

static void answered(struct connection *connection)
{
    uint64_t now = now_ns(), sent_ns = now - connection->sent_ns;
    bool ok = connection->status >= 200 && connection->status < 300;

    load.answered++;
    load.last_ns = now;
    load.statuses[connection->status]++;
    load.wrong += connection->wrong;
    if (ok) {
        load.ok_in_time += now <= load.end_ns;
        times_add(&load.ok, now - connection->due_ns);
        times_add(&load.ok_sent, sent_ns);
    } else {
        times_add(&load.other, sent_ns);
    }
    if (connection->close)
        hang_up(connection);
    idle_push(connection);
}

/* Reads the head that is complete; false where it is none. */
static bool read_head(struct connection *connection)
{
    const char *length = NULL;

    connection->head[connection->head_len - 1] = '\0';
    if (sscanf(connection->head, "HTTP/1.%*1[01] %3u", &connection->status) != 1 ||
        connection->status < 100 || connection->status >= STATUSES)
        return false;
    for (char *line = strstr(connection->head, "\r\n"); line != NULL;
         line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, "Content-Length:", 15) == 0)
            length = line + 17;
        if (strncasecmp(line + 2, "Connection: close", 17) == 0)
            connection->close = true;
    }
    connection->body_len = length ? strtoull(length, NULL, 10) : 0;
    connection->has_head = true;
    return length != NULL;
}

static void check_body(struct connection *connection, const char *data, size_t len)
{
    const struct target *target = connection->target;

    if (connection->status != 200 || target->body == NULL || connection->wrong)
        return;
    connection->wrong = connection->body_len != target->body_len ||
                        memcmp(target->body + connection->body_at, data, len) != 0;
}

/* Takes what came; false where it is no reply to what was asked. */
static bool take(struct connection *connection, const char *data, size_t len)
{
    while (!connection->has_head && len > 0 && connection->head_len < HEAD_MAX) {
        connection->head[connection->head_len++] = *data++;
        len--;
        if (connection->head_len >= 4 &&
            memcmp(connection->head + connection->head_len - 4, "\r\n\r\n", 4) == 0 &&
            !read_head(connection))
            return false;
    }
    if (!connection->has_head)
        return connection->head_len < HEAD_MAX;
    if (len > connection->body_len - connection->body_at)
        return false;
    check_body(connection, data, len);
    connection->body_at += len;
    if (connection->body_at == connection->body_len)
        answered(connection);
    return true;
}

static void receive(struct connection *connection)
{
    static char buffer[RECEIVE_MAX];

    while (connection->fd >= 0) {
        ssize_t n = recv(connection->fd, buffer, sizeof buffer, 0);

        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0 || !connection->busy || !take(connection, buffer, (size_t)n)) {
            lose(connection);
            return;
        }
        if ((size_t)n < sizeof buffer && !connection->busy)
            return; /* its reply is whole */
    }
}

/* ---- the loop ---- */

/* When the next request is due. */
static uint64_t next_due(void)
{
    return load.start_ns + (uint64_t)((double)load.sent / load.rate * NS_PER_S);
}

static bool may_ask(uint64_t now)
{
    return load.sent < load.requests && now < load.end_ns;
}

static void ask_more(void)
{
    uint64_t now = now_ns();

    while (load.idle_first != NULL && may_ask(now)) {
        uint64_t due_ns = load.rate > 0 ? next_due() : now;

        if (due_ns > now)
            return;
        ask(due_ns);
    }
}

/* How long to wait for news, until `end_ns` at most. */
static struct timespec pause_until(uint64_t end_ns)
{
    uint64_t now = now_ns(), ns;

    if (may_ask(now) && load.rate > 0 && load.idle_first != NULL && next_due() < end_ns)
        end_ns = next_due();
    ns = end_ns > now ? end_ns - now : 0;
    return (struct timespec){(time_t)(ns / NS_PER_S), (long)(ns % NS_PER_S)};
}

static void poll_once(uint64_t end_ns)
{
    struct epoll_event events[EVENTS];
    struct timespec pause = pause_until(end_ns);
    int count = epoll_pwait2(load.poll, events, EVENTS, &pause, NULL);

    for (int i = 0; i < count; i++) {
        struct connection *connection = events[i].data.ptr;

        if (connection->fd >= 0 && (events[i].events & EPOLLOUT))
            send_rest(connection);
        if (connection->fd >= 0 && (events[i].events & ~(uint32_t)EPOLLOUT))
            receive(connection);
    }
}

static void run(void)
{
    uint64_t now;

    /* With a rate, what counts is the replies: all are connected before. */
    for (unsigned i = 0; load.rate > 0 && i < load.connections; i++)
        connect_it(&load.all[i]);
    load.start_ns = load.last_ns = now_ns() + (load.rate > 0 ? CONNECTED_NS : 0);
    load.end_ns = load.start_ns + load.seconds_ns;
    do {
        ask_more();
        now = now_ns();
        poll_once(may_ask(now) ? load.end_ns : now + load.grace_ns);
        now = now_ns();
        if (!may_ask(now) && now < load.end_ns)
            load.end_ns = now; /* all are sent: what comes now is within the grace */
    } while (may_ask(now) || (load.answered + load.lost < load.sent &&
                              now < load.end_ns + load.grace_ns));
}

/* ---- in and out ---- */

static void read_body(struct target *target, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat about;

    if (fd < 0 || fstat(fd, &about) != 0)
        die(path);
    target->body_len = (size_t)about.st_size;
    target->body = mmap(NULL, target->body_len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (target->body == MAP_FAILED)
        die(path);
    close(fd);
}

static void read_targets(void)
{
    char line[REQUEST_MAX / 2];

    while (fgets(line, sizeof line, stdin) != NULL) {
        struct target *target;
        char *file;

        line[strcspn(line, "\n")] = '\0';
        if ((file = strchr(line, ' ')) != NULL)
            *file++ = '\0';
        load.targets =
            grown(load.targets, (load.target_count + 1) * sizeof *load.targets);
        target = &load.targets[load.target_count++];
        memset(target, 0, sizeof *target);
        target->request_len =
            (size_t)snprintf(target->request, sizeof target->request,
                             "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n", line,
                             load.port, load.headers);
        if (target->request_len >= sizeof target->request)
            die("a target that is too long");
        if (file != NULL)
            read_body(target, file);
    }
    if (load.target_count == 0)
        die("no targets");
}

static void read_option(int option, const char *value)
{
    size_t len = strlen(load.headers);

    switch (option) {
    case 'c': load.connections = (unsigned)strtoul(value, NULL, 10); break;
    case 'n': load.requests = strtoull(value, NULL, 10); break;
    case 't': load.seconds_ns = (uint64_t)(strtod(value, NULL) * NS_PER_S); break;
    case 'g': load.grace_ns = (uint64_t)(strtod(value, NULL) * NS_PER_S); break;
    case 'a': load.all_times = true; break;
    case 'r': load.rate = strtod(value, NULL); break;
    case 'H':
        snprintf(load.headers + len, sizeof load.headers - len, "%s\r\n", value);
        break;
    default: errno = EINVAL; die("usage: see the head of its source");
    }
}

static void read_options(int argc, char **argv)
{
    int option;

    load.connections = 1;
    load.requests = UINT64_MAX;
    load.seconds_ns = 10 * (uint64_t)NS_PER_S;
    load.grace_ns = 10 * (uint64_t)NS_PER_S;
    while ((option = getopt(argc, argv, "ac:n:t:r:g:H:")) != -1)
        read_option(option, optarg);
    if (optind + 1 != argc || load.connections == 0)
        read_option('?', NULL);
    load.port = atoi(argv[optind]);
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static uint32_t quantile(const struct times *times, double q)
{
    size_t at = (size_t)((double)times->count * q);

    if (times->count == 0)
        return 0;
    return times->us[at < times->count ? at : times->count - 1];
}

static void print_times(const char *name, struct times *times)
{
    if (times->count > 0)
        qsort(times->us, times->count, sizeof *times->us, by_size);
    printf(",\"%s\":{\"count\":%zu,\"p50_us\":%u,\"p90_us\":%u,\"p99_us\":%u,"
           "\"p999_us\":%u,\"max_us\":%u}",
           name, times->count, quantile(times, 0.5), quantile(times, 0.9),
           quantile(times, 0.99), quantile(times, 0.999), quantile(times, 1));
}

static double cpu_us(const struct timeval *time)
{
    return (double)time->tv_sec * 1e6 + (double)time->tv_usec;
}

static void print_all(void)
{
    double seconds = (double)(load.last_ns - load.start_ns) / NS_PER_S;
    double window = (double)(load.end_ns - load.start_ns) / NS_PER_S;
    const char *comma = "";
    struct rusage used;

    printf("{\"sent\":%ju,\"answered\":%ju,\"lost\":%ju,\"hung\":%ju,\"wrong\":%ju,"
           "\"seconds\":%.6f,\"window\":%.6f,\"ok_in_time\":%ju,\"statuses\":{",
           (uintmax_t)load.sent, (uintmax_t)load.answered, (uintmax_t)load.lost,
           (uintmax_t)(load.sent - load.answered - load.lost), (uintmax_t)load.wrong,
           seconds, window, (uintmax_t)load.ok_in_time);
    for (unsigned i = 0; i < STATUSES; i++) {
        if (load.statuses[i] == 0)
            continue;
        printf("%s\"%u\":%ju", comma, i, (uintmax_t)load.statuses[i]);
        comma = ",";
    }
    printf("}");
    print_times("ok", &load.ok);
    print_times("ok_sent", &load.ok_sent);
    print_times("other", &load.other);
    for (size_t i = 0; load.all_times && i < load.ok.count; i++)
        printf("%s%u", i ? "," : ",\"all_us\":[", load.ok.us[i]);
    getrusage(RUSAGE_SELF, &used);
    printf("%s,\"cpu_us\":%.0f}\n", load.all_times && load.ok.count ? "]" : "",
           cpu_us(&used.ru_utime) + cpu_us(&used.ru_stime));
}

int main(int argc, char **argv)
{
    struct rlimit files;

    read_options(argc, argv);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    read_targets();
    load.poll = epoll_create1(EPOLL_CLOEXEC);
    load.all = grown(NULL, load.connections * sizeof *load.all);
    for (unsigned i = 0; i < load.connections; i++) {
        load.all[i].fd = -1;
        load.all[i].busy = false;
        idle_push(&load.all[i]);
    }
    run();
    print_all();
    return 0;
}
