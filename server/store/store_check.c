#include "server/store/store_check.h"

#include "common/log.h"
#include "server/store/lmdb_walk.h"
#include "server/store/redis_check.h"
#include "server/store/redis_url.h"
#include "server/store/store_backend.h"

int store_check(const struct store_config *config, store_check_verify *verify, void *ctx,
                struct store_check_counts *counts_r)
{
    const char *dir = store_backend_match(config->url, "lmdb");
    struct lmdb_walk_result result = {0};
    int rc = -1;

    if (redis_url_is_redis(config->url))
        return redis_check(config, verify, ctx, counts_r);
    if (dir != NULL)
        rc = lmdb_walk_in_child(dir, config->lmdb_max, verify, ctx, &result);
    else
        log_warn("no check is known for that store");
    *counts_r = (struct store_check_counts){result.documents, result.collections,
                                            result.bytes, result.damaged};
    return rc;
}
