/*
 * The parts of a command to Redis, on the stack of who sends it. Pure; any thread
 * may call.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_ARGS_H
#define OFFLOOP_SERVER_STORE_REDIS_ARGS_H

#include <stddef.h>

#include "server/store/redis_script.h"

#define REDIS_ARGS_MAX 16

/* A command's parts; what they point to is copied by sending. */
struct redis_args {
    int count;
    const char *parts[REDIS_ARGS_MAX];
    size_t lens[REDIS_ARGS_MAX]; /* bytes */
};

/* Adds a part. */
void redis_args_add(struct redis_args *args, const void *bytes, size_t len);

/* Adds a text; it must stay until the command is sent. */
void redis_args_text(struct redis_args *args, const char *text);

/* Begins a script's call: its name and how many of the parts to come are keys. The text
   where the digest is "": where Redis would not load it, or has lost it. */
void redis_args_script(struct redis_args *args, const char *digest,
                       enum redis_script script, int keys);

#endif
