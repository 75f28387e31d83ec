#include "common/base/shared_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/page_allocator.h"

uint64_t shared_file_round(uint64_t bytes)
{
    return (bytes + PAGE_ALLOCATOR_PAGE_BYTES - 1) / PAGE_ALLOCATOR_PAGE_BYTES *
           PAGE_ALLOCATOR_PAGE_BYTES;
}

/* -1 with errno; what is mapped then is the caller's to unmap. */
static int fill(int fd, uint64_t bytes, int seals, void **data_r)
{
    if (ftruncate(fd, (off_t)bytes) != 0)
        return -1;
    *data_r = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (*data_r == MAP_FAILED)
        return -1;
    return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL | seals);
}

int shared_file_create(const char *name, uint64_t bytes, int seals, uint8_t **data_r)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), error;
    void *data = MAP_FAILED;

    assert(bytes > 0 && bytes == shared_file_round(bytes));
    if (fd < 0)
        return -1;
    if (fill(fd, bytes, seals, &data) == 0) {
        *data_r = data;
        return fd;
    }
    error = errno;
    if (data != MAP_FAILED)
        munmap(data, bytes);
    close(fd);
    errno = error;
    return -1;
}
