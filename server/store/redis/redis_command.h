/*
 * The parts of a command to Redis, on the stack of who sends it. Pure; any thread
 * may call.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_REDIS_COMMAND_H
#define OFFLOOP_SERVER_STORE_REDIS_REDIS_COMMAND_H

#include <stddef.h>

#include "server/store/redis/redis_script.h"

#define REDIS_COMMAND_MAX 16

/* A command's parts; what they point to is copied by sending. */
struct redis_command {
    int count;
    const char *parts[REDIS_COMMAND_MAX];
    size_t lens[REDIS_COMMAND_MAX]; /* bytes */
};

/* Adds a part. */
void redis_command_add(struct redis_command *args, const void *bytes, size_t len);

/* Adds a text; it must stay until the command is sent. */
void redis_command_text(struct redis_command *args, const char *text);

/* Begins a script's call: its name and how many of the parts to come are keys. The text
   where the digest is "": where Redis would not load it, or has lost it. */
void redis_command_script(struct redis_command *args, const char *digest,
                          enum redis_script script, int keys);

#endif
