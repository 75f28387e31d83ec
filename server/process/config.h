/*
 * The configuration of offloop-server. Its members come from the rows of
 * server/process/options.tbl.h: texts are char * (never NULL), sizes are bytes,
 * durations are nanoseconds, `mode` is an enum jobs_mode, and "off" stays as text
 * in `admin` and `access_log`.
 *
 * Main thread. Nothing changes it after it has been read.
 */
#ifndef OFFLOOP_SERVER_PROCESS_CONFIG_H
#define OFFLOOP_SERVER_PROCESS_CONFIG_H

#include <stdbool.h>

#include "common/options/options.h"
#include "server/api/api.h"

struct server_config {
#define OPTION(kind, member, ...) OPTION_TYPE_##kind member;
#include "server/process/options.tbl.h"
};

/* The table as rows, for --help and tests. */
const struct options_program *server_config_program(void);

/* Master: reads flags, environment and file. 0: go on; 1: all is done (--help), exit 0;
   -1: one line was printed, exit EXIT_USAGE. The caller ends the configuration with
   server_config_destroy(). */
int server_config_read(int argc, char **argv, struct server_config **config_r)
    __attribute__((warn_unused_result));

/* Child: reads from SPAWN_FD_CONFIG what its master resolved; -1 as above. */
int server_config_read_fd(int fd, struct server_config **config_r)
    __attribute__((warn_unused_result));

/* Master: a sealed memory file for children; -1 with errno. The caller closes it. */
int server_config_create_fd(const struct server_config *config)
    __attribute__((warn_unused_result));

/* Frees; NULL inside is allowed. */
void server_config_destroy(struct server_config **config);

/* True where there is an operations listener. */
bool server_config_has_admin(const struct server_config *config);

/* True where clients need tokens. */
bool server_config_has_auth(const struct server_config *config);

/* True where there are views to load. */
bool server_config_has_views(const struct server_config *config);

/* What --jq says; BY_LISTENER for an empty text. */
enum api_programs server_config_programs(const char *text);

/* How long a request may wait for the store without a sign of progress: the deadline of
   jobs, within bounds that suit a disk that is sometimes slow. */
uint64_t server_config_store_timeout_ns(const struct server_config *config);

/* Master: warns of what is allowed but probably not intended, such as a public address
   that everybody can write to. */
void server_config_warn(const struct server_config *config);

#endif
