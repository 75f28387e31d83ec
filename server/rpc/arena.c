#include "server/rpc/arena.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/discard.h"
#include "server/rpc/reaper.h"

/* Of an arena's bytes, one in so many may be lent. */
#define LENT_PART 2

/* While so many arenas that have ended wait for what is lent of them, nothing is. */
#define ENDED_MAX 8

/* The process's arenas that have ended and are not unmapped; the loop thread's. */
static unsigned ended;

/* A sealed memory file; -1 with errno. */
static int open_file(uint64_t bytes)
{
    int fd = memfd_create("offloop-arena", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int error;

    if (fd < 0)
        return -1;
    if (ftruncate(fd, (off_t)bytes) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return fd;
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* Maps the file and finds a token; -1 with errno. */
static int fill(struct arena *arena)
{
    if (getrandom(&arena->token, sizeof arena->token, 0) != sizeof arena->token)
        return -1;
    arena->data =
        mmap(NULL, arena->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, arena->fd, 0);
    return arena->data == MAP_FAILED ? -1 : 0;
}

struct arena *arena_create(uint64_t bytes)
{
    struct arena *arena = mem_zalloc(sizeof *arena);
    int error;

    assert(bytes > 0);
    arena->bytes = (bytes + SPACE_PAGE_BYTES - 1) / SPACE_PAGE_BYTES * SPACE_PAGE_BYTES;
    arena->fd = open_file(arena->bytes);
    if (arena->fd >= 0 && fill(arena) == 0) {
        arena->space = space_create(arena->bytes);
        return arena;
    }
    error = errno;
    arena_close_fd(arena);
    mem_free(arena);
    errno = error;
    return NULL;
}

void arena_close_fd(struct arena *arena)
{
    if (arena->fd >= 0)
        close(arena->fd);
    arena->fd = -1;
}

/* Any thread. */
static void unmap(void *object)
{
    struct arena *arena = object;

    munmap(arena->data, arena->bytes);
    mem_free(arena);
}

void arena_destroy(struct arena **arena, struct reaper *reaper)
{
    struct arena *a = *arena;

    if (a == NULL)
        return;
    *arena = NULL;
    arena_close_fd(a);
    a->is_ended = true;
    if (a->loans > 0) {
        ended++;
        return;
    }
    space_destroy(&a->space);
    reaper_add(reaper, unmap, a);
}

bool arena_may_lend(const struct arena *arena, uint64_t bytes)
{
    uint64_t most = arena->bytes / LENT_PART;

    return ended < ENDED_MAX && arena->lent_bytes < most &&
           bytes <= most - arena->lent_bytes;
}

void arena_note_loan(struct arena *arena, const struct space_block *block)
{
    arena->loans++;
    arena->lent_bytes += space_block_bytes(block);
}

/* The reaper may be gone by now. */
void arena_take_back(struct arena *arena, struct space_block **block)
{
    uint64_t bytes = space_block_bytes(*block);

    assert(arena->loans > 0 && arena->lent_bytes >= bytes);
    arena->loans--;
    arena->lent_bytes -= bytes;
    space_give_back(arena->space, block);
    if (!arena->is_ended || arena->loans > 0)
        return;
    assert(ended > 0);
    ended--;
    space_destroy(&arena->space);
    discard_object(unmap, arena, arena->bytes);
}
