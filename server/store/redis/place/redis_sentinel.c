#include "server/store/redis/place/redis_sentinel.h"

#include <assert.h>
#include <ev.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/list.h"

/* A search that waits asks the Sentinels that have come up meanwhile at each tick. */
#define TICK_S 0.02
#define TICKS  ((unsigned)(REDIS_SENTINEL_WAIT_S / TICK_S))

/* One of them. */
struct sentinel {
    struct redis_sentinels *all;
    struct redis_url url;
    struct redis_conn *conn;
    struct redis_call call;
    bool asking;   /* its reply is to come; the question may be an earlier search's */
    bool asked;    /* in this search */
    bool answered; /* in this search, with a host and a port */
    struct redis_found answer;
};

struct redis_sentinels {
    struct redis_locator locator;
    struct ev_loop *loop;
    const struct redis_url *url;
    struct ev_timer tick; /* runs while there is a search */
    bool searching;
    unsigned ticks;
    bool has_lost;
    struct redis_found lost;
    redis_locator_done *done;
    void *ctx;
    unsigned count;
    struct sentinel each[REDIS_URL_PLACES];
};

static struct redis_sentinels *of(struct redis_locator *locator)
{
    return container_of(locator, struct redis_sentinels, locator);
}

struct redis_locator *redis_sentinels_locator(struct redis_sentinels *all)
{
    return &all->locator;
}

/* ---- a search ---- */

static unsigned votes_of(const struct redis_sentinels *all,
                         const struct redis_found *answer)
{
    unsigned votes = 0;

    for (unsigned i = 0; i < all->count; i++)
        votes +=
            all->each[i].answered && redis_found_equals(&all->each[i].answer, answer);
    return votes;
}

static unsigned count_answers(const struct redis_sentinels *all)
{
    unsigned count = 0;

    for (unsigned i = 0; i < all->count; i++)
        count += all->each[i].answered;
    return count;
}

/* 0 for an answer that is not believed: fewer than half give it. The server that was
   lost comes last. */
static unsigned weight_of(const struct redis_sentinels *all,
                          const struct redis_found *answer, unsigned votes)
{
    bool is_lost = all->has_lost && redis_found_equals(&all->lost, answer);

    if (2 * votes < count_answers(all))
        return 0;
    return is_lost ? votes : votes + REDIS_URL_PLACES;
}

/* The result of the answers so far. */
static void choose(const struct redis_sentinels *all, struct redis_found *found_r)
{
    unsigned best = 0;

    *found_r = (struct redis_found){.why = "no Sentinel answers"};
    for (unsigned i = 0; i < all->count; i++) {
        const struct sentinel *one = &all->each[i];
        unsigned votes, weight;

        if (one->asked && !one->asking && !one->answered && count_answers(all) == 0)
            found_r->why = "the Sentinels know no such master";
        if (!one->answered)
            continue;
        votes = votes_of(all, &one->answer);
        weight = weight_of(all, &one->answer, votes);
        if (best == 0)
            found_r->why = "the Sentinels do not agree";
        if (weight > best) {
            best = weight;
            *found_r = one->answer;
            found_r->votes = votes;
            found_r->voters = all->count;
        }
    }
}

static void end_search(struct redis_sentinels *all)
{
    all->searching = false;
    ev_timer_stop(all->loop, &all->tick);
}

static void finish(struct redis_sentinels *all)
{
    struct redis_found found;

    end_search(all);
    choose(all, &found);
    all->done(all->ctx, &found);
}

static bool has_all_answers(const struct redis_sentinels *all)
{
    for (unsigned i = 0; i < all->count; i++)
        if (!all->each[i].asked || all->each[i].asking)
            return false;
    return true;
}

/* A host and a port as text, as Sentinel gives them; -1 for anything else. */
static int read_answer(const struct redisReply *reply, struct redis_found *answer_r)
{
    const struct redisReply *host, *port;
    unsigned long number;
    char *end;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2)
        return -1;
    host = reply->element[0];
    port = reply->element[1];
    if (host->type != REDIS_REPLY_STRING || port->type != REDIS_REPLY_STRING ||
        host->len == 0 || host->len > REDIS_LOCATOR_HOST_MAX ||
        strlen(host->str) != host->len || port->len == 0 || port->len > 5)
        return -1;
    number = strtoul(port->str, &end, 10);
    if (*end != 0 || port->str[0] < '0' || port->str[0] > '9' || number == 0 ||
        number > 65535)
        return -1;
    memcpy(answer_r->host, host->str, host->len + 1);
    answer_r->port = (unsigned)number;
    return 0;
}

static void on_reply(struct redis_call *call, const struct redisReply *reply)
{
    struct sentinel *one = container_of(call, struct sentinel, call);

    one->asking = false;
    one->answer = (struct redis_found){0};
    one->answered = reply != NULL && read_answer(reply, &one->answer) == 0;
    if (one->all->searching && has_all_answers(one->all))
        ev_feed_event(one->all->loop, &one->all->tick, EV_CUSTOM);
}

static void ask(struct sentinel *one)
{
    struct redis_command args = {0};

    redis_command_text(&args, "SENTINEL");
    redis_command_text(&args, "get-master-addr-by-name");
    redis_command_text(&args, one->all->url->master);
    if (!one->asking && redis_conn_send(one->conn, &args, &one->call) == 0)
        one->asking = one->asked = true;
}

static void ask_the_rest(struct redis_sentinels *all)
{
    for (unsigned i = 0; i < all->count; i++)
        if (!all->each[i].asked)
            ask(&all->each[i]);
}

/* EV_CUSTOM: all have answered. */
static void on_tick(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct redis_sentinels *all = timer->data;

    (void)loop;
    if (!all->searching)
        return;
    if ((events & EV_CUSTOM) != 0 || ++all->ticks >= TICKS)
        finish(all);
    else
        ask_the_rest(all);
}

/* ---- as a locator ---- */

static void search(struct redis_locator *locator, const struct redis_found *lost,
                   redis_locator_done *done, void *ctx)
{
    struct redis_sentinels *all = of(locator);

    assert(!all->searching);
    all->done = done;
    all->ctx = ctx;
    all->has_lost = lost != NULL;
    if (lost != NULL)
        all->lost = *lost;
    all->ticks = 0;
    for (unsigned i = 0; i < all->count; i++)
        all->each[i].asked = all->each[i].answered = false;
    ev_timer_set(&all->tick, TICK_S, TICK_S);
    ev_timer_start(all->loop, &all->tick);
    all->searching = true;
    ask_the_rest(all);
}

static void stop(struct redis_locator *locator)
{
    end_search(of(locator));
}

static bool is_searching(const struct redis_locator *locator)
{
    /* its first member */
    return ((const struct redis_sentinels *)(const void *)locator)->searching;
}

/* ---- all of them ---- */

struct redis_sentinels *redis_sentinels_create(struct ev_loop *loop,
                                               const struct redis_url *url,
                                               const struct redis_tls *tls)
{
    struct redis_sentinels *all = mem_zalloc(sizeof *all);

    assert(url->place_count > 0 && url->place_count <= REDIS_URL_PLACES);
    all->locator = (struct redis_locator){search, stop, is_searching};
    all->loop = loop;
    all->url = url;
    all->count = (unsigned)url->place_count;
    ev_init(&all->tick, on_tick);
    all->tick.data = all;
    for (unsigned i = 0; i < all->count; i++) {
        struct sentinel *one = &all->each[i];
        const struct redis_conn_config config = {
            .url = &one->url, .tls = tls, .purpose = REDIS_FOR_SENTINEL};

        one->all = all;
        one->call.on_reply = on_reply;
        redis_url_of_place(&one->url, url, url->places[i].host, url->places[i].port);
        one->conn = redis_conn_create(loop, &config);
    }
    return all;
}

void redis_sentinels_destroy(struct redis_sentinels **sentinels)
{
    struct redis_sentinels *all = *sentinels;

    if (all == NULL)
        return;
    assert(!all->searching);
    for (unsigned i = 0; i < all->count; i++) {
        redis_conn_destroy(&all->each[i].conn);
        redis_url_free(&all->each[i].url);
    }
    mem_free(all);
    *sentinels = NULL;
}
