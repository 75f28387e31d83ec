/*
 * A real master, a replica and three Sentinels, on free ports of loopback.
 */
#ifndef OFFLOOP_TESTS_UNIT_STORE_REDIS_SENTINEL_RIG_H
#define OFFLOOP_TESTS_UNIT_STORE_REDIS_SENTINEL_RIG_H

#include "tests/unit/store/redis_rig.h"

#define SENTINEL_RIG_COUNT 3

struct sentinel_rig {
    struct redis_rig servers[2]; /* the first is the master at the start */
    struct redis_rig sentinels[SENTINEL_RIG_COUNT];
    char url[160];
};

/* A Sentinel: redis-server with a file of its own, which it rewrites. */
static inline void sentinel_rig_start_one(struct redis_rig *one, int master)
{
    static const char text[] = "port %d\nbind 127.0.0.1\ndir %s\nlogfile sentinel.log\n"
                               "sentinel monitor m-1 127.0.0.1 %d 2\n"
                               "sentinel down-after-milliseconds m-1 300\n"
                               "sentinel failover-timeout m-1 1000\n";
    char path[96];
    FILE *file;

    *one = (struct redis_rig){.port = redis_rig_free_port()};
    snprintf(one->dir, sizeof one->dir, "/tmp/offloop-redis-XXXXXX");
    RIG_CHECK(mkdtemp(one->dir) != NULL);
    snprintf(path, sizeof path, "%s/sentinel.conf", one->dir);
    file = fopen(path, "w");
    RIG_CHECK(file != NULL && fprintf(file, text, one->port, one->dir, master) > 0);
    RIG_CHECK(fclose(file) == 0);
    fflush(NULL);
    one->pid = fork();
    RIG_CHECK(one->pid >= 0);
    if (one->pid == 0) {
        alarm(0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execlp("redis-server", "redis-server", path, "--sentinel", (char *)NULL);
        _exit(98);
    }
    redis_rig_await_server(one);
}

/* A number in the answer of INFO; -1 if it is not there. */
static inline long sentinel_rig_info(const struct redis_rig *redis, const char *field)
{
    redisContext *context = redis_rig_connect(redis);
    redisReply *reply = context ? redisCommand(context, "INFO") : NULL;
    const char *at = reply != NULL ? strstr(reply->str, field) : NULL;
    long number = at != NULL ? strtol(at + strlen(field), NULL, 10) : -1;

    if (reply != NULL)
        freeReplyObject(reply);
    if (context != NULL)
        redisFree(context);
    return number;
}

/* Waits until a field of INFO has this number. */
static inline void sentinel_rig_await(const struct redis_rig *redis, const char *field,
                                      long number)
{
    while (sentinel_rig_info(redis, field) != number)
        usleep(5000); /* polling */
}

static inline void sentinel_rig_start(struct sentinel_rig *rig)
{
    const char *more[] = {"--replicaof", NULL, NULL, NULL};
    char port[16];
    int len;

    memset(rig, 0, sizeof *rig);
    redis_rig_init(&rig->servers[0],
                   (const char *[]){"--repl-diskless-sync-delay", "0", NULL});
    snprintf(port, sizeof port, "127.0.0.1 %d", rig->servers[0].port);
    more[1] = "127.0.0.1";
    more[2] = strchr(port, ' ') + 1;
    redis_rig_init(&rig->servers[1], more);
    sentinel_rig_await(&rig->servers[0], "connected_slaves:", 1);
    len = snprintf(rig->url, sizeof rig->url, "redis+sentinel://");
    for (int i = 0; i < SENTINEL_RIG_COUNT; i++) {
        sentinel_rig_start_one(&rig->sentinels[i], rig->servers[0].port);
        len += snprintf(rig->url + len, sizeof rig->url - (size_t)len, "%s127.0.0.1:%d",
                        i ? "," : "", rig->sentinels[i].port);
    }
    snprintf(rig->url + len, sizeof rig->url - (size_t)len, "/m-1/0");
    /* Waits until each Sentinel knows the others and the replica. */
    for (int i = 0; i < SENTINEL_RIG_COUNT; i++) {
        sentinel_rig_await(&rig->sentinels[i], "sentinels=", SENTINEL_RIG_COUNT);
        sentinel_rig_await(&rig->sentinels[i], "slaves=", 1);
    }
    sentinel_rig_await(&rig->servers[1],
                       "master_link_status:up\r\nmaster_last_io_seconds_ago:", 0);
}

static inline void sentinel_rig_stop(struct sentinel_rig *rig)
{
    for (int i = 0; i < SENTINEL_RIG_COUNT; i++)
        redis_rig_end(&rig->sentinels[i]);
    for (int i = 0; i < 2; i++)
        redis_rig_end(&rig->servers[i]);
}

#endif
