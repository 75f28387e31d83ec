#include "common/options/config.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/file.h"
#include "common/base/log.h"

/* Larger than any dump. */
#define DUMP_MAX_BYTES (4 * 1024 * 1024)

/* Logs the lines of a text, one by one. */
static void warn_lines(struct buf *text)
{
    char *state = NULL;

    buf_append(text, "", 1);
    for (char *line = strtok_r((char *)text->data, "\n", &state); line != NULL;
         line = strtok_r(NULL, "\n", &state))
        log_warn("%s", line);
}

static void print_text(FILE *stream, const struct buf *text)
{
    fwrite(text->data, 1, text->len, stream);
    fflush(stream);
}

/* Prints what the reading left; returns the result of config_read(). */
static int finish(const struct options_program *program, enum options_outcome outcome,
                  void *config, struct buf *text, void **config_r)
{
    int result = outcome == OPTIONS_BAD ? -1 : outcome == OPTIONS_TEXT ? 1 : 0;

    if (outcome == OPTIONS_RUN)
        warn_lines(text);
    else
        print_text(outcome == OPTIONS_BAD ? stderr : stdout, text);
    buf_free(text);
    if (result != 0)
        config_destroy(program, &config);
    *config_r = config;
    return result;
}

int config_read(const struct options_program *program, int argc, char **argv,
                void **config_r)
{
    void *config = mem_zalloc(program->config_size);
    struct buf text = BUF_INIT;
    enum options_outcome outcome =
        options_read(program, argc, argv, environ, config, &text);

    return finish(program, outcome, config, &text, config_r);
}

/* The text may contain keys and secrets. */
static void free_dump(struct buf *dump)
{
    if (dump->data != NULL)
        explicit_bzero(dump->data, dump->cap);
    buf_free(dump);
}

int config_read_fd(const struct options_program *program, int fd, void **config_r)
{
    void *config = mem_zalloc(program->config_size);
    struct buf text = BUF_INIT, dump = BUF_INIT;
    enum options_outcome outcome;

    if (file_read_fd(fd, DUMP_MAX_BYTES, &dump) < 0)
        log_fatal("configuration from the master: %m");
    outcome = options_read_text(program, "configuration from the master",
                                buf_slice(&dump), config, &text);
    assert(outcome != OPTIONS_TEXT);
    free_dump(&dump);
    return finish(program, outcome, config, &text, config_r);
}

int config_create_fd(const struct options_program *program, const void *config)
{
    struct buf dump = BUF_INIT;
    int fd;

    options_dump(program, config, &dump);
    fd = file_create_sealed("offloop-config", buf_slice(&dump));
    free_dump(&dump);
    return fd;
}

void config_destroy(const struct options_program *program, void **config)
{
    if (*config == NULL)
        return;
    options_free(program, *config);
    mem_free(*config);
    *config = NULL;
}
