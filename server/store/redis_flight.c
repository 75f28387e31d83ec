#include "server/store/redis_flight.h"

#include <assert.h>
#include <hiredis/hiredis.h>

#include "common/log.h"

static void cancel(struct store_flight *flight)
{
    container_of(flight, struct redis_flight, flight)->cancelled = true;
}

void redis_flight_init(struct redis_flight *flight, struct redis_hub *hub,
                       struct store_request *request,
                       void (*on_reply)(struct redis_call *, const struct redisReply *))
{
    assert(request->backend == NULL);
    flight->flight.cancel = cancel;
    flight->call.on_reply = on_reply;
    flight->hub = hub;
    request->backend = &flight->flight;
}

void redis_flight_script(const struct redis_flight *flight, struct redis_args *args,
                         enum redis_script script, int keys)
{
    redis_args_script(args,
                      flight->as_text ? "" : redis_conn_digest(flight->hub->conn, script),
                      script, keys);
}

enum store_status redis_flight_status(struct redis_flight *flight,
                                      const struct redisReply *reply, bool *again_r)
{
    struct redis_error error;

    *again_r = false;
    if (reply == NULL)
        return STORE_DOWN;
    if (reply->type != REDIS_REPLY_ERROR)
        return STORE_OK;
    error = redis_conn_take_error(flight->hub->conn, reply);
    if (error.remedy == REDIS_REMEDY_LOAD && !flight->as_text) {
        flight->as_text = true;
        *again_r = !flight->cancelled;
    }
    return error.status;
}

enum store_status redis_flight_damaged(const char *what, struct slice collection,
                                       struct slice id)
{
    log_warn("store: %s %.*s/%.*s is damaged", what, (int)collection.len,
             (const char *)collection.data, (int)id.len, (const char *)id.data);
    return STORE_ERROR;
}
