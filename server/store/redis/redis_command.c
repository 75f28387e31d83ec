#include "server/store/redis/redis_command.h"

#include <assert.h>
#include <string.h>

void redis_command_add(struct redis_command *args, const void *bytes, size_t len)
{
    assert(args->count < REDIS_COMMAND_MAX);
    args->parts[args->count] = len > 0 ? bytes : "";
    args->lens[args->count++] = len;
}

void redis_command_text(struct redis_command *args, const char *text)
{
    redis_command_add(args, text, strlen(text));
}

void redis_command_script(struct redis_command *args, const char *digest,
                          enum redis_script script, int keys)
{
    static const char *const counts[] = {"0", "1", "2", "3", "4", "5"};

    assert(keys >= 0 && keys < (int)(sizeof counts / sizeof *counts));
    args->count = 0;
    if (digest[0] == 0) {
        redis_command_text(args, "EVAL");
        redis_command_text(args, redis_script_text(script));
    } else {
        redis_command_text(args, "EVALSHA");
        redis_command_text(args, digest);
    }
    redis_command_text(args, counts[keys]);
}
