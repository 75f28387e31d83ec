#include "common/base/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

/* The most bytes of one read(2). */
#define READ_STEP_BYTES 4096

static void close_keep_errno(int fd)
{
    int saved_errno = errno;

    close(fd);
    errno = saved_errno;
}

int file_read_fd(int fd, size_t max_bytes, struct buf *out)
{
    size_t total = 0;

    for (;;) {
        uint8_t *at = buf_reserve(out, READ_STEP_BYTES);
        ssize_t n = pread(fd, at, READ_STEP_BYTES, (off_t)total);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return (int)n;
        total += (size_t)n;
        out->len += (size_t)n;
        if (total > max_bytes) {
            errno = EFBIG;
            return -1;
        }
    }
}

int file_read(const char *path, size_t max_bytes, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int result;

    if (fd < 0)
        return -1;
    result = file_read_fd(fd, max_bytes, out);
    close_keep_errno(fd);
    return result;
}

int file_create_sealed(const char *name, struct slice bytes)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -1;
    while (bytes.len > 0) {
        ssize_t n = write(fd, bytes.data, bytes.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            close_keep_errno(fd);
            return -1;
        }
        assert((size_t)n <= bytes.len);
        bytes = (struct slice){bytes.data + n, bytes.len - (size_t)n};
    }
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) <
        0) {
        close_keep_errno(fd);
        return -1;
    }
    return fd;
}
