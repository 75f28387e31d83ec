#include "common/codec/cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES 65536

const char *command_file_name(const char *path)
{
    return strcmp(path, "-") == 0 ? "<stdin>" : path;
}

static int fail_file(const char *path)
{
    fprintf(stderr, "offloop-codec: %s: %s\n", command_file_name(path), strerror(errno));
    return -1;
}

/* Reads to the end of the file. -1 with errno. */
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
        return fail_file(path);
    result = read_all(fd, content);
    if (result < 0)
        (void)fail_file(path);
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

/* A codec with the engine of --codec, or with the first engine. */
static struct codec *codec_wanted(const struct command_options *options)
{
    return codec_create(options->codec != NULL ? options->codec
                                               : codec_engine_names()[0]);
}

static int run_file(struct codec *codec, const char *path, enum codec_op op, bool pretty,
                    struct buf *out)
{
    struct buf in = BUF_INIT;
    struct codec_fault fault;
    int result = command_read(path, &in);

    if (result == 0) {
        struct codec_call call = command_call(op, &in);

        call.pretty = pretty;
        if (codec_run(codec, &call, out, &fault) != CODEC_OK) {
            command_report(path, &fault);
            result = -1;
        }
    }
    buf_free(&in);
    return result;
}

int command_transcode(const struct command_options *options, enum codec_op op)
{
    struct codec *codec = codec_wanted(options);
    const char *path = options->file_count > 0 ? options->files[0] : "-";
    struct buf out = BUF_INIT;
    int result = run_file(codec, path, op, options->pretty, &out);

    if (result == 0)
        result = command_write(&out);
    buf_free(&out);
    codec_destroy(&codec);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);

    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static enum codec_op op_to_check(const char *path)
{
    return ends_with(path, ".msgpack") || ends_with(path, ".mp") ? CODEC_OP_VALIDATE
                                                                 : CODEC_OP_DECODE;
}

int command_check(const struct command_options *options)
{
    struct codec *codec = codec_wanted(options);
    struct buf out = BUF_INIT;
    int result = EXIT_SUCCESS;

    for (int i = 0; i < options->file_count; i++) {
        const char *path = options->files[i];

        out.len = 0;
        if (run_file(codec, path, op_to_check(path), false, &out) < 0)
            result = EXIT_FAILURE;
    }
    buf_free(&out);
    codec_destroy(&codec);
    return result;
}
