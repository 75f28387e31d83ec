#include "server/stats/stats.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/alloc.h"

/* Changes with any change of struct stats_front: after an upgrade a front of another
   build may map the memory, and must not misread it. */
#define STATS_LAYOUT UINT64_C(0x0ff1009000000003)
/* Stands in place of a layout until the first front gives the memory its layout: after an
   upgrade a master may be of another build than the fronts that it starts. */
#define STATS_BLANK UINT64_C(0)
/* More than any master asks for. */
#define STATS_FRONTS_MAX 65536

struct stats_shared {
    uint64_t layout;
    uint64_t fronts;
    struct stats_front slots[];
};

struct stats {
    struct stats_shared *shared;
    size_t size_bytes;
};

static size_t shared_size_bytes(uint64_t fronts)
{
    return sizeof(struct stats_shared) + fronts * sizeof(struct stats_front);
}

int stats_create_fd(unsigned fronts)
{
    const struct stats_shared blank = {STATS_BLANK, fronts};
    int fd = memfd_create("offloop-stats", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert(fronts > 0);
    if (fd < 0)
        return -1;
    if (pwrite(fd, &blank, sizeof blank, 0) == (ssize_t)sizeof blank)
        return fd;
    close(fd);
    return -1;
}

/* Gives the memory the layout of this build, where it has none yet. */
static int set_layout(int fd)
{
    const uint64_t layout = STATS_LAYOUT;
    struct stats_shared head;

    if (pread(fd, &head, sizeof head, 0) != (ssize_t)sizeof head ||
        head.layout != STATS_BLANK)
        return 0; /* it has one, or is foreign: the caller finds out */
    if (head.fronts == 0 || head.fronts > STATS_FRONTS_MAX ||
        ftruncate(fd, (off_t)shared_size_bytes(head.fronts)) != 0 ||
        pwrite(fd, &layout, sizeof layout, 0) != (ssize_t)sizeof layout)
        return -1;
    return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}

/* The first front gives the memory its layout; others may start at the same time. The
   lock belongs to the process, though all processes share one descriptor. */
static int set_layout_once(int fd)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int result;

    if (fcntl(fd, F_SETLKW, &lock) != 0)
        return -1;
    result = set_layout(fd);
    lock.l_type = F_UNLCK;
    if (fcntl(fd, F_SETLK, &lock) != 0)
        return -1;
    return result;
}

struct stats *stats_open(int fd)
{
    struct stat st;
    struct stats_shared *shared;
    struct stats *stats;

    if (set_layout_once(fd) != 0 || fstat(fd, &st) != 0)
        return NULL;
    errno = EINVAL;
    if (st.st_size < (off_t)shared_size_bytes(1))
        return NULL;
    shared = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared == MAP_FAILED)
        return NULL;
    if (shared->layout != STATS_LAYOUT ||
        (uint64_t)st.st_size != shared_size_bytes(shared->fronts)) {
        munmap(shared, (size_t)st.st_size);
        errno = EINVAL;
        return NULL;
    }
    stats = mem_alloc(sizeof *stats);
    *stats = (struct stats){shared, (size_t)st.st_size};
    return stats;
}

void stats_close(struct stats **stats)
{
    struct stats *s = *stats;

    *stats = NULL;
    if (s == NULL)
        return;
    munmap(s->shared, s->size_bytes);
    mem_free(s);
}

unsigned stats_fronts(const struct stats *stats)
{
    return (unsigned)stats->shared->fronts;
}

struct stats_front *stats_slot(struct stats *stats, unsigned index)
{
    assert(index < stats_fronts(stats));
    return &stats->shared->slots[index];
}

uint64_t stats_sum(struct stats *stats, size_t offset)
{
    uint64_t total = 0;

    assert(offset < sizeof(struct stats_front));
    for (unsigned i = 0; i < stats_fronts(stats); i++) {
        const char *slot = (const char *)stats_slot(stats, i);

        total += stats_read((const stats_counter *)(const void *)(slot + offset));
    }
    return total;
}

/* The label in a row of the tables in stats.h. */
#define LABEL(name, label, ...) label,

const char *stats_phase_label(enum stats_phase phase)
{
    static const char *const labels[] = {STATS_PHASE_MAP(LABEL)};

    assert(phase < STATS_PHASES);
    return labels[phase];
}

const char *stats_route_label(enum stats_route route)
{
    static const char *const labels[] = {STATS_ROUTE_MAP(LABEL)};

    assert(route < STATS_ROUTES);
    return labels[route];
}

const char *stats_size_label(enum stats_size size)
{
    static const char *const labels[] = {STATS_SIZE_MAP(LABEL)};

    assert(size < STATS_SIZES);
    return labels[size];
}
