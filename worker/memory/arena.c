#include "worker/memory/arena.h"

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

#include "common/base/alloc.h"
#include "worker/link/front_address.h"

#define FRONT_PATIENCE_S 1

/* Without these a front could have us killed by SIGBUS. */
#define NEEDED_SEALS (F_SEAL_SHRINK | F_SEAL_GROW)

/* What a front hands out at most: its arena, its pool, the end of a fast path. */
#define MAX_FILES 3

/* Mapped now, of all fronts. */
static _Atomic uint64_t mapped_bytes;

struct arena {
    atomic_uint refs;
    uint8_t *data; /* the arena's bytes, and behind them the pool's */
    uint64_t bytes;
    uint64_t pool_bytes; /* 0 where there is none */
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

/* True once the other side has sent the greeting. Nothing is sent to any other server
   that listens at that path: a front must not make the worker talk to others. */
static bool hear_greeting(int from)
{
    static const char greeting[] = WIRE_ARENA_GREETING;
    char heard[sizeof greeting - 1];
    size_t got = 0;

    while (got < sizeof heard) {
        ssize_t n = recv(from, heard + got, sizeof heard - got, 0);

        if (n <= 0 || memcmp(heard + got, greeting + got, (size_t)n) != 0)
            return false;
        got += (size_t)n;
    }
    return true;
}

/* Takes the descriptors out of a message; returns how many. What is beyond MAX_FILES is
   closed: where the room for a message is rounded up, the kernel may hand over more. */
static unsigned take_files(struct msghdr *message, int files_r[MAX_FILES])
{
    struct cmsghdr *head = CMSG_FIRSTHDR(message);
    unsigned count, taken = 0;

    if (head == NULL || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
        return 0;
    count = (unsigned)((head->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    for (unsigned i = 0; i < count; i++) {
        int file;

        memcpy(&file, CMSG_DATA(head) + i * sizeof file, sizeof file);
        if (taken < MAX_FILES)
            files_r[taken++] = file;
        else
            close(file);
    }
    return taken;
}

/* The descriptors that come with one byte: how many. */
static unsigned receive_files(int from, int files_r[MAX_FILES])
{
    char byte;
    struct iovec piece = {&byte, 1};
    union {
        struct cmsghdr head; /* for its alignment */
        char bytes[CMSG_SPACE(MAX_FILES * sizeof(int))];
    } control;
    struct msghdr message = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control.bytes};

    memset(&control, 0, sizeof control);
    if (recvmsg(from, &message, MSG_CMSG_CLOEXEC) != 1)
        return 0;
    return take_files(&message, files_r);
}

/* True for a file of exactly that size that keeps it. (The C library's fstat() may be
   another call, one that could name a file: the sandbox forbids it.) */
static bool is_sound(int file, uint64_t bytes)
{
    struct stat st;
    int seals = fcntl(file, F_GET_SEALS);

    return bytes > 0 && seals >= 0 && (seals & NEEDED_SEALS) == NEEDED_SEALS &&
           syscall(SYS_fstat, file, &st) == 0 && (uint64_t)st.st_size == bytes;
}

/* In the place of what is mapped there; -1 where that fails. */
static int map_at(void *address, uint64_t bytes, int protection, int file)
{
    void *data = mmap(address, bytes, protection, MAP_SHARED | MAP_FIXED, file, 0);

    return data == MAP_FAILED ? -1 : 0;
}

/* Fronts must not take the address space that jobs and messages need. */
static bool claim(uint64_t bytes)
{
    if (bytes <= ARENA_MAPPED_MAX_BYTES &&
        atomic_fetch_add(&mapped_bytes, bytes) <= ARENA_MAPPED_MAX_BYTES - bytes)
        return true;
    if (bytes <= ARENA_MAPPED_MAX_BYTES)
        atomic_fetch_sub(&mapped_bytes, bytes);
    return false;
}

static void unmap(uint8_t *data, uint64_t bytes)
{
    munmap(data, bytes);
    atomic_fetch_sub(&mapped_bytes, bytes);
}

/* Maps nothing yet, so that there is room for so much; NULL where there is not. */
static uint8_t *map_room(uint64_t bytes)
{
    void *data;

    if (!claim(bytes))
        return NULL;
    data =
        mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data != MAP_FAILED)
        return data;
    atomic_fetch_sub(&mapped_bytes, bytes);
    return NULL;
}

/* Maps the arena, and behind it the pool where pool_bytes is not 0. */
static uint8_t *map_files(const int files[MAX_FILES], uint64_t bytes, uint64_t pool_bytes)
{
    uint8_t *data = map_room(bytes + pool_bytes);

    if (data == NULL)
        return NULL;
    if (map_at(data, bytes, PROT_READ | PROT_WRITE, files[0]) == 0 &&
        (pool_bytes == 0 || map_at(data + bytes, pool_bytes, PROT_READ, files[1]) == 0))
        return data;
    unmap(data, bytes + pool_bytes);
    return NULL;
}

/* True where a pool of that size can stand behind the arena: at a page, and at an
   address. */
static bool can_follow(uint64_t bytes, uint64_t pool_bytes)
{
    return bytes % (uint64_t)sysconf(_SC_PAGESIZE) == 0 && pool_bytes <= SIZE_MAX - bytes;
}

/* Maps what came; an unsound pool is done without. Returns -1 where there is no arena. */
static int map(struct arena *arena, const struct wire_seat_welcome *welcome,
               const int files[MAX_FILES], unsigned count)
{
    uint64_t bytes = welcome->arena_bytes, pool_bytes = welcome->pool_bytes;

    arena->bytes = bytes;
    if (count == 0 || !is_sound(files[0], bytes))
        return -1;
    if (pool_bytes > 0 && count > 1 && can_follow(bytes, pool_bytes) &&
        is_sound(files[1], pool_bytes)) {
        arena->data = map_files(files, bytes, pool_bytes);
        arena->pool_bytes = pool_bytes;
        if (arena->data != NULL)
            return 0;
    }
    arena->pool_bytes = 0;
    arena->data = map_files(files, bytes, 0);
    return arena->data == NULL ? -1 : 0;
}

/* The last one of what came, where it is the fast path's socket; -1. */
static int find_fast(const struct wire_seat_welcome *welcome, const int files[MAX_FILES],
                     unsigned count)
{
    unsigned before = (welcome->arena_bytes > 0) + (welcome->pool_bytes > 0);

    return welcome->has_fastpath && count == before + 1 ? files[before] : -1;
}

/* What the front is told of an arena that may not be mapped. */
static unsigned word_of(const struct arena *arena)
{
    if (arena->data == NULL)
        return 0;
    return arena->pool_bytes > 0 ? WIRE_TOOK_POOL : WIRE_TOOK_ARENA;
}

/* Waits for the greeting, shows the token, takes the descriptors, maps what can be, and
   says so. Returns -1 where the front is not told of anything. */
static int fetch(struct arena *arena, int front, const struct wire_seat_welcome *welcome,
                 int *fast_fd_r, const char **why_r)
{
    int files[MAX_FILES], fast = -1;
    unsigned count;
    uint8_t word;

    *why_r = "nobody hands out arenas at the place that the front names";
    if (!hear_greeting(front))
        return -1;
    *why_r = "the front does not hand out its arena";
    if (send(front, welcome->arena_token.bytes, sizeof welcome->arena_token.bytes,
             MSG_NOSIGNAL) != (ssize_t)sizeof welcome->arena_token.bytes)
        return -1;
    count = receive_files(front, files);
    if (count == 0)
        return -1;
    *why_r = "the arena cannot be mapped";
    if (welcome->arena_bytes > 0)
        (void)map(arena, welcome, files, count);
    if (fast_fd_r != NULL)
        fast = find_fast(welcome, files, count);
    for (unsigned i = 0; i < count; i++)
        if (files[i] != fast)
            close(files[i]);
    word = (uint8_t)(word_of(arena) | (fast >= 0 ? WIRE_TOOK_FASTPATH : 0));
    if (word != 0 && send(front, &word, 1, MSG_NOSIGNAL) == 1) {
        if (fast_fd_r != NULL)
            *fast_fd_r = fast;
        return 0;
    }
    if (fast >= 0)
        close(fast);
    return -1;
}

/* Connects to the socket that the front names; -1 with *why_r. */
static int connect_to_descriptor_server(const struct arena_front *front,
                                        struct slice named, const char **why_r)
{
    struct buf path = BUF_INIT;
    int fd = -1;

    *why_r = "it names a place where no front of its server can be";
    if (front_address_of_arena_socket(front->url, front->is_here, named, &path) == 0) {
        *why_r = "no connection to the arena's socket";
        fd = connect_to(buf_slice(&path));
    }
    buf_free(&path);
    return fd;
}

struct arena *arena_fetch(const struct arena_front *front,
                          const struct wire_seat_welcome *welcome, int *fast_fd_r,
                          const char **why_r)
{
    int server, error;
    struct arena *arena;

    assert(welcome->has_arena);
    if (fast_fd_r != NULL)
        *fast_fd_r = -1;
    server = connect_to_descriptor_server(front, welcome->arena_path, why_r);
    if (server < 0)
        return NULL;
    arena = mem_zalloc(sizeof *arena);
    atomic_init(&arena->refs, 1);
    error = fetch(arena, server, welcome, fast_fd_r, why_r);
    close(server);
    if (error == 0 && arena->data != NULL)
        return arena;
    arena_unref(&arena);
    return NULL;
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
    if (a->data != NULL)
        unmap(a->data, a->bytes + a->pool_bytes);
    mem_free(a);
}

uint8_t *arena_data(struct arena *arena)
{
    return arena->data;
}

uint64_t arena_pool_bytes(const struct arena *arena)
{
    return arena->pool_bytes;
}

/* Written so that no sum can overflow. */
static bool lies_inside(uint64_t size, uint64_t offset, uint64_t bytes)
{
    return offset <= size && bytes <= size - offset;
}

/* In the arena, or in the pool behind it: what begins in one does not end in the other.
 */
static bool has_payload(const struct arena *arena, const struct wire_payload *payload)
{
    size_t len = payload->bytes.len;

    if (payload->offset < arena->bytes || arena->pool_bytes == 0)
        return lies_inside(arena->bytes, payload->offset, len);
    return lies_inside(arena->pool_bytes, payload->offset - arena->bytes, len);
}

bool arena_fits(const struct arena *arena, const struct wire_jobs *jobs)
{
    for (unsigned i = 0; i < jobs->count; i++) {
        const struct wire_job *job = &jobs->jobs[i];

        if (arena == NULL && (job->payload.in_arena || job->has_reply_space))
            return false;
        if (job->payload.in_arena && !has_payload(arena, &job->payload))
            return false;
        if (job->has_reply_space &&
            !lies_inside(arena->bytes, job->reply_offset, job->reply_bytes))
            return false;
    }
    return true;
}
