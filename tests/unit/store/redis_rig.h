/*
 * A real redis-server in a temporary directory on a free port of loopback, and
 * stores over it; store_rig.h has the requests. Nothing here sleeps: each
 * function waits for an event, under an alarm.
 */
#ifndef OFFLOOP_TESTS_UNIT_STORE_REDIS_RIG_H
#define OFFLOOP_TESTS_UNIT_STORE_REDIS_RIG_H

#include "tests/unit/store/store_rig.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <hiredis/hiredis.h>
#include <netdb.h>
#include <netinet/in.h>

#define REDIS_RIG_ARGS 24

struct redis_rig {
    char dir[64];
    int port;
    pid_t pid;                        /* 0 for none */
    const char *more[REDIS_RIG_ARGS]; /* additional flags, NULL last */
    struct rig rig;                   /* loop and store */
};

/* True if the host can resolve localhost (a bare container may not). */
static inline bool redis_rig_has_localhost(void)
{
    struct addrinfo *found = NULL;
    bool has = getaddrinfo("localhost", NULL, NULL, &found) == 0;

    if (has)
        freeaddrinfo(found);
    return has;
}

/* A port that is free now. */
static inline int redis_rig_free_port(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof any;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    RIG_CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&any, sizeof any) == 0);
    RIG_CHECK(getsockname(fd, (struct sockaddr *)&any, &len) == 0);
    close(fd);
    return ntohs(any.sin_port);
}

static inline void redis_rig_exec(const struct redis_rig *redis)
{
    char port[16], sock[96];
    const char *argv[64] = {"redis-server", "--port",        port,       "--bind",
                            "127.0.0.1",    "--dir",         redis->dir, "--unixsocket",
                            sock,           "--save",        "",         "--appendonly",
                            "yes",          "--appendfsync", "always",   "--logfile",
                            "redis.log"};
    int count = 17;
    int out = open("/dev/null", O_WRONLY | O_CLOEXEC);

    snprintf(port, sizeof port, "%d", redis->port);
    snprintf(sock, sizeof sock, "%s/redis.sock", redis->dir);
    for (int i = 0; redis->more[i] != NULL; i++)
        argv[count++] = redis->more[i];
    alarm(0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(out, 1);
    dup2(out, 2);
    execvp(argv[0], (char **)(uintptr_t)argv);
    _exit(98);
}

/* A connection of the test itself; NULL if no server listens. */
static inline redisContext *redis_rig_connect(const struct redis_rig *redis)
{
    redisContext *context = redisConnect("127.0.0.1", redis->port);

    RIG_CHECK(context != NULL);
    if (context->err == 0)
        return context;
    redisFree(context);
    return NULL;
}

/* Waits until a server answers; the answer may be that it wants a password. */
static inline void redis_rig_await_server(const struct redis_rig *redis)
{
    for (;;) {
        redisContext *context = redis_rig_connect(redis);
        redisReply *reply = context ? redisCommand(context, "PING") : NULL;
        bool there = reply != NULL && strncmp(reply->str, "LOADING", 7) != 0;

        if (reply != NULL)
            freeReplyObject(reply);
        if (context != NULL)
            redisFree(context);
        if (there)
            return;
        RIG_CHECK(waitpid(redis->pid, NULL, WNOHANG) == 0);
        usleep(2000); /* polling */
    }
}

/* Starts redis-server and waits until it answers. */
static inline void redis_rig_start_server(struct redis_rig *redis)
{
    RIG_CHECK(redis->pid == 0);
    fflush(NULL);
    redis->pid = fork();
    RIG_CHECK(redis->pid >= 0);
    if (redis->pid == 0)
        redis_rig_exec(redis);
    redis_rig_await_server(redis);
}

static inline void redis_rig_end_server(struct redis_rig *redis, int number)
{
    RIG_CHECK(kill(redis->pid, number) == 0);
    RIG_CHECK(waitpid(redis->pid, NULL, 0) == redis->pid);
    redis->pid = 0;
}

/* Sends a command of the test itself. The reply, text or a number as text, must equal
   `expected` unless that is NULL. */
static inline void redis_rig_command(const struct redis_rig *redis, const char *expected,
                                     const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static inline void redis_rig_command(const struct redis_rig *redis, const char *expected,
                                     const char *format, ...)
{
    redisContext *context = redis_rig_connect(redis);
    redisReply *reply;
    char number[32];
    va_list args;

    RIG_CHECK(context != NULL);
    va_start(args, format);
    reply = redisvCommand(context, format, args);
    va_end(args);
    RIG_CHECK(reply != NULL);
    snprintf(number, sizeof number, "%lld", reply->integer);
    if (expected != NULL &&
        strcmp(reply->type == REDIS_REPLY_INTEGER ? number : reply->str, expected) != 0)
        log_panic("%s: %s, not %s", format, reply->str ? reply->str : number, expected);
    freeReplyObject(reply);
    redisFree(context);
}

/* How often the server has received a command; the name is in lower case. */
static inline unsigned long redis_rig_calls(const struct redis_rig *redis,
                                            const char *command)
{
    redisContext *context = redis_rig_connect(redis);
    redisReply *reply;
    unsigned long calls = 0;
    char begin[64];
    const char *at;

    RIG_CHECK(context != NULL);
    reply = redisCommand(context, "INFO commandstats");
    RIG_CHECK(reply != NULL && reply->type == REDIS_REPLY_STRING);
    snprintf(begin, sizeof begin, "cmdstat_%s:calls=", command);
    at = strstr(reply->str, begin);
    if (at != NULL)
        calls = strtoul(at + strlen(begin), NULL, 10);
    freeReplyObject(reply);
    redisFree(context);
    return calls;
}

/* Runs the loop until the store is ready, or until it is not. */
static inline void redis_rig_await(struct rig *rig, bool ready)
{
    const char *why;

    while (store_is_ready(rig->store, &why) != ready)
        ev_run(rig->loop, EVRUN_ONCE);
}

static inline void redis_rig_open_url(struct rig *rig, const char *url)
{
    struct store_config config = {.url = url, .writer_listen_fd = -1};

    rig->loop = ev_loop_new(EVFLAG_AUTO);
    RIG_CHECK(rig->loop != NULL);
    rig->store = store_open(rig->loop, &config);
    RIG_CHECK(rig->store != NULL);
}

/* Opens another front on the same server, with a loop of its own. */
static inline void redis_rig_open(const struct redis_rig *redis, struct rig *rig)
{
    char url[64];

    snprintf(url, sizeof url, "redis://127.0.0.1:%d/0", redis->port);
    redis_rig_open_url(rig, url);
    redis_rig_await(rig, true);
}

static inline void redis_rig_close(struct rig *rig)
{
    store_close(&rig->store);
    ev_loop_destroy(rig->loop);
}

/* Starts a server with additional flags (NULL for none), without a store. */
static inline void redis_rig_init(struct redis_rig *redis, const char *const *more)
{
    *redis = (struct redis_rig){.port = redis_rig_free_port()};
    alarm(RIG_ALARM_S);
    snprintf(redis->dir, sizeof redis->dir, "/tmp/offloop-redis-XXXXXX");
    RIG_CHECK(mkdtemp(redis->dir) != NULL);
    for (int i = 0; more != NULL && more[i] != NULL; i++)
        redis->more[i] = more[i];
    redis_rig_start_server(redis);
}

static inline int redis_rig_remove(const char *path, const struct stat *status, int type,
                                   struct FTW *at)
{
    (void)status, (void)type, (void)at;
    return remove(path);
}

/* Ends the server and removes its files. */
static inline void redis_rig_end(struct redis_rig *redis)
{
    if (redis->pid != 0)
        redis_rig_end_server(redis, SIGKILL);
    RIG_CHECK(nftw(redis->dir, redis_rig_remove, 16, FTW_DEPTH | FTW_PHYS) == 0);
    alarm(0);
}

/* Starts a server, and opens a store over it. */
static inline void redis_rig_start(struct redis_rig *redis, const char *const *more)
{
    redis_rig_init(redis, more);
    redis_rig_open(redis, &redis->rig);
}

static inline void redis_rig_stop(struct redis_rig *redis)
{
    redis_rig_close(&redis->rig);
    redis_rig_end(redis);
}

#endif
