#include "server/jobs/jobs_limits.h"

static const struct jobs_limits seat = {.window = 2,
                                        .batch_us = 4000,
                                        .batch_min_us = 100,
                                        .second_us = 400,
                                        .top_up_us = 1500};

/* The window does not bind: messages of second_us come to top_up_us before. */
static const struct jobs_limits fast = {.window = 16,
                                        .batch_us = 2000,
                                        .batch_min_us = 100,
                                        .second_us = 150,
                                        .top_up_us = 1500};

const struct jobs_limits *jobs_limits_of(bool is_fast)
{
    return is_fast ? &fast : &seat;
}
