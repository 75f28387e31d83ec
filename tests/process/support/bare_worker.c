/*
 * One worker process without a master, for tests:
 *
 *     bare-worker MAX_JOBS DRAIN_MS URL...
 *
 * Descriptor 3, where it is open, is the control socket; R and D are told
 * there as a real child does.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/process/spawn.h"
#include "worker/serve.h"

static void bare_tell(char note)
{
    /* a test that looks at it keeps it open */
    if (write(SPAWN_FD_CONTROL, &note, 1) != 1)
        log_warn("nobody to tell");
}

static void bare_on_ready(void)
{
    bare_tell(SPAWN_READY);
}

static void bare_on_did(void)
{
    bare_tell(SPAWN_DID);
}

int main(int argc, char **argv)
{
    struct worker_serve_config config = {
        .connect_urls = (const char *const *)argv + 3,
        .connect_count = (unsigned)argc - 3,
        .engine = "yajl",
        .memory_bytes = 1 << 30,
        .sandbox = true,
        .control_fd = -1,
        .crash_fd = -1,
    };

    socklen_t len = sizeof(int);
    int type;

    if (argc < 4)
        return EXIT_USAGE;
    log_open("bare-worker", NULL);
    config.max_jobs = strtoull(argv[1], NULL, 10);
    config.drain_timeout_ms = strtoull(argv[2], NULL, 10);
    /* Libraries open descriptors of their own before main(). */
    if (getsockopt(SPAWN_FD_CONTROL, SOL_SOCKET, SO_TYPE, &type, &len) == 0) {
        config.control_fd = SPAWN_FD_CONTROL;
        config.on_ready = bare_on_ready;
        config.on_did = bare_on_did;
    }
    _exit(worker_serve_main(&config));
}
