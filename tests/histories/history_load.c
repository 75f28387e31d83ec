/*
 * The clients of scripts/histories: one thread, one poll, many connections, each with one
 * request at a time. Writes what was asked and answered to a file (record.h).
 *
 *     history_load PORT FILE [-s SEED] [-c CLIENTS] [-k COLLECTIONS] [-i IDS] [-n
 * OPERATIONS]
 *
 * Asks until it has done OPERATIONS or until stdin says "final": then it waits for the
 * answers under way, reads every document and every collection once more, each until it
 * is answered, prints the number of operations, and ends. Exits 3 where something is not
 * answered within a minute, and at once where stdin ends.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/histories/operation.h"
#include "tests/histories/record.h"

#define NS_PER_S      UINT64_C(1000000000)
#define NS_PER_MS     UINT64_C(1000000)
#define HEAD_MAX      4096
#define HISTORY_BYTES 16384 /* written at once: the script sees that work goes on */
#define BUFFER_MIN    (64 * 1024)
#define TIMEOUT_NS    (20 * NS_PER_S) /* then a client goes away */
#define FINAL_NS      (60 * NS_PER_S)
#define PAUSE_MIN_NS                                                  \
    (5 * NS_PER_MS) /* after a refusal; twice as long after each more \
                     */
#define PAUSE_MAX_NS (160 * NS_PER_MS)
#define LEAVE_ONE_IN 150 /* replies after which a client connects again */
#define EVENTS       64
#define TICK_MS      5

enum client_state {
    CLIENT_IDLE,    /* asks at `due_ns` */
    CLIENT_SENDING, /* until all of the request is sent, or a reply comes */
    CLIENT_READING, /* awaits the rest of the reply */
    CLIENT_DONE     /* asks no more */
};

struct client {
    enum client_state state;
    unsigned number;
    int fd; /* -1 for none */
    uint64_t due_ns, pause_ns, replies;
    struct operation_chooser chooser;
    struct operation op;
    char *request;
    size_t request_len, sent;
    char *buffer; /* the reply as it came; a list's chunks are joined in place */
    size_t len, cap;
};

/* A reply as far as its head tells. */
struct head {
    struct record_reply reply;
    size_t body_at;
    bool chunked, close;
    size_t length;
};

static struct load {
    int port, poll;
    unsigned client_count;
    uint64_t seed, operations, done;
    struct client *clients;
    struct operation_space space;
    FILE *history;
    bool stopping, final; /* no new operations; reading everything once more */
    uint64_t final_at, deadline_ns;
} load;

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "history_load: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *grown(void *memory, size_t bytes)
{
    memory = realloc(memory, bytes);
    if (memory == NULL)
        die("memory");
    return memory;
}

/* ---- the end of an operation ---- */

static void hang_up(struct client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
}

/* The client asks again: at once after an answer, else after a pause. A store that is not
   there would fill the history with writes of which nobody knows. */
static void rest(struct client *client, bool answered)
{
    client->state = CLIENT_IDLE;
    if (answered)
        client->pause_ns = PAUSE_MIN_NS;
    else if (client->pause_ns < PAUSE_MAX_NS)
        client->pause_ns *= 2;
    client->due_ns = answered ? 0 : now_ns() + client->pause_ns;
}

/* Records the operation. In the end everything is asked for until it is answered. */
static void finish(struct client *client, const struct record_reply *reply)
{
    uint64_t end_ns = reply->status != 0 ? now_ns() : 0;
    struct operation next;

    record_write(load.history, &client->op, client->number, reply, end_ns, &load.space,
                 &next);
    load.done++;
    if (load.final && reply->status != 0 && reply->status < 500)
        load.final_at++;
    if (!load.final && next.after[0] != '\0') {
        client->chooser.scan = next;
        client->chooser.scanning = true;
    }
    rest(client, reply->status != 0 && reply->status < 500);
}

/* The connection ended before the reply was whole. */
static void lose(struct client *client)
{
    const struct record_reply none = {.status = 0};

    hang_up(client);
    finish(client, &none);
}

/* ---- replies ---- */

static const char *find(const char *text, size_t len, const char *what)
{
    return memmem(text, len, what, strlen(what));
}

static void read_field(struct head *head, const char *line, size_t len)
{
    const char *end = line + len, *at = line;

    if (len > 15 && strncasecmp(line, "content-length:", 15) == 0) {
        head->length = strtoull(line + 15, NULL, 10);
    } else if (len > 18 && strncasecmp(line, "transfer-encoding:", 18) == 0) {
        head->chunked = true;
    } else if (len > 16 && strncasecmp(line, "connection: close", 17) == 0) {
        head->close = true;
    } else if (len > 6 && strncasecmp(line, "etag: ", 6) == 0) {
        at += 6;
        if (!document_skip(&at, end, "\"") ||
            !document_read_number(&at, end, &head->reply.tag) ||
            !document_skip(&at, end, "-json\"") || at != end)
            head->reply.tag = 0;
    } else if (len > 5 && strncasecmp(line, "link:", 5) == 0) {
        head->reply.link = line + 5;
        head->reply.link_len = len - 5;
    }
}

/* Returns 1 for a head that is complete, 0 if more must come, -1 for none at all. */
static int read_head(const struct client *client, struct head *head_r)
{
    const char *end = find(client->buffer, client->len, "\r\n\r\n"), *line, *next;

    *head_r = (struct head){.length = 0};
    if (end == NULL)
        return client->len < HEAD_MAX ? 0 : -1;
    if (client->len < 13 || memcmp(client->buffer, "HTTP/1.1 ", 9) != 0)
        return -1;
    head_r->reply.status = (unsigned)strtoul(client->buffer + 9, NULL, 10);
    head_r->body_at = (size_t)(end - client->buffer) + 4;
    for (line = client->buffer; line < end; line = next + 2) {
        next = find(line, (size_t)(end + 2 - line), "\r\n");
        read_field(head_r, line, (size_t)(next - line));
    }
    if (head_r->reply.status == 204 || head_r->reply.status == 304)
        head_r->length = 0;
    return head_r->reply.status >= 200 && head_r->reply.status < 600 ? 1 : -1;
}

/* Joins the chunks from `from` on, all of which have come; returns their length. */
static size_t join_chunks(struct client *client, size_t from)
{
    size_t at = from, to = from;

    for (;;) {
        char *end;
        size_t size = strtoull(client->buffer + at, &end, 16);

        if (size == 0)
            return to - from;
        at = (size_t)(end - client->buffer) + 2;
        memmove(client->buffer + to, client->buffer + at, size);
        to += size;
        at += size + 2;
    }
}

/* True where the chunks from `at` on are there to the last one. */
static bool has_all_chunks(const struct client *client, size_t at)
{
    for (;;) {
        const char *line = client->buffer + at, *end;
        size_t size;

        if (at >= client->len)
            return false;
        end = find(line, client->len - at, "\r\n");
        if (end == NULL)
            return false;
        size = strtoull(line, NULL, 16);
        at = (size_t)(end - client->buffer) + 2 + size + 2;
        if (size == 0)
            return at <= client->len;
    }
}

static bool body_is_whole(const struct client *client, const struct head *head)
{
    return head->chunked ? has_all_chunks(client, head->body_at)
                         : client->len >= head->body_at + head->length;
}

/* Takes what has come; false where it is no reply. */
static bool take(struct client *client)
{
    struct head head;
    int is_head = read_head(client, &head);

    if (is_head <= 0)
        return is_head == 0;
    if (!body_is_whole(client, &head))
        return true;
    head.reply.body = client->buffer + head.body_at;
    head.reply.body_len = head.chunked ? join_chunks(client, head.body_at) : head.length;
    client->replies++;
    if (head.close || client->replies % LEAVE_ONE_IN == 0 ||
        client->sent < client->request_len)
        hang_up(client);
    finish(client, &head.reply);
    return true;
}

static void receive(struct client *client)
{
    while (client->fd >= 0 && client->state != CLIENT_IDLE) {
        ssize_t n;

        if (client->cap - client->len < BUFFER_MIN) {
            client->cap = 2 * client->cap + BUFFER_MIN;
            client->buffer = grown(client->buffer, client->cap + 1);
        }
        n = recv(client->fd, client->buffer + client->len, client->cap - client->len, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n > 0)
            client->len += (size_t)n;
        client->buffer[client->len] = '\0';
        if (n <= 0 || !take(client)) {
            lose(client);
            return;
        }
    }
    if (client->fd >= 0 && client->state == CLIENT_IDLE) {
        char byte; /* a connection that the server has closed is no use */

        if (recv(client->fd, &byte, 1, MSG_PEEK) >= 0)
            hang_up(client);
    }
}

/* ---- requests ---- */

/* False where nobody listens. */
static bool connect_client(struct client *client)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)load.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET,
                                .data.ptr = client};
    int on = 1;

    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (client->fd < 0)
        die("socket");
    setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(client->fd, (struct sockaddr *)&to, sizeof to) == 0 ||
        errno == EINPROGRESS) {
        if (epoll_ctl(load.poll, EPOLL_CTL_ADD, client->fd, &event) != 0)
            die("epoll_ctl");
        return true;
    }
    hang_up(client);
    return false;
}

/* The client has sent as much as it wanted to send. */
static void sent_all(struct client *client)
{
    client->state = CLIENT_READING;
    if (client->op.leave != LEAVE_NOT)
        lose(client);
}

static void send_rest(struct client *client)
{
    while (client->state == CLIENT_SENDING) {
        size_t end = client->request_len;
        ssize_t n;

        if (client->op.leave == LEAVE_IN_BODY)
            end -= 1;
        if (client->sent >= end) {
            sent_all(client);
            return;
        }
        n = send(client->fd, client->request + client->sent, end - client->sent,
                 MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n < 0) { /* what it says before it closes may be there, and recv() tells */
            client->state = CLIENT_READING;
            receive(client);
            return;
        }
        client->sent += (size_t)n;
    }
}

static bool choose(struct client *client)
{
    unsigned ids = load.space.ids, collections = load.space.collections;

    if (!load.final) {
        operation_choose(&client->chooser, &load.space, &client->op);
        return true;
    }
    if (load.final_at < (uint64_t)ids * collections)
        operation_make_get(&client->op, (unsigned)(load.final_at / ids),
                           (unsigned)(load.final_at % ids));
    else
        operation_make_list(&client->op,
                            (unsigned)(load.final_at - (uint64_t)ids * collections));
    return load.final_at < (uint64_t)(ids + 1) * collections;
}

static void ask(struct client *client)
{
    if (client->fd < 0 && !connect_client(client)) {
        rest(client, false);
        return;
    }
    if (!choose(client)) {
        client->state = CLIENT_DONE;
        return;
    }
    client->request_len = operation_print(&client->op, client->request);
    client->sent = client->len = 0;
    client->state = CLIENT_SENDING;
    client->op.start_ns = now_ns();
    send_rest(client);
}

/* ---- the loop ---- */

static void on_event(struct client *client, uint32_t events)
{
    int error = 0;
    socklen_t len = sizeof error;

    if (client->fd < 0)
        return;
    if (client->state == CLIENT_SENDING && client->sent == 0 && (events & EPOLLERR) &&
        getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 &&
        error == ECONNREFUSED) {
        client->op.leave = LEAVE_IN_BODY; /* as certain: nobody has seen it */
        lose(client);
        return;
    }
    if (events & EPOLLOUT)
        send_rest(client);
    if (events & ~(uint32_t)EPOLLOUT)
        receive(client);
}

static bool is_busy(const struct client *client)
{
    return client->state == CLIENT_SENDING || client->state == CLIENT_READING;
}

/* The script has gone away. What is under way may happen: it belongs into the history. */
static void give_up(void)
{
    for (unsigned i = 0; i < load.client_count; i++)
        if (is_busy(&load.clients[i]))
            lose(&load.clients[i]);
    exit(fclose(load.history) == 0 ? 0 : 1);
}

/* Reads what the script says. */
static void read_orders(void)
{
    char text[64];
    ssize_t n = read(STDIN_FILENO, text, sizeof text);

    if (n == 0)
        give_up();
    if (n > 0 && find(text, (size_t)n, "final") != NULL)
        load.stopping = true;
}

static void poll_once(void)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(load.poll, events, EVENTS, TICK_MS);

    for (int i = 0; i < count; i++)
        if (events[i].data.ptr == NULL)
            read_orders();
        else
            on_event(events[i].data.ptr, events[i].events);
}

/* Whether a client may ask now: in the end only the first one does. */
static bool may_ask(const struct client *client, uint64_t now)
{
    if (client->state != CLIENT_IDLE || client->due_ns > now)
        return false;
    if (load.final)
        return client->number == 0;
    return !load.stopping && load.done < load.operations;
}

static void turn(void)
{
    uint64_t now = now_ns();
    bool busy = false;

    for (unsigned i = 0; i < load.client_count; i++) {
        struct client *client = &load.clients[i];

        if (is_busy(client) && now > client->op.start_ns &&
            now - client->op.start_ns > TIMEOUT_NS)
            lose(client);
        if (may_ask(client, now))
            ask(client);
        busy = busy || is_busy(client);
    }
    if (load.stopping && !load.final && !busy) {
        load.final = true;
        load.deadline_ns = now + FINAL_NS;
    }
}

static int run(void)
{
    while (load.clients[0].state != CLIENT_DONE) {
        turn();
        poll_once();
        if (load.final && now_ns() > load.deadline_ns)
            return 3;
    }
    return 0;
}

static void read_options(int argc, char **argv)
{
    int option;

    load.client_count = 16;
    load.operations = UINT64_MAX;
    load.space.collections = 6;
    load.space.ids = 50;
    while ((option = getopt(argc, argv, "s:c:k:i:n:")) != -1) {
        uint64_t number = option != '?' ? strtoull(optarg, NULL, 10) : 0;

        switch (option) {
        case 's': load.seed = number; break;
        case 'c': load.client_count = (unsigned)number; break;
        case 'k': load.space.collections = (unsigned)number; break;
        case 'i': load.space.ids = (unsigned)number; break;
        case 'n': load.operations = number; break;
        default: errno = EINVAL; die("usage: see the head of its source");
        }
    }
    if (optind + 2 != argc || load.client_count == 0 || load.space.collections == 0 ||
        load.space.ids == 0 || load.space.ids > 1000) {
        errno = EINVAL;
        die("usage: see the head of its source");
    }
    load.port = atoi(argv[optind]);
    load.history = fopen(argv[optind + 1], "w");
    if (load.history == NULL)
        die(argv[optind + 1]);
    setvbuf(load.history, NULL, _IOFBF, HISTORY_BYTES);
}

static void init_clients(void)
{
    operation_space_init(&load.space);
    load.clients = grown(NULL, load.client_count * sizeof *load.clients);
    for (unsigned i = 0; i < load.client_count; i++) {
        struct client *client = &load.clients[i];

        *client = (struct client){
            .number = i, .fd = -1, .state = CLIENT_IDLE, .pause_ns = PAUSE_MIN_NS};
        client->request = grown(NULL, OPERATION_REQUEST_MAX);
        operation_chooser_init(&client->chooser, load.seed, i, load.client_count);
    }
}

int main(int argc, char **argv)
{
    struct epoll_event orders = {.events = EPOLLIN, .data.ptr = NULL};
    int status;

    read_options(argc, argv);
    load.poll = epoll_create1(EPOLL_CLOEXEC);
    if (load.poll < 0 || epoll_ctl(load.poll, EPOLL_CTL_ADD, STDIN_FILENO, &orders) != 0)
        die("stdin");
    init_clients();
    status = run();
    if (fclose(load.history) != 0)
        die("the history");
    printf("%ju\n", (uintmax_t)load.done);
    return status;
}
