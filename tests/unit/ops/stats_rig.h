/*
 * What tests of texts about the statistics stand on: shared statistics of three
 * fronts, and a text that is printed from them.
 */
#ifndef OFFLOOP_TESTS_UNIT_OPS_STATS_RIG_H
#define OFFLOOP_TESTS_UNIT_OPS_STATS_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/jobs/jobs.h"
#include "server/stats/stats.h"

/* A test that gets the statistics in *state. */
#define STATS_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

struct fixture {
    int fd;
    struct stats *stats;
    struct buf text;
};

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->fd = stats_create_fd(3);
    f->stats = stats_open(f->fd);
    *state = f;
    return f->stats ? 0 : -1;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;

    stats_close(&f->stats);
    close(f->fd);
    buf_free(&f->text);
    free(f);
    return 0;
}

/* What is printed now; valid until the next call. */
static inline const char *printed(struct fixture *f,
                                  void (*print)(struct stats *, struct buf *))
{
    f->text.len = 0;
    print(f->stats, &f->text);
    buf_append(&f->text, "", 1);
    return (const char *)f->text.data;
}

#endif
