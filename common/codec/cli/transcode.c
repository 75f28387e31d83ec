#include "common/codec/cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The engine of `check` and of transcoding when none is asked for: the first. */
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
