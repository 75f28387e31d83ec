#include "worker/broker/app_arena.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CLOSER_STACK_BYTES ((size_t)64 << 10)

/* Descriptors that threads are closing. */
static atomic_uint closing;

static void *close_in_thread(void *fd)
{
    close((int)(intptr_t)fd);
    atomic_fetch_sub(&closing, 1);
    return NULL;
}

/* Closes a descriptor of which nothing is known. That may take for ever: a socket may
   linger, a file system of the application's may flush. So each has a thread of its own;
   the one that frees large memory must not wait either. */
static void close_unknown(int fd)
{
    sigset_t all, before;
    pthread_attr_t attr;
    pthread_t thread;
    int error;

    atomic_fetch_add(&closing, 1);
    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, CLOSER_STACK_BYTES);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&thread, &attr, close_in_thread, (void *)(intptr_t)fd);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (error != 0)
        close_in_thread((void *)(intptr_t)fd);
}

unsigned app_arena_closing(void)
{
    return atomic_load(&closing);
}

void app_arena_init(struct app_arena *arena)
{
    *arena = (struct app_arena){.fd = -1};
}

void app_arena_close(struct app_arena *arena)
{
    if (arena->fd >= 0 && arena->bytes > 0)
        close(arena->fd); /* a memory file */
    else if (arena->fd >= 0)
        close_unknown(arena->fd);
    app_arena_init(arena);
}

/* The first descriptor in a message of the kernel's; -1 for none. Any others are closed.
 */
static int take_descriptor(struct msghdr *message)
{
    struct cmsghdr *control = CMSG_FIRSTHDR(message);
    int first = -1;
    size_t count;

    if (control == NULL || control->cmsg_level != SOL_SOCKET ||
        control->cmsg_type != SCM_RIGHTS)
        return -1;
    count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
        int fd;

        memcpy(&fd, CMSG_DATA(control) + i * sizeof fd, sizeof fd);
        if (first < 0)
            first = fd;
        else
            close_unknown(fd);
    }
    return first;
}

ssize_t app_arena_receive(struct app_arena *arena, int socket, void *room, size_t bytes)
{
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec piece = {room, bytes};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
    ssize_t got;

    if (!arena->is_offered || arena->fd >= 0)
        return recv(socket, room, bytes, MSG_DONTWAIT); /* the kernel drops descriptors */
    message.msg_control = &control;
    /* Room for one, and not for what its alignment leaves: there the kernel would put a
       second one. */
    message.msg_controllen = CMSG_LEN(sizeof(int));
    got = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got > 0)
        arena->fd = take_descriptor(&message);
    return got;
}

/* A file whose reads wait for nothing but memory, and whose size is for ever. */
static bool is_memory(int fd, uint64_t bytes)
{
    const int sealed = F_SEAL_SHRINK | F_SEAL_GROW;
    struct statfs system;
    struct stat file;
    int seals = fcntl(fd, F_GET_SEALS);

    return seals >= 0 && (seals & sealed) == sealed &&
           (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) == 0 &&
           fstatfs(fd, &system) == 0 && system.f_type == TMPFS_MAGIC &&
           fstat(fd, &file) == 0 && S_ISREG(file.st_mode) &&
           (uint64_t)file.st_size == bytes;
}

const char *app_arena_begin(struct app_arena *arena, uint64_t bytes)
{
    if (!arena->is_offered)
        return "an arena that it was not offered";
    if (arena->bytes > 0)
        return "a second arena";
    if (arena->fd < 0)
        return "an arena without a descriptor";
    if (!is_memory(arena->fd, bytes))
        return "an arena that is no sealed memory file of its size";
    arena->bytes = bytes;
    return NULL;
}

static bool holds(const struct app_arena *arena, uint64_t offset, uint64_t bytes)
{
    return bytes <= WIRE_MAX_APP_SHARED_BYTES && bytes <= arena->bytes &&
           offset <= arena->bytes - bytes;
}

bool app_arena_fits(const struct app_arena *arena, const struct wire_job *job)
{
    return !job->payload.in_arena ||
           (arena->bytes > 0 &&
            holds(arena, job->payload.offset, job->payload.bytes.len));
}

int app_arena_read(const struct app_arena *arena, uint64_t offset, uint8_t *to,
                   size_t bytes)
{
    while (bytes > 0) {
        ssize_t got = pread(arena->fd, to, bytes, (off_t)offset);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -1;
        to += got;
        offset += (uint64_t)got;
        bytes -= (size_t)got;
    }
    return 0;
}
