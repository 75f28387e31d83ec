#include "common/address/host_id.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Converts "9a7c5c39-…" to 16 bytes, without the dashes. Returns the number of bytes. */
static size_t parse_uuid(const char *text, uint8_t id_r[HOST_ID_BYTES])
{
    size_t n = 0;

    while (text[0] && text[1] && n < HOST_ID_BYTES) {
        char digits[3] = {text[0], text[1], '\0'};

        if (text[0] == '-') {
            text++;
            continue;
        }
        id_r[n++] = (uint8_t)strtoul(digits, NULL, 16);
        text += 2;
    }
    return n;
}

int host_id_read(uint8_t id_r[HOST_ID_BYTES])
{
    char text[64] = "";
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    if (fd >= 0)
        close(fd);
    if (got >= 0 && parse_uuid(text, id_r) == HOST_ID_BYTES)
        return 0;
    memset(id_r, 0, HOST_ID_BYTES);
    return -1;
}
