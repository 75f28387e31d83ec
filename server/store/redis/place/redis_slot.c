#include "server/store/redis/place/redis_slot.h"

#include <string.h>

/* CRC-16/XMODEM, of the cluster specification. */
static unsigned crc16(struct slice bytes)
{
    unsigned crc = 0;

    for (size_t i = 0; i < bytes.len; i++) {
        crc ^= (unsigned)bytes.data[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc & 0x8000) != 0 ? (crc << 1 ^ 0x1021) & 0xffff : crc << 1;
    }
    return crc;
}

struct slice redis_slot_tag(struct slice key)
{
    const uint8_t *open = key.len > 0 ? memchr(key.data, '{', key.len) : NULL;
    const uint8_t *close;

    if (open != NULL) {
        open++;
        close = memchr(open, '}', key.len - (size_t)(open - key.data));
        if (close != NULL && close > open)
            return (struct slice){open, (size_t)(close - open)};
    }
    return key;
}

unsigned redis_slot_of(struct slice key)
{
    return crc16(redis_slot_tag(key)) % REDIS_SLOTS;
}

/* Reads digits up to the end; -1 for other bytes, or a number above max. */
static int read_number(const char *text, const char *end, unsigned max, unsigned *value_r)
{
    *value_r = 0;
    if (text == end || end - text > 5)
        return -1;
    for (; text < end; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        *value_r = *value_r * 10 + (unsigned)(*text - '0');
    }
    return *value_r <= max ? 0 : -1;
}

int redis_redirect_read(const char *text, size_t len, struct redis_redirect *redirect_r)
{
    const char *end = text + len;
    const char *slot = memchr(text, ' ', len);
    const char *host, *colon;

    if (slot == NULL)
        return -1;
    slot++;
    host = memchr(slot, ' ', (size_t)(end - slot));
    if (host == NULL || read_number(slot, host, REDIS_SLOTS - 1, &redirect_r->slot) < 0)
        return -1;
    host++;
    colon = memrchr(host, ':', (size_t)(end - host)); /* an IPv6 address has others */
    if (colon == NULL || colon - host > REDIS_HOST_MAX ||
        memchr(host, ' ', (size_t)(end - host)) != NULL ||
        memchr(host, 0, (size_t)(end - host)) != NULL ||
        read_number(colon + 1, end, 65535, &redirect_r->port) < 0 ||
        redirect_r->port == 0)
        return -1;
    memcpy(redirect_r->host, host, (size_t)(colon - host));
    redirect_r->host[colon - host] = 0;
    return 0;
}
