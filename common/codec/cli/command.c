#include "common/codec/cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES 65536

const char *command_file_name(const char *path)
{
    return strcmp(path, "-") == 0 ? "<stdin>" : path;
}

static int complain(const char *path)
{
    fprintf(stderr, "offloop-codec: %s: %s\n", command_file_name(path), strerror(errno));
    return -1;
}

/* Reads to the end of the file; -1 with errno set. */
static int read_all(int fd, struct buf *content)
{
    struct stat info;
    ssize_t got;

    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0)
        (void)buf_reserve(content, (size_t)info.st_size + 1);
    do {
        got = read(fd, buf_reserve(content, READ_BYTES), READ_BYTES);
        if (got > 0)
            content->len += (size_t)got;
    } while (got > 0 || (got < 0 && errno == EINTR));
    return got < 0 ? -1 : 0;
}

int command_read(const char *path, struct buf *content)
{
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    int result;

    if (fd < 0)
        return complain(path);
    result = read_all(fd, content);
    if (result < 0)
        (void)complain(path);
    if (!is_stdin)
        close(fd);
    return result;
}

int command_write(const struct buf *content)
{
    size_t done = 0;

    while (done < content->len) {
        ssize_t wrote = write(STDOUT_FILENO, content->data + done, content->len - done);

        if (wrote > 0) {
            done += (size_t)wrote;
        } else if (errno != EINTR) {
            fprintf(stderr, "offloop-codec: <stdout>: %s\n", strerror(errno));
            return -1;
        }
    }
    return 0;
}

struct codec_call command_call(enum codec_op op, const struct buf *in)
{
    return (struct codec_call){
        .op = op, .in = buf_slice(in), .max_output = SIZE_MAX, .max_memory = SIZE_MAX};
}

void command_report(const char *path, const struct codec_fault *fault)
{
    fprintf(stderr, "%s: error at byte %" PRIu64 ": %s\n", command_file_name(path),
            fault->offset, codec_status_text(fault->status));
}
