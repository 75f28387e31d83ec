/*
 * Little-endian integers in bytes, for the disk and the writer's protocol: the
 * same on every host, without alignment. Any process and thread may call; none
 * can fail.
 */
#ifndef OFFLOOP_SERVER_STORE_LITTLE_ENDIAN_H
#define OFFLOOP_SERVER_STORE_LITTLE_ENDIAN_H

#include <stddef.h>
#include <stdint.h>

/* Writes the low `count` bytes (at most 8) of a value, the lowest first. */
static inline void le_put(uint8_t *at, size_t count, uint64_t value)
{
    for (size_t i = 0; i < count; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

/* Reads `count` (at most 8) bytes. */
static inline uint64_t le_get(const uint8_t *at, size_t count)
{
    uint64_t value = 0;

    for (size_t i = 0; i < count; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

#endif
