/*
 * How the tests of options read a program's flags: from arrays of strings that end with
 * NULL, into the program's own struct.
 */
#ifndef OFFLOOP_TESTS_OPTIONS_READING_H
#define OFFLOOP_TESTS_OPTIONS_READING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/options/options.h"

/* The most flags or variables of one reading. */
#define READING_MAX 15

/* Copies a list (NULL: an empty one) behind copies[count]; returns the new count. */
static inline int copy_texts(char *copies[], int count, const char *const *texts)
{
    for (; texts != NULL && *texts != NULL; texts++) {
        assert_true(count < READING_MAX);
        copies[count++] = strdup(*texts);
    }
    return count;
}

/* Reads flags and an environment, each NULL for none. *text_r is NUL-terminated; the
   caller ends both with end_reading(). */
static inline enum options_outcome read_options(const struct options_program *program,
                                                void *config, struct buf *text_r,
                                                const char *const *flags,
                                                const char *const *env)
{
    char *argv[READING_MAX + 1] = {strdup(program->name)},
                             *envp[READING_MAX + 1] = {NULL};
    int argc = copy_texts(argv, 1, flags), variables = copy_texts(envp, 0, env);
    enum options_outcome outcome;

    memset(config, 0, program->config_size);
    *text_r = (struct buf)BUF_INIT;
    outcome = options_read(program, argc, argv, envp, config, text_r);
    buf_append(text_r, "", 1);
    while (argc > 0)
        free(argv[--argc]);
    while (variables > 0)
        free(envp[--variables]);
    return outcome;
}

/* Frees what a reading left. */
static inline void end_reading(const struct options_program *program, void *config,
                               struct buf *text)
{
    options_free(program, config);
    buf_free(text);
}

/* The flags are refused with exactly that line, which the program's name begins. */
static inline void expect_refusal(const struct options_program *program, void *config,
                                  const char *const *flags, const char *line)
{
    char expected[512];
    struct buf text;

    snprintf(expected, sizeof expected, "%s: %s\n", program->name, line);
    assert_int_equal(read_options(program, config, &text, flags, NULL), OPTIONS_BAD);
    assert_string_equal((char *)text.data, expected);
    end_reading(program, config, &text);
}

/* A group setup: the default addresses are in this directory. */
static inline int set_runtime_dir(void **state)
{
    (void)state;
    return setenv("RUNTIME_DIRECTORY", "/tmp/offloop-config-test", 1);
}

/* A runtime directory that is too long for a socket is refused, naming the option. */
static inline void expect_long_runtime_dir_named(const struct options_program *program,
                                                 void *config, const char *option)
{
    char dir[128], start[64];
    struct buf text;

    memset(dir, 'x', sizeof dir);
    dir[0] = '/';
    dir[sizeof dir - 1] = '\0';
    setenv("RUNTIME_DIRECTORY", dir, 1);
    snprintf(start, sizeof start, "%s: the runtime directory gives ipc:", option);
    assert_int_equal(read_options(program, config, &text, NULL, NULL), OPTIONS_BAD);
    assert_non_null(strstr((char *)text.data, start));
    set_runtime_dir(NULL);
    end_reading(program, config, &text);
}

#endif
