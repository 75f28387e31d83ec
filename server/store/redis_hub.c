#include "server/store/redis_hub.h"

#include <assert.h>
#include <sys/random.h>

#include "common/log.h"
#include "server/store/redis_sentinel.h"

/* What is wrong with the certificates shows when they are needed: now. */
static int open_tls(struct redis_hub *hub, const struct store_tls *given)
{
    struct buf why = BUF_INIT;

    if (!hub->url.tls)
        return 0;
    hub->tls = redis_tls_create(given, &why);
    if (hub->tls == NULL)
        log_warn("store: TLS: %.*s", (int)why.len, (const char *)why.data);
    buf_free(&why);
    return hub->tls == NULL ? -1 : 0;
}

int redis_hub_open(struct redis_hub *hub, struct ev_loop *loop,
                   const struct store_config *config)
{
    *hub = (struct redis_hub){0};
    if (redis_url_parse(config->url, &hub->url) < 0) {
        log_warn("no store is known for that URL: expected %s", REDIS_URL_EXPECTED);
        return -1;
    }
    if (open_tls(hub, &config->tls) < 0) {
        redis_url_free(&hub->url);
        return -1;
    }
    /* Uploads of different fronts must not meet. */
    if (getrandom(&hub->uploads, sizeof hub->uploads, 0) != (ssize_t)sizeof hub->uploads)
        log_fatal("store: no random numbers: %m");
    if (hub->url.kind == REDIS_SENTINEL)
        hub->sentinels = redis_sentinels_create(loop, &hub->url, hub->tls);
    hub->conn = redis_conn_create(
        loop, &(struct redis_conn_config){
                  .url = &hub->url, .tls = hub->tls, .sentinels = hub->sentinels});
    return 0;
}

void redis_hub_close(struct redis_hub *hub)
{
    redis_conn_destroy(&hub->conn);
    assert(hub->writes_waiting == 0);
    redis_sentinels_destroy(&hub->sentinels);
    redis_tls_destroy(&hub->tls);
    redis_url_free(&hub->url);
}
