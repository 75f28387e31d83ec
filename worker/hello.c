#include "worker/hello.h"

#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/address/host_id.h"
#include "common/base/log.h"

/* JOBS messages that may wait here: one is worked on while the next is under way. */
#define HELLO_CREDITS 2

_Static_assert(HOST_ID_BYTES == WIRE_ID_BYTES, "a host's id fits");

void hello_init(struct wire_hello *hello_r, const char *engine)
{
    memset(hello_r, 0, sizeof(*hello_r));
    if (getrandom(hello_r->worker.bytes, sizeof(hello_r->worker.bytes), 0) !=
        (ssize_t)sizeof(hello_r->worker.bytes))
        log_fatal("no random bytes for the worker's id");
    hello_r->capabilities = WIRE_CAN_PROMPT | WIRE_CAN_ARENA | WIRE_CAN_POOL |
                            WIRE_CAN_FASTPATH | WIRE_CAN_TRANSFORM;
    /* Unknown, it stays 0: a front to which we come by a path needs none. */
    (void)host_id_read(hello_r->host.bytes);
    hello_r->pid = (uint64_t)getpid();
    hello_r->credits = HELLO_CREDITS;
    hello_r->engine = (struct slice){(const uint8_t *)engine, strlen(engine)};
}
