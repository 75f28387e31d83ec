#include "worker/arena.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/alloc.h"

#define FRONT_PATIENCE_S 1

/* Without these a front could have us killed by SIGBUS. */
#define NEEDED_SEALS (F_SEAL_SHRINK | F_SEAL_GROW)

struct arena {
    atomic_uint refs;
    uint8_t *data;
    uint64_t bytes;
};

/* Connects to the path, in which '@' stands for the NUL of an abstract name; -1. */
static int connect_to(struct slice path)
{
    const struct timeval patience = {FRONT_PATIENCE_S, 0};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len);
    int fd;

    if (path.len == 0 || path.len >= sizeof address.sun_path)
        return -1;
    memcpy(address.sun_path, path.data, path.len);
    if (path.data[0] == '@')
        address.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0 &&
        connect(fd, (struct sockaddr *)&address, len) == 0)
        return fd;
    close(fd);
    return -1;
}

/* The descriptor that comes with one byte; -1 where none does. */
static int receive_descriptor(int from)
{
    char byte;
    struct iovec piece = {&byte, 1};
    union {
        struct cmsghdr head; /* for its alignment */
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control.bytes};
    struct cmsghdr *head;
    int fd;

    memset(&control, 0, sizeof control);
    if (recvmsg(from, &message, MSG_CMSG_CLOEXEC) != 1)
        return -1;
    head = CMSG_FIRSTHDR(&message);
    if (head == NULL || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS ||
        head->cmsg_len != CMSG_LEN(sizeof(int)))
        return -1;
    memcpy(&fd, CMSG_DATA(head), sizeof fd);
    return fd;
}

/* Maps a file of exactly that size that keeps it; NULL where it is not one. (The C
   library's fstat() may be another call, one that could name a file: the cage forbids
   it.)
 */
static uint8_t *map(int fd, uint64_t bytes)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);
    void *data;

    if (bytes == 0 || seals < 0 || (seals & NEEDED_SEALS) != NEEDED_SEALS ||
        syscall(SYS_fstat, fd, &st) != 0 || (uint64_t)st.st_size != bytes)
        return NULL;
    data = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return data == MAP_FAILED ? NULL : data;
}

/* Shows the token, takes the descriptor, maps it and says so. */
static uint8_t *fetch(int front, const struct wire_seat_welcome *welcome,
                      const char **why_r)
{
    const uint8_t mapped = 1;
    uint8_t *data;
    int fd;

    *why_r = "the front does not hand out its arena";
    if (send(front, welcome->arena_token.bytes, sizeof welcome->arena_token.bytes,
             MSG_NOSIGNAL) != (ssize_t)sizeof welcome->arena_token.bytes)
        return NULL;
    fd = receive_descriptor(front);
    if (fd < 0)
        return NULL;
    *why_r = "the arena cannot be mapped";
    data = map(fd, welcome->arena_bytes);
    close(fd);
    if (data == NULL || send(front, &mapped, 1, MSG_NOSIGNAL) == 1)
        return data;
    munmap(data, welcome->arena_bytes);
    return NULL;
}

struct arena *arena_fetch(const struct wire_seat_welcome *welcome, const char **why_r)
{
    int front = connect_to(welcome->arena_path);
    struct arena *arena;
    uint8_t *data;

    assert(welcome->has_arena);
    *why_r = "no connection to the arena's socket";
    if (front < 0)
        return NULL;
    data = fetch(front, welcome, why_r);
    close(front);
    if (data == NULL)
        return NULL;
    arena = mem_alloc(sizeof *arena);
    atomic_init(&arena->refs, 1);
    arena->data = data;
    arena->bytes = welcome->arena_bytes;
    return arena;
}

struct arena *arena_ref(struct arena *arena)
{
    if (arena != NULL)
        atomic_fetch_add(&arena->refs, 1);
    return arena;
}

void arena_unref(struct arena **arena)
{
    struct arena *a = *arena;

    *arena = NULL;
    if (a == NULL || atomic_fetch_sub(&a->refs, 1) > 1)
        return;
    munmap(a->data, a->bytes);
    mem_free(a);
}

uint8_t *arena_data(struct arena *arena)
{
    return arena->data;
}

/* Written so that no sum can overflow. */
static bool lies_inside(uint64_t size, uint64_t offset, uint64_t bytes)
{
    return offset <= size && bytes <= size - offset;
}

bool arena_fits(const struct arena *arena, const struct wire_jobs *jobs)
{
    for (unsigned i = 0; i < jobs->count; i++) {
        const struct wire_job *job = &jobs->jobs[i];

        if (arena == NULL && (job->payload.in_arena || job->has_reply_space))
            return false;
        if (job->payload.in_arena &&
            !lies_inside(arena->bytes, job->payload.offset, job->payload.bytes.len))
            return false;
        if (job->has_reply_space &&
            !lies_inside(arena->bytes, job->reply_offset, job->reply_bytes))
            return false;
    }
    return true;
}
