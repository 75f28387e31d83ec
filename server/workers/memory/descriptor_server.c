#include "server/workers/memory/descriptor_server.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/list.h"
#include "common/base/log.h"

#define BACKLOG 64

/* Guests at once: more wait in the backlog until one is gone. */
#define MAX_GUESTS 64

#define GUEST_PATIENCE_S 5.0

/* Groups of a worker that are looked at; the usual is fewer than ten. */
#define MAX_GROUPS 1024

/* Of the socket's file: workers may run as another user of the same group. */
#define FILE_MODE 0660

enum guest_state {
    GUEST_ASKING, /* awaits the rest of the token */
    GUEST_MAPPING /* has the descriptors; awaits the byte that says what is mapped */
};

/* A worker that fetches its arena. */
struct guest {
    struct list link;
    struct descriptor_server *descriptor_server;
    enum guest_state state;
    int fd;
    pid_t process; /* 0 for one that cannot be seen from here */
    struct wire_id token;
    size_t got;     /* bytes of the token */
    unsigned files; /* descriptors that it has been handed */
    ev_io readable;
    ev_timer patience; /* runs from the start to the end */
};

struct descriptor_server {
    struct ev_loop *loop;
    struct descriptor_server_events events;
    void *ctx;
    char name[DESCRIPTOR_SERVER_NAME_BYTES];
    int fd;
    bool is_bound;
    ev_io incoming; /* not active while there are MAX_GUESTS */
    unsigned guest_count;
    struct list guests;
    struct log_limited refusals_log;
};

static_assert(DESCRIPTOR_SERVER_NAME_BYTES > sizeof(((struct sockaddr_un *)0)->sun_path),
              "any name fits");

static void guest_destroy(struct guest *guest)
{
    struct descriptor_server *descriptor_server = guest->descriptor_server;

    list_remove(&guest->link);
    ev_io_stop(descriptor_server->loop, &guest->readable);
    ev_timer_stop(descriptor_server->loop, &guest->patience);
    close(guest->fd);
    mem_free(guest);
    assert(descriptor_server->guest_count > 0);
    descriptor_server->guest_count--;
    ev_io_start(descriptor_server->loop, &descriptor_server->incoming);
}

/* One byte and the descriptors; a socket that is just connected has room for them. */
static int send_files(int to, const int *files, unsigned count)
{
    size_t bytes = count * sizeof files[0];
    char byte = 1;
    struct iovec piece = {&byte, 1};
    union {
        struct cmsghdr head; /* for its alignment */
        char bytes[CMSG_SPACE(DESCRIPTOR_SERVER_MAX_FILES * sizeof(int))];
    } control;
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_SPACE(bytes)};
    struct cmsghdr *head;

    assert(count >= 1 && count <= DESCRIPTOR_SERVER_MAX_FILES);
    memset(&control, 0, sizeof control);
    head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(bytes);
    memcpy(CMSG_DATA(head), files, bytes);
    return sendmsg(to, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == 1 ? 0 : -1;
}

/* Each step returns -1 where the guest is to be hung up on: it is done, or wrong. */
static int read_token(struct guest *guest)
{
    ssize_t got = recv(guest->fd, guest->token.bytes + guest->got,
                       sizeof guest->token.bytes - guest->got, MSG_DONTWAIT);
    int files[DESCRIPTOR_SERVER_MAX_FILES];

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got <= 0)
        return -1;
    guest->got += (size_t)got;
    if (guest->got < sizeof guest->token.bytes)
        return 0;
    guest->files = guest->descriptor_server->events.asked(guest->descriptor_server->ctx,
                                                          &guest->token, files);
    if (guest->files == 0) {
        log_warn("somebody asked for an arena that is not there");
        return -1;
    }
    guest->state = GUEST_MAPPING;
    return send_files(guest->fd, files, guest->files);
}

/* True where the word can stand for something that was handed over. */
static bool is_sensible(unsigned word, unsigned files)
{
    unsigned mapped = word & ~(unsigned)WIRE_TOOK_FASTPATH;

    return word > 0 && mapped <= WIRE_TOOK_POOL &&
           mapped + (word != mapped ? 1 : 0) <= files;
}

static int read_word(struct guest *guest)
{
    uint8_t word = 0;
    ssize_t got = recv(guest->fd, &word, 1, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got == 1 && is_sensible(word, guest->files))
        guest->descriptor_server->events.mapped(guest->descriptor_server->ctx,
                                                &guest->token, word, guest->process);
    return -1;
}

static void on_readable(struct ev_loop *loop, ev_io *readable, int events)
{
    struct guest *guest = container_of(readable, struct guest, readable);
    int error = guest->state == GUEST_ASKING ? read_token(guest) : read_word(guest);

    (void)loop;
    (void)events;
    if (error != 0)
        guest_destroy(guest);
}

static void on_patience(struct ev_loop *loop, ev_timer *patience, int events)
{
    (void)loop;
    (void)events;
    guest_destroy(container_of(patience, struct guest, patience));
}

/* Workers may run as another user, whose membership in our group need not be what they
   have chosen as their process' one. */
static bool is_of_our_group(int fd)
{
    gid_t groups[MAX_GROUPS], ours = getegid();
    socklen_t len = sizeof groups;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) != 0)
        return false;
    for (size_t i = 0; i < len / sizeof *groups; i++)
        if (groups[i] == ours)
            return true;
    return false;
}

/* Who is refused is told to the log. */
static bool is_trusted(struct descriptor_server *descriptor_server, int fd,
                       const struct ucred *peer)
{
    char why[96];

    if (peer->uid == 0 || peer->uid == geteuid() || peer->gid == getegid() ||
        is_of_our_group(fd))
        return true;
    snprintf(why, sizeof why, "user %u, group %u is neither ours nor of our group %u",
             peer->uid, peer->gid, getegid());
    log_limited_warn(&descriptor_server->refusals_log, LOG_EVERY_MINUTE,
                     "%s: a stranger was turned away: %s", descriptor_server->name, why);
    return false;
}

/* Says first what this is; a socket that is just connected has room for it. */
static int send_greeting(int to)
{
    static const char greeting[] = WIRE_ARENA_GREETING;
    ssize_t sent = send(to, greeting, sizeof greeting - 1, MSG_NOSIGNAL | MSG_DONTWAIT);

    return sent == (ssize_t)(sizeof greeting - 1) ? 0 : -1;
}

static void guest_create(struct descriptor_server *descriptor_server, int fd,
                         pid_t process)
{
    struct guest *guest = mem_zalloc(sizeof *guest);

    list_init(&guest->link);
    list_append(&descriptor_server->guests, &guest->link);
    guest->descriptor_server = descriptor_server;
    guest->fd = fd;
    guest->process = process;
    ev_io_init(&guest->readable, on_readable, fd, EV_READ);
    ev_io_start(descriptor_server->loop, &guest->readable);
    ev_timer_init(&guest->patience, on_patience, GUEST_PATIENCE_S, 0);
    ev_timer_start(descriptor_server->loop, &guest->patience);
    descriptor_server->guest_count++;
    if (descriptor_server->guest_count == MAX_GUESTS)
        ev_io_stop(descriptor_server->loop, &descriptor_server->incoming);
}

static void on_incoming(struct ev_loop *loop, ev_io *incoming, int events)
{
    struct descriptor_server *descriptor_server =
        container_of(incoming, struct descriptor_server, incoming);
    int fd = accept4(descriptor_server->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct ucred peer;
    socklen_t len = sizeof peer;

    (void)loop;
    (void)events;
    if (fd < 0)
        return;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
        is_trusted(descriptor_server, fd, &peer) && send_greeting(fd) == 0)
        guest_create(descriptor_server, fd, peer.pid);
    else
        close(fd);
}

/* Has the socket listen, and reads back the name that it got. */
static int start_listening(struct descriptor_server *descriptor_server,
                           const struct sockaddr_un *where, socklen_t len)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t name_len = sizeof address;

    descriptor_server->fd =
        socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor_server->fd < 0 ||
        bind(descriptor_server->fd, (const struct sockaddr *)where, len) != 0)
        return -1;
    descriptor_server->is_bound = true;
    if (listen(descriptor_server->fd, BACKLOG) != 0 ||
        getsockname(descriptor_server->fd, (struct sockaddr *)&address, &name_len) != 0)
        return -1;
    name_len -= (socklen_t)offsetof(struct sockaddr_un, sun_path);
    assert(name_len > 1 && name_len < sizeof descriptor_server->name);
    memcpy(descriptor_server->name, address.sun_path, name_len);
    descriptor_server->name[name_len] = '\0';
    if (descriptor_server->name[0] == '\0')
        descriptor_server->name[0] = '@';
    return 0;
}

static int listen_at_path(struct descriptor_server *descriptor_server, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path));
    if (start_listening(descriptor_server, &address, sizeof address) != 0)
        return -1;
    return chmod(path, FILE_MODE);
}

/* At a name that the kernel picks. */
static int listen_abstractly(struct descriptor_server *descriptor_server)
{
    const struct sockaddr_un address = {.sun_family = AF_UNIX};

    return start_listening(descriptor_server, &address, sizeof(sa_family_t));
}

/* Closes the socket; its file goes, if it has one. */
static void stop_listening(struct descriptor_server *descriptor_server, const char *path)
{
    if (descriptor_server->fd >= 0)
        close(descriptor_server->fd);
    if (descriptor_server->is_bound && path != NULL)
        (void)unlink(path);
}

struct descriptor_server *
descriptor_server_create(struct ev_loop *loop, const char *path,
                         const struct descriptor_server_events *events, void *ctx)
{
    struct descriptor_server *descriptor_server = mem_zalloc(sizeof *descriptor_server);
    int error;

    descriptor_server->fd = -1;
    error = path != NULL ? listen_at_path(descriptor_server, path)
                         : listen_abstractly(descriptor_server);
    if (error != 0) {
        error = errno;
        stop_listening(descriptor_server, path);
        mem_free(descriptor_server);
        errno = error;
        return NULL;
    }
    descriptor_server->loop = loop;
    descriptor_server->events = *events;
    descriptor_server->ctx = ctx;
    list_init(&descriptor_server->guests);
    ev_io_init(&descriptor_server->incoming, on_incoming, descriptor_server->fd, EV_READ);
    ev_io_start(loop, &descriptor_server->incoming);
    return descriptor_server;
}

void descriptor_server_destroy(struct descriptor_server **descriptor_server)
{
    struct descriptor_server *d = *descriptor_server;

    if (d == NULL)
        return;
    *descriptor_server = NULL;
    while (!list_is_empty(&d->guests))
        guest_destroy(container_of(d->guests.next, struct guest, link));
    ev_io_stop(d->loop, &d->incoming);
    stop_listening(d, d->name[0] == '/' ? d->name : NULL);
    mem_free(d);
}

const char *descriptor_server_name(const struct descriptor_server *descriptor_server)
{
    return descriptor_server->name;
}
