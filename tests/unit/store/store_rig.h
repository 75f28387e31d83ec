/*
 * A store in a temporary directory with a writer process and a front's loop, for
 * tests and benchmarks. Header-only: each program has its own copy. Nothing here
 * sleeps: each function waits for an event, under an alarm.
 */
#ifndef OFFLOOP_TESTS_UNIT_STORE_STORE_RIG_H
#define OFFLOOP_TESTS_UNIT_STORE_STORE_RIG_H

#include <dirent.h>
#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "server/store/store.h"
#include "server/store/writer/writer.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RIG_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define RIG_ASAN 1
#endif
#ifdef RIG_ASAN
#include <sanitizer/lsan_interface.h>
#endif

#define RIG_ALARM_S 250

struct rig {
    char dir[64];
    char url[80];
    int listen_fd;
    uint64_t max;
    bool sync;
    pid_t writer;   /* 0 for none */
    int control_fd; /* our end of its control socket */
    struct ev_loop *loop;
    struct store *store;
};

#define RIG_CHECK(condition)                                                  \
    do {                                                                      \
        if (!(condition))                                                     \
            log_panic("%s:%d: %s (errno %s)", __FILE__, __LINE__, #condition, \
                      strerror(errno));                                       \
    } while (0)

static inline struct slice rig_slice(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

/* Makes a listening socket as the master does; the kernel chooses an abstract address. */
static inline int rig_listen(void)
{
    struct sockaddr_un any = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    RIG_CHECK(fd >= 0);
    RIG_CHECK(bind(fd, (struct sockaddr *)&any, sizeof(sa_family_t)) == 0);
    RIG_CHECK(listen(fd, 64) == 0);
    return fd;
}

static inline void rig_tell_ready(void *ctx)
{
    char ready = 'R';

    RIG_CHECK(write(*(int *)ctx, &ready, 1) == 1);
}

/* Runs the writer in a process that executes the test's own program, as a master does. (A
   fork alone would inherit state that no real writer has.) */
static inline void rig_be_writer(const char *url, const char *numbers)
{
    struct store_writer_config config = {.url = url, .on_ready = rig_tell_ready};
    unsigned long long max;
    int sync, rc;

    RIG_CHECK(sscanf(numbers, "%llu %d %d %d", &max, &sync, &config.listen_fd,
                     &config.control_fd) == 4);
    config.lmdb_max = max;
    config.sync = sync;
    config.ctx = &config.control_fd;
    rc = store_writer_main(&config);
#ifdef RIG_ASAN
    if (__lsan_do_recoverable_leak_check())
        rc = 99;
#endif
    _exit(rc);
}

/* Runs before main: becomes a writer in such a process. */
__attribute__((constructor)) static inline void rig_before_main(void)
{
    const char *url = getenv("RIG_WRITER_URL");

    if (url != NULL)
        rig_be_writer(url, getenv("RIG_WRITER_NUMBERS"));
}

static inline void rig_exec_writer(const struct rig *rig, int control_fd)
{
    char numbers[64];

    alarm(0);
    for (int number = 1; number < 32; number++)
        signal(number, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* dup: without close-on-exec */
    snprintf(numbers, sizeof numbers, "%llu %d %d %d", (unsigned long long)rig->max,
             rig->sync, dup(rig->listen_fd), dup(control_fd));
    setenv("RIG_WRITER_URL", rig->url, 1);
    setenv("RIG_WRITER_NUMBERS", numbers, 1);
    execl("/proc/self/exe", "store-writer", (char *)NULL);
    _exit(98);
}

/* Forks a writer. Returns 0 once it is ready, -1 if it has ended instead. */
static inline int rig_start_writer(struct rig *rig)
{
    int pair[2];
    char ready;

    RIG_CHECK(rig->writer == 0);
    fflush(NULL);
    RIG_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    rig->writer = fork();
    RIG_CHECK(rig->writer >= 0);
    if (rig->writer == 0)
        rig_exec_writer(rig, pair[1]);
    close(pair[1]);
    rig->control_fd = pair[0];
    return read(pair[0], &ready, 1) == 1 ? 0 : -1;
}

/* Waits for the writer's end and returns its wait status. The front's loop runs
   meanwhile, because a draining writer waits for its fronts. */
static inline int rig_wait_writer(struct rig *rig)
{
    int status;
    pid_t got;

    while ((got = waitpid(rig->writer, &status, rig->store ? WNOHANG : 0)) == 0) {
        ev_run(rig->loop, EVRUN_NOWAIT);
        usleep(500); /* polling */
    }
    RIG_CHECK(got == rig->writer);
    close(rig->control_fd);
    rig->writer = 0;
    return status;
}

static inline int rig_end_writer(struct rig *rig, int number)
{
    RIG_CHECK(kill(rig->writer, number) == 0);
    return rig_wait_writer(rig);
}

/* Makes a directory and a socket; no writer and no store yet. */
static inline void rig_init(struct rig *rig, uint64_t max)
{
    alarm(RIG_ALARM_S);
    *rig = (struct rig){.max = max, .sync = true};
    snprintf(rig->dir, sizeof rig->dir, "/tmp/offloop-store-XXXXXX");
    RIG_CHECK(mkdtemp(rig->dir) != NULL);
    snprintf(rig->url, sizeof rig->url, "lmdb:%s", rig->dir);
    rig->listen_fd = rig_listen();
    rig->loop = ev_loop_new(EVFLAG_AUTO);
    RIG_CHECK(rig->loop != NULL);
}

/* Opens the store as a front does, and waits until it is ready. */
static inline void rig_open_store(struct rig *rig)
{
    struct store_config config = {
        .url = rig->url, .lmdb_max = rig->max, .writer_listen_fd = rig->listen_fd};
    const char *why;

    rig->store = store_open(rig->loop, &config);
    RIG_CHECK(rig->store != NULL);
    while (!store_is_ready(rig->store, &why))
        ev_run(rig->loop, EVRUN_ONCE);
}

/* Makes the directory, starts the writer, opens the store. */
static inline void rig_start(struct rig *rig, uint64_t max)
{
    rig_init(rig, max);
    RIG_CHECK(rig_start_writer(rig) == 0);
    rig_open_store(rig);
}

static inline void rig_remove_files(const struct rig *rig)
{
    char path[512];
    struct dirent *entry;
    DIR *dir = opendir(rig->dir);

    RIG_CHECK(dir != NULL);
    while ((entry = readdir(dir)) != NULL) {
        snprintf(path, sizeof path, "%s/%s", rig->dir, entry->d_name);
        unlink(path);
    }
    closedir(dir);
}

/* Ends everything; the writer must exit with 0. */
static inline void rig_stop(struct rig *rig)
{
    store_close(&rig->store);
    if (rig->writer != 0) {
        int status = rig_end_writer(rig, SIGTERM);

        RIG_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    close(rig->listen_fd);
    ev_loop_destroy(rig->loop);
    rig_remove_files(rig);
    rmdir(rig->dir);
    alarm(0);
}

/* The fixtures of most tests: *state is a rig with a writer and an open store. */
static inline int rig_set_up(void **state, uint64_t max)
{
    struct rig *rig = mem_zalloc(sizeof *rig);

    rig_start(rig, max);
    *state = rig;
    return 0;
}

static inline int rig_tear_down(void **state)
{
    rig_stop(*state);
    mem_free(*state);
    return 0;
}

/* ---- requests, waited for ---- */

struct rig_put {
    struct store_put put;
    bool done;
};

static inline void rig_put_done(struct store_put *put)
{
    ((struct rig_put *)(void *)put)->done = true;
}

/* Begins a PUT; the caller waits for ->done. The names must stay. */
static inline void rig_begin_put(struct rig *rig, struct rig_put *put,
                                 const char *collection, const char *id,
                                 const void *bytes, size_t len)
{
    struct blob *blob = blob_new_copy(bytes, len);

    *put = (struct rig_put){.put = {.key = {rig_slice(collection), rig_slice(id)},
                                    .blob = blob,
                                    .format = STORE_MSGPACK,
                                    .done = rig_put_done}};
    store_put(rig->store, &put->put);
    blob_unref(&blob);
}

static inline enum store_status rig_wait_put(struct rig *rig, struct rig_put *put,
                                             uint64_t *version_r)
{
    while (!put->done)
        ev_run(rig->loop, EVRUN_ONCE);
    if (version_r)
        *version_r = put->put.version;
    return put->put.status;
}

static inline enum store_status rig_put_bytes(struct rig *rig, const char *collection,
                                              const char *id, const void *bytes,
                                              size_t len)
{
    struct rig_put put;

    rig_begin_put(rig, &put, collection, id, bytes, len);
    return rig_wait_put(rig, &put, NULL);
}

static inline enum store_status rig_put_text(struct rig *rig, const char *collection,
                                             const char *id, const char *text)
{
    return rig_put_bytes(rig, collection, id, text, strlen(text));
}

/* A write with a condition; text is NULL to delete. */
static inline enum store_status rig_write_if(struct rig *rig, const char *collection,
                                             const char *id, const char *text,
                                             enum store_condition condition,
                                             uint64_t if_version, uint64_t *version_r)
{
    struct blob *blob = text ? blob_new_copy(text, strlen(text)) : NULL;
    struct rig_put put = {.put = {.key = {rig_slice(collection), rig_slice(id)},
                                  .remove = text == NULL,
                                  .blob = blob,
                                  .format = STORE_JSON,
                                  .condition = condition,
                                  .if_version = if_version,
                                  .done = rig_put_done}};

    store_put(rig->store, &put.put);
    blob_unref(&blob);
    return rig_wait_put(rig, &put, version_r);
}

static inline enum store_status rig_remove(struct rig *rig, const char *collection,
                                           const char *id)
{
    return rig_write_if(rig, collection, id, NULL, STORE_ALWAYS, 0, NULL);
}

struct rig_get {
    struct store_get get;
    bool done;
    struct blob *blob; /* the caller's to unref */
};

static inline void rig_get_done(struct store_get *get)
{
    struct rig_get *mine = (struct rig_get *)(void *)get;

    mine->done = true;
    mine->blob = get->blob ? blob_ref(get->blob) : NULL;
}

static inline void rig_begin_get(struct rig *rig, struct rig_get *get,
                                 const char *collection, const char *id)
{
    *get = (struct rig_get){
        .get = {.key = {rig_slice(collection), rig_slice(id)}, .done = rig_get_done}};
    store_get(rig->store, &get->get);
}

/* Waits for a GET with a known version; true if the document still has that version. */
static inline bool rig_is_unchanged(struct rig *rig, const char *collection,
                                    const char *id, uint64_t version)
{
    struct rig_get get = {.get = {.key = {rig_slice(collection), rig_slice(id)},
                                  .known_version = version,
                                  .done = rig_get_done}};
    bool unchanged;

    store_get(rig->store, &get.get);
    while (!get.done)
        ev_run(rig->loop, EVRUN_ONCE);
    unchanged =
        get.get.status == STORE_OK && get.blob == NULL && get.get.version == version;
    blob_unref(&get.blob);
    return unchanged;
}

/* Waits for a GET; the caller owns *blob_r (NULL unless OK). */
static inline enum store_status rig_get_blob(struct rig *rig, const char *collection,
                                             const char *id, struct blob **blob_r,
                                             uint64_t *version_r)
{
    struct rig_get get;

    rig_begin_get(rig, &get, collection, id);
    while (!get.done)
        ev_run(rig->loop, EVRUN_ONCE);
    *blob_r = get.blob;
    if (version_r)
        *version_r = get.get.version;
    return get.get.status;
}

/* Waits for a GET; only its status. */
static inline enum store_status rig_find(struct rig *rig, const char *collection,
                                         const char *id)
{
    struct blob *blob;
    enum store_status status = rig_get_blob(rig, collection, id, &blob, NULL);

    blob_unref(&blob);
    return status;
}

/* True if the document exists and has this text. */
static inline bool rig_has_text(struct rig *rig, const char *collection, const char *id,
                                const char *text)
{
    struct blob *blob;
    bool same = rig_get_blob(rig, collection, id, &blob, NULL) == STORE_OK &&
                blob->bytes.len == strlen(text) &&
                memcmp(blob->bytes.data, text, blob->bytes.len) == 0;

    blob_unref(&blob);
    return same;
}

/* The number of open descriptors of this process. */
static inline unsigned rig_count_fds(void)
{
    unsigned count = 0;
    DIR *dir = opendir("/proc/self/fd");

    RIG_CHECK(dir != NULL);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

#endif
