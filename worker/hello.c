#include "worker/hello.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/log.h"

/* JOBS messages that may wait here: one is worked on while the next is under way. */
#define HELLO_CREDITS 2

/* "9a7c5c39-…" to 16 bytes; dashes are skipped. Returns how many bytes it gave. */
static size_t hello_parse_uuid(const char *text, struct wire_id *id_r)
{
    size_t n = 0;

    while (text[0] && text[1] && n < sizeof(id_r->bytes)) {
        char digits[3] = {text[0], text[1], '\0'};

        if (text[0] == '-') {
            text++;
            continue;
        }
        id_r->bytes[n++] = (uint8_t)strtoul(digits, NULL, 16);
        text += 2;
    }
    return n;
}

/* Two processes under one running kernel read the same; zeros where it tells nothing
   (then no memory is shared). */
static void hello_read_host(struct wire_id *host_r)
{
    char text[64] = "";
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

    if (fd >= 0)
        close(fd);
    if (got < 0 || hello_parse_uuid(text, host_r) != sizeof(host_r->bytes))
        memset(host_r, 0, sizeof(*host_r));
}

void hello_init(struct wire_hello *hello_r, const char *engine)
{
    memset(hello_r, 0, sizeof(*hello_r));
    if (getrandom(hello_r->worker.bytes, sizeof(hello_r->worker.bytes), 0) !=
        (ssize_t)sizeof(hello_r->worker.bytes))
        log_fatal("no random bytes for the worker's id");
    hello_read_host(&hello_r->host);
    hello_r->pid = (uint64_t)getpid();
    hello_r->credits = HELLO_CREDITS;
    hello_r->engine = (struct slice){(const uint8_t *)engine, strlen(engine)};
}
