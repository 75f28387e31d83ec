#include "server/store/store_url.h"

#include <string.h>

#include "common/base/text.h"
#include "server/store/redis/redis_url.h"

#define LMDB_SCHEME "lmdb:"

int store_url_check(const char *url, const char **expected_r)
{
    struct redis_url redis;

    if (redis_url_is_redis(url)) {
        *expected_r = redis_url_expected(url);
        if (redis_url_parse(url, &redis) < 0)
            return -1;
        redis_url_free(&redis);
        return 0;
    }
    *expected_r = "lmdb:DIR, " REDIS_URL_EXPECTED;
    return store_url_needs_writer(url) && store_url_lmdb_dir(url)[0] != 0 ? 0 : -1;
}

const char *store_url_lmdb_dir(const char *url)
{
    return text_after(url, LMDB_SCHEME);
}

bool store_url_needs_writer(const char *url)
{
    return store_url_lmdb_dir(url) != NULL;
}

bool store_url_is_foreign(const char *url)
{
    struct redis_url redis;
    bool is_foreign;

    if (!redis_url_is_redis(url) || redis_url_parse(url, &redis) < 0)
        return false;
    is_foreign = redis.keys != NULL;
    redis_url_free(&redis);
    return is_foreign;
}

/* Where a login can end: in a sound URL with a template of keys, which may hold an @,
   before that. */
static size_t login_area(const char *url)
{
    return store_url_is_foreign(url) ? (size_t)(redis_url_query(url) - url) : strlen(url);
}

/* The text between "//" and the last "@" may be a login, even in a malformed URL. */
void store_url_print(const char *url, struct buf *out)
{
    const char *login = strstr(url, "//");
    const char *at = memrchr(url, '@', login_area(url));
    const char *colon;

    if (store_url_needs_writer(url) || login == NULL || at == NULL || at < login) {
        buf_append_str(out, url);
        return;
    }
    login += 2;
    colon = memchr(login, ':', (size_t)(at - login));
    if (colon == NULL)
        colon = login; /* no user name: nothing of it is printed */
    buf_append(out, url, (size_t)(colon - url));
    buf_append_str(out, colon == login ? "***" : ":***");
    buf_append_str(out, at);
}
