/* Texts from Redis, and URLs: any bytes must give a result, and no crash. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/base/alloc.h"
#include "server/store/redis/link/redis_error.h"
#include "server/store/redis/redis_layout.h"
#include "server/store/redis/place/redis_slot.h"
#include "server/store/redis/redis_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct redis_redirect redirect;
    struct redis_head head;
    struct redis_url url;
    struct buf shown = BUF_INIT;
    char *copy;

    assert(redis_slot_of((struct slice){data, size}) < REDIS_SLOTS);
    (void)redis_error_read(text, size);
    if (redis_redirect_read(text, size, &redirect) == 0)
        assert(redirect.slot < REDIS_SLOTS && redirect.port > 0 &&
               strlen(redirect.host) <= REDIS_HOST_MAX);
    if (redis_head_read(text, size, &head) == 0)
        assert(head.version > 0 && head.len <= REDIS_DOCUMENT_MAX);
    copy = mem_alloc(size + 1);
    if (size > 0)
        memcpy(copy, data, size);
    copy[size] = 0;
    if (redis_url_parse(copy, &url) == 0) {
        redis_url_print(&url, &shown);
        assert(shown.len > 0);
        redis_url_free(&url);
    }
    buf_free(&shown);
    mem_free(copy);
    return 0;
}
