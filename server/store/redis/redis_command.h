/*
 * A command to Redis, part by part, on the sender's stack; and the object that
 * waits for its reply. The functions are pure; any thread may call.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_REDIS_COMMAND_H
#define OFFLOOP_SERVER_STORE_REDIS_REDIS_COMMAND_H

#include <stddef.h>

#include "server/store/redis/redis_script.h"

#define REDIS_COMMAND_MAX 16

/* A command's parts. Sending copies the bytes that they point to. */
struct redis_command {
    int count;
    const char *parts[REDIS_COMMAND_MAX];
    size_t lens[REDIS_COMMAND_MAX]; /* bytes */
};

struct redisReply;
struct redis_conn;

/* Waits for replies: embedded in the caller's object, which must stay until on_reply was
   called as often as commands were sent with it. */
struct redis_call {
    /* reply is NULL if the connection was lost; it is freed on return. */
    void (*on_reply)(struct redis_call *call, const struct redisReply *reply);
    struct redis_conn *from; /* the reply's connection; valid while on_reply runs */
};

/* Adds a part. */
void redis_command_add(struct redis_command *args, const void *bytes, size_t len);

/* Adds a text; it must stay until the command is sent. */
void redis_command_text(struct redis_command *args, const char *text);

/* Begins a script's call: the script, and how many of the parts that follow are keys. The
   script goes by its digest, or as text if the digest is "" (Redis would not load it, or
   has lost it). */
void redis_command_script(struct redis_command *args, const char *digest,
                          enum redis_script script, int keys);

#endif
