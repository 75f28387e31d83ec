#include "tests/simulation/clients/sim_clients.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/list.h"
#include "tests/simulation/front/sim_front.h"
#include "tests/simulation/clients/sim_reply.h"
#include "tests/simulation/clients/sim_request.h"
#include "tests/simulation/system/sim_socket.h"
#include "tests/simulation/system/sim_world.h"

#define CLIENTS_MAX  12
#define REQUESTS_MAX 6

/* How long a slow client takes for its next step, at most. */
#define SLOW_STEP_NS (4 * NS_PER_S)

/* Why a client may miss a reply. */
enum excuse {
    EXCUSE_NONE,
    EXCUSE_TOLD,    /* a reply said that the connection closes */
    EXCUSE_LEFT,    /* it left */
    EXCUSE_SLOW,    /* it is slow, and may be cut off */
    EXCUSE_CUT,     /* a list that could not be continued was cut short */
    EXCUSE_REFUSED, /* its connection was never served, or closed while idle */
    EXCUSE_DRAIN    /* the front drains */
};

struct client {
    unsigned index;
    struct sim_random random;
    struct sim_socket *socket; /* NULL before it connects */
    struct sim_request requests[REQUESTS_MAX];
    unsigned count;    /* that it asks in all */
    unsigned begun;    /* of them */
    unsigned sent;     /* of them, whole */
    unsigned answered; /* of them */
    size_t sent_bytes; /* of the request that is begun and not sent */
    unsigned depth;    /* requests that it has open at once */
    struct buf in;
    bool has_finished; /* it has sent FIN */
    bool finishes_early, stays;
    bool is_slow, has_left;
    bool is_over;
    enum excuse excuse;
    struct sim_event write, read, leave;
};

static struct {
    struct client clients[CLIENTS_MAX];
    unsigned count;
    unsigned answered;
    struct sim_event early_drain;
    uint64_t begin_ns;
} crowd;

static void on_write(struct sim_event *event);
static void on_read(struct sim_event *event);

static void excuse(struct client *client, enum excuse why)
{
    if (client->excuse == EXCUSE_NONE)
        client->excuse = why;
}

static uint64_t step_ns(struct client *client)
{
    if (client->is_slow && sim_chance(&client->random, 300))
        return sim_some_ns(&client->random, SLOW_STEP_NS);
    return sim_some_ns(&client->random, sim_load()->step_ns);
}

static void write_soon(struct client *client)
{
    if (client->write.place == 0 && !client->is_over)
        sim_event_at(&client->write, sim_now_ns() + step_ns(client), on_write);
}

static void read_soon(struct client *client)
{
    if (client->read.place == 0 && !client->is_over)
        sim_event_at(&client->read, sim_now_ns() + step_ns(client), on_read);
}

static void end(struct client *client)
{
    client->is_over = true;
    sim_event_cancel(&client->write);
    sim_event_cancel(&client->read);
    sim_event_cancel(&client->leave);
}

/* ---- writing ---- */

/* Begins the next request, where the client wants one more open. */
static bool begin_request(struct client *client)
{
    if (client->begun == client->count || client->has_finished ||
        client->begun - client->answered >= client->depth ||
        client->excuse == EXCUSE_TOLD)
        return false;
    sim_request_make(&client->random, &client->requests[client->begun]);
    sim_trace("client %u asks %d (its %u.)", client->index,
              client->requests[client->begun].ask, client->begun);
    client->begun++;
    client->sent_bytes = 0;
    return true;
}

/* Sends a piece of the request, or all that is left. */
static void send_piece(struct client *client)
{
    const struct sim_request *request = &client->requests[client->sent];
    size_t left = request->bytes.len - client->sent_bytes, len = left;

    if (sim_chance(&client->random, client->is_slow ? 512 : 128))
        len = 1 + sim_below(&client->random, left);
    sim_socket_write(client->socket,
                     (struct slice){request->bytes.data + client->sent_bytes, len});
    client->sent_bytes += len;
    if (len == left) {
        client->sent++;
        client->sent_bytes = 0;
    }
}

static void finish(struct client *client)
{
    if (client->has_finished)
        return;
    client->has_finished = true;
    sim_socket_finish(client->socket);
}

static void on_write(struct sim_event *event)
{
    struct client *client = container_of(event, struct client, write);

    if (client->has_finished || sim_socket_is_closed(client->socket))
        return;
    if (client->sent == client->begun && !begin_request(client)) {
        if (client->answered == client->count && !client->stays)
            finish(client);
        return;
    }
    send_piece(client);
    if (client->sent == client->count && client->finishes_early)
        finish(client);
    if (client->sent < client->begun || client->begun - client->answered < client->depth)
        write_soon(client);
}

/* ---- reading ---- */

/* Some other server of the same socket would have taken the client, or none. */
static bool is_turned_away(const struct client *client, const struct sim_reply *reply)
{
    return reply->status == 503 && reply->closes && sim_has(SIM_ACCEPT_FAILS) &&
           client->answered == 0;
}

static void take_reply(struct client *client, struct sim_reply *reply)
{
    const struct sim_request *request = &client->requests[client->answered];

    sim_trace("client %u is answered %d, %zu bytes%s", client->index, reply->status,
              reply->body.len, reply->closes ? ", and the connection closes" : "");
    if (client->excuse == EXCUSE_TOLD)
        sim_fail("a reply comes after one that said that the connection closes");
    if (reply->closes)
        client->excuse = EXCUSE_TOLD;
    if (is_turned_away(client, reply) || reply->status == 100)
        return;
    if (client->answered == client->begun) {
        if (reply->status == 408 && client->is_slow)
            return;
        sim_fail("a reply comes to what was not asked: %d", reply->status);
    }
    if (reply->status == 400 && client->has_left && client->sent == client->answered)
        return; /* it ended within its request */
    sim_request_check(request, reply);
    client->answered++;
    crowd.answered++;
    if (reply->closes && request->ask != SIM_MALFORMED && reply->status < 400 &&
        !sim_front_drains())
        sim_fail("a connection closes after a good reply, and nothing asked for that");
}

static void take_replies(struct client *client)
{
    struct sim_reply reply;

    for (;;) {
        bool to_head = client->answered < client->begun &&
                       client->requests[client->answered].ask == SIM_HEAD;
        enum sim_reply_end read = sim_reply_take(&client->in, to_head, &reply);

        if (read == SIM_REPLY_BAD)
            sim_fail("client %u gets what is no reply", client->index);
        if (read == SIM_REPLY_MORE)
            return;
        take_reply(client, &reply);
        buf_free(&reply.body);
    }
}

/* The connection has ended: whether the client has an excuse for what it misses. */
static void check_end(struct client *client)
{
    bool may_be_cut = client->answered < client->begun &&
                      sim_request_may_be_cut(&client->requests[client->answered]);

    if (sim_front_drains())
        excuse(client, EXCUSE_DRAIN);
    if (may_be_cut)
        excuse(client, EXCUSE_CUT);
    if (client->begun == client->answered || sim_has(SIM_ACCEPT_FAILS))
        excuse(client, EXCUSE_REFUSED);
    if (client->answered < client->count && client->excuse == EXCUSE_NONE)
        sim_fail(
            "client %u: the connection ended before its request %u (%d) was answered",
            client->index, client->answered, client->requests[client->answered].ask);
    end(client);
}

static void on_read(struct sim_event *event)
{
    struct client *client = container_of(event, struct client, read);
    size_t most = client->is_slow ? 1 + sim_below(&client->random, 3000) : SIZE_MAX;
    unsigned answered = client->answered;

    if (sim_socket_read(client->socket, most, &client->in) > 0)
        take_replies(client);
    if (sim_socket_is_over(client->socket)) {
        check_end(client);
        return;
    }
    if (client->answered > answered)
        write_soon(client);
    if (client->is_slow)
        read_soon(client); /* there may be more */
}

static void on_wake(void *owner)
{
    read_soon(owner);
}

/* ---- a life ---- */

static void on_leave(struct sim_event *event)
{
    struct client *client = container_of(event, struct client, leave);

    sim_trace("client %u leaves", client->index);
    client->has_left = true;
    if (client->answered < client->count)
        excuse(client, EXCUSE_LEFT);
    if (sim_chance(&client->random, 512)) {
        sim_socket_reset(client->socket);
        end(client);
    } else {
        finish(client);
    }
}

static void on_connect(struct sim_event *event)
{
    struct client *client = container_of(event, struct client, write);
    size_t capacity =
        sim_chance(&client->random, 512) ? 200000 : 1 + sim_below(&client->random, 5000);

    if (sim_front_drains()) {
        client->excuse = EXCUSE_DRAIN;
        end(client);
        return;
    }
    client->socket = sim_socket_connect(client, on_wake, capacity);
    if (sim_has(SIM_CLIENT_LEAVES) && sim_chance(&client->random, 512))
        sim_event_at(&client->leave,
                     sim_now_ns() + sim_some_ns(&client->random, 200 * NS_PER_MS),
                     on_leave);
    write_soon(client);
}

static void on_early_drain(struct sim_event *event)
{
    (void)event;
    sim_front_drain();
}

static unsigned smaller(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static void client_begin(unsigned index)
{
    struct client *client = &crowd.clients[index];

    *client = (struct client){.index = index};
    client->random = sim_random_stream('c', index);
    client->count = smaller(1 + (unsigned)sim_below(&client->random, REQUESTS_MAX),
                            sim_limits()->requests);
    client->depth = sim_chance(&client->random, 256)
                        ? 1 + (unsigned)sim_below(&client->random, REQUESTS_MAX)
                        : 1;
    client->finishes_early = sim_chance(&client->random, 128);
    client->stays = sim_chance(&client->random, 128);
    client->is_slow = sim_has(SIM_CLIENT_SLOW) && sim_chance(&client->random, 512);
    if (client->is_slow)
        client->excuse = EXCUSE_SLOW;
    sim_event_at(&client->write,
                 sim_now_ns() + sim_below(&client->random, sim_load()->begin_ns),
                 on_connect);
}

void sim_clients_begin(void)
{
    struct sim_random random = sim_random_stream('C', 0);
    unsigned count = 1 + (unsigned)sim_below(&random, sim_load()->clients);

    memset(&crowd.early_drain, 0, sizeof crowd.early_drain);
    crowd.answered = 0;
    crowd.begin_ns = sim_now_ns();
    crowd.count = smaller(count, sim_limits()->clients);
    for (unsigned i = 0; i < crowd.count; i++)
        client_begin(i);
    if (sim_has(SIM_EARLY_DRAIN))
        sim_event_at(&crowd.early_drain,
                     sim_now_ns() + sim_some_ns(&random, 300 * NS_PER_MS),
                     on_early_drain);
}

static bool is_done(const struct client *client)
{
    return client->is_over ||
           (client->answered == client->count && client->socket != NULL);
}

/* A request that was sent whole is answered in a bounded time. */
static void check_time(const struct client *client)
{
    if (client->is_over || client->is_slow || client->sent <= client->answered)
        return;
    if (client->requests[client->answered].begun_ns + SIM_ANSWER_NS < sim_now_ns())
        sim_fail("client %u: its request %u (%d) is not answered", client->index,
                 client->answered, client->requests[client->answered].ask);
}

void sim_clients_check(void)
{
    unsigned done = 0;

    for (unsigned i = 0; i < crowd.count; i++) {
        check_time(&crowd.clients[i]);
        done += is_done(&crowd.clients[i]);
    }
    if (done == crowd.count && crowd.early_drain.place == 0)
        sim_front_drain();
    if (sim_now_ns() > crowd.begin_ns + 10 * SIM_ANSWER_NS)
        sim_fail("the execution does not end");
}

void sim_clients_end(void)
{
    for (unsigned i = 0; i < crowd.count; i++) {
        struct client *client = &crowd.clients[i];

        if (client->socket != NULL && !client->is_over) {
            while (sim_socket_read(client->socket, SIZE_MAX, &client->in) > 0)
                take_replies(client);
            check_end(client);
        }
        end(client);
        buf_free(&client->in);
        for (unsigned at = 0; at < client->begun; at++)
            buf_free(&client->requests[at].bytes);
    }
}

unsigned sim_clients_answered(void)
{
    return crowd.answered;
}
