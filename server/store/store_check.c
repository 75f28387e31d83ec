#include "server/store/store_check.h"

#include "common/base/log.h"
#include "server/store/lmdb/lmdb_check.h"
#include "server/store/redis/redis_check.h"
#include "server/store/redis/redis_url.h"
#include "server/store/store_backend.h"

int store_check(const struct store_config *config, store_check_verify *verify, void *ctx,
                struct store_check_counts *counts_r)
{
    const char *dir = store_backend_match(config->url, "lmdb");
    struct lmdb_check_result result = {0};
    int rc = -1;

    if (redis_url_is_redis(config->url))
        return redis_check(config, verify, ctx, counts_r);
    if (dir != NULL)
        rc = lmdb_check_in_child(dir, config->lmdb_max, verify, ctx, &result);
    else
        log_warn("no check is known for that store");
    *counts_r = (struct store_check_counts){result.documents, result.collections,
                                            result.bytes, result.damaged};
    return rc;
}
