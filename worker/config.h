/*
 * The configuration of offloop-worker. Its members come from the rows of
 * worker/options.tbl.h: texts are char * (never NULL), sizes are bytes,
 * durations nanoseconds.
 *
 * Main thread; read-only once read.
 */
#ifndef OFFLOOP_WORKER_CONFIG_H
#define OFFLOOP_WORKER_CONFIG_H

#include "common/options/options.h"

struct worker_config {
#define OPTION(kind, member, ...) OPTION_TYPE_##kind member;
#include "worker/options.tbl.h"
};

/* True where there is a job socket, and an operations listener. */
bool worker_config_has_broker(const struct worker_config *config);
bool worker_config_has_admin(const struct worker_config *config);

/* Master: where the broker's gate listens; for the children. Copied. */
void worker_config_set_broker_url(struct worker_config *config, const char *url);

/* The table as rows, for --help and tests. */
const struct options_program *worker_config_program(void);

/* Master: reads flags, environment and file. 0: go on; 1: all is done (--help), exit 0;
   -1: one line was printed, exit EXIT_USAGE. The caller ends the configuration with
   worker_config_destroy(). */
int worker_config_read(int argc, char **argv, struct worker_config **config_r)
    __attribute__((warn_unused_result));

/* Child: reads what its master resolved, from SPAWN_FD_CONFIG; -1 as above. */
int worker_config_read_fd(int fd, struct worker_config **config_r)
    __attribute__((warn_unused_result));

/* Master: a sealed memory file for children; -1 with errno. The caller closes it. */
int worker_config_create_fd(const struct worker_config *config)
    __attribute__((warn_unused_result));

/* Frees; NULL inside is allowed. */
void worker_config_destroy(struct worker_config **config);

#endif
