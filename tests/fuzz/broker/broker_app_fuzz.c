/*
 * What an application sends on the job socket, byte for byte: the greeting and hello are
 * good where the first byte is odd, so that the rest is read as messages.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "server/jobs/jobs.h"
#include "worker/broker/app.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void no_wake(void *context)
{
    (void)context;
}

static void begin_world(struct app_world *world)
{
    const struct jobs_config config = {.mode = JOBS_RPC};

    world->loop = ev_default_loop(0);
    world->engine = "yajl";
    app_shared_init(&world->shared, jobs_create(world->loop, &config));
    world->shared.wake = no_wake;
}

static void put_hello(int fd)
{
    const struct wire_app_hello hello = {WIRE_VERSION, {NULL, 0}, 0};
    uint8_t head[FRAME_HEAD_BYTES];
    struct buf message = BUF_INIT;

    wire_put_app_hello(&message, &hello);
    frame_put_head(head, message.len);
    (void)!send(fd, WIRE_GREETING, WIRE_GREETING_BYTES, MSG_NOSIGNAL);
    (void)!send(fd, head, sizeof head, MSG_NOSIGNAL);
    (void)!send(fd, message.data, message.len, MSG_NOSIGNAL);
    buf_free(&message);
}

/* As the broker's loop has it: reads, begins jobs, answers. */
static void turn(struct app_world *world)
{
    struct list *dirty;

    ev_run(world->loop, EVRUN_NOWAIT);
    app_jobs_pump(&world->shared);
    while ((dirty = list_shift(&world->shared.dirty)) != NULL)
        app_flush(container_of(dirty, struct app, jobs.dirty));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct app_world world;
    struct list all;
    struct app *app;
    int ends[2];

    if (size == 0)
        return 0;
    if (world.loop == NULL)
        begin_world(&world);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) != 0)
        return 0;
    list_init(&all);
    app = app_create(&world, ends[1]);
    list_append(&all, &app->link); /* it leaves the list when it ends */
    if (data[0] & 1)
        put_hello(ends[0]);
    turn(&world);
    if (size > 1)
        (void)!send(ends[0], data + 1, size - 1, MSG_NOSIGNAL);
    for (unsigned i = 0; i < 3; i++)
        turn(&world);
    if (!list_is_empty(&all))
        app_tick(app, clock_now_ns() + (data[0] & 2 ? 6 * NS_PER_S : 0));
    turn(&world);
    if (!list_is_empty(&all))
        app_destroy(app);
    assert(world.shared.held_bytes == 0);
    close(ends[0]);
    return 0;
}
