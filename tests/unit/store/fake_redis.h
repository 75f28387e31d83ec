/*
 * A server on the test's loop that answers from a script: bytes for each command
 * that begins with a word. It gives odd replies that no real server gives.
 */
#ifndef OFFLOOP_TESTS_UNIT_STORE_FAKE_REDIS_H
#define OFFLOOP_TESTS_UNIT_STORE_FAKE_REDIS_H

#include "tests/unit/store/redis_rig.h"

#include "common/base/alloc.h"

#define FAKE_CLIENTS 16

struct fake_redis;

struct fake_client {
    struct fake_redis *fake;
    struct ev_io io; /* inactive if there is none */
    redisReader *reader;
};

struct fake_redis {
    struct ev_loop *loop;
    int fd, port;
    struct ev_io io;
    const char *script; /* "WORD reply WORD reply"; a reply ends at the next known word */
    unsigned commands;
    /* NULL for none: called before a command is answered; may set another script */
    void (*on_command)(struct fake_redis *fake, const char *word);
    struct fake_client clients[FAKE_CLIENTS];
};

/* Words that begin a piece of a script. */
static const char *const fake_words[] = {
    "PING ",   "SENTINEL ",    "ROLE ",     "CONFIG ",   "SCRIPT ", "CLUSTER ",
    "AUTH ",   "EVALSHA ",     "EVAL ",     "GETRANGE ", "ASKING ", "ZADD ",
    "ZCARD ",  "ZRANGEBYLEX ", "SETRANGE ", "EXPIRE ",   "UNLINK ", "EXISTS ",
    "STRLEN ", "SCAN ",        "GET "};

static inline const char *fake_next_word(const char *at)
{
    const char *first = at + strlen(at);

    for (size_t i = 0; i < sizeof fake_words / sizeof *fake_words; i++) {
        const char *found = strstr(at, fake_words[i]);

        if (found != NULL && found < first)
            first = found;
    }
    return first;
}

/* Sends the script's reply for the word, if it has one. */
static inline void fake_answer(struct fake_client *client, const char *word)
{
    char begin[64];
    const char *at, *end;

    snprintf(begin, sizeof begin, "%s ", word);
    at = strstr(client->fake->script, begin);
    if (at == NULL)
        return;
    at += strlen(begin);
    end = fake_next_word(at);
    RIG_CHECK(write(client->io.fd, at, (size_t)(end - at)) == end - at);
}

static inline void fake_close(struct fake_client *client)
{
    if (client->reader == NULL)
        return;
    ev_io_stop(client->fake->loop, &client->io);
    close(client->io.fd);
    redisReaderFree(client->reader);
    client->reader = NULL;
}

static inline void fake_read(struct ev_loop *loop, struct ev_io *io, int events)
{
    struct fake_client *client = io->data;
    char bytes[65536];
    ssize_t got = read(io->fd, bytes, sizeof bytes);
    void *reply;

    (void)loop, (void)events;
    if (got <= 0) {
        fake_close(client);
        return;
    }
    RIG_CHECK(redisReaderFeed(client->reader, bytes, (size_t)got) == REDIS_OK);
    while (redisReaderGetReply(client->reader, &reply) == REDIS_OK && reply != NULL) {
        redisReply *command = reply;

        client->fake->commands++;
        if (client->fake->on_command != NULL)
            client->fake->on_command(client->fake, command->element[0]->str);
        fake_answer(client, command->element[0]->str);
        freeReplyObject(reply);
    }
}

static inline void fake_accept(struct ev_loop *loop, struct ev_io *io, int events)
{
    struct fake_redis *fake = io->data;
    int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC), target = 1 << 18;

    (void)events;
    RIG_CHECK(fd >= 0);
    /* A long reply must not wait for its reader, because that runs on this loop. */
    RIG_CHECK(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &target, sizeof target) == 0);
    for (int i = 0; i < FAKE_CLIENTS; i++) {
        struct fake_client *client = &fake->clients[i];

        if (client->reader != NULL)
            continue;
        client->fake = fake;
        client->reader = redisReaderCreate();
        ev_io_init(&client->io, fake_read, fd, EV_READ);
        client->io.data = client;
        ev_io_start(loop, &client->io);
        return;
    }
    RIG_CHECK(!"too many clients");
}

/* The script must stay. */
static inline struct fake_redis *fake_redis_start(struct ev_loop *loop,
                                                  const char *script)
{
    struct sockaddr_in any = {.sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof any;
    struct fake_redis *fake = mem_zalloc(sizeof *fake);

    signal(SIGPIPE, SIG_IGN);
    fake->loop = loop;
    fake->script = script;
    fake->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    RIG_CHECK(fake->fd >= 0 && bind(fake->fd, (struct sockaddr *)&any, sizeof any) == 0);
    RIG_CHECK(listen(fake->fd, FAKE_CLIENTS) == 0);
    RIG_CHECK(getsockname(fake->fd, (struct sockaddr *)&any, &len) == 0);
    fake->port = ntohs(any.sin_port);
    ev_io_init(&fake->io, fake_accept, fake->fd, EV_READ);
    fake->io.data = fake;
    ev_io_start(loop, &fake->io);
    return fake;
}

static inline int fake_redis_port(const struct fake_redis *fake)
{
    return fake->port;
}

static inline void fake_redis_stop(struct fake_redis **fake)
{
    for (int i = 0; i < FAKE_CLIENTS; i++)
        fake_close(&(*fake)->clients[i]);
    ev_io_stop((*fake)->loop, &(*fake)->io);
    close((*fake)->fd);
    mem_free(*fake);
    *fake = NULL;
}

#endif
