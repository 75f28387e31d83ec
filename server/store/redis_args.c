#include "server/store/redis_args.h"

#include <assert.h>
#include <string.h>

void redis_args_add(struct redis_args *args, const void *bytes, size_t len)
{
    assert(args->count < REDIS_ARGS_MAX);
    args->parts[args->count] = len > 0 ? bytes : "";
    args->lens[args->count++] = len;
}

void redis_args_text(struct redis_args *args, const char *text)
{
    redis_args_add(args, text, strlen(text));
}

void redis_args_script(struct redis_args *args, const char *digest,
                       enum redis_script script, int keys)
{
    static const char *const counts[] = {"0", "1", "2", "3", "4", "5"};

    assert(keys >= 0 && keys < (int)(sizeof counts / sizeof *counts));
    args->count = 0;
    if (digest[0] == 0) {
        redis_args_text(args, "EVAL");
        redis_args_text(args, redis_script_text(script));
    } else {
        redis_args_text(args, "EVALSHA");
        redis_args_text(args, digest);
    }
    redis_args_text(args, counts[keys]);
}
