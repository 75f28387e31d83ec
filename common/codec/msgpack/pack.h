/*
 * Writes MessagePack values in their shortest form, to memory that the caller has
 * reserved. Each function returns the place for the next byte. (msgpack_pack_* calls a
 * callback for every piece, which takes about four times the instructions.) No state;
 * cannot fail.
 *
 * A value's first byte (integers in it are big-endian, floats IEEE 754):
 *
 *   00-7f  the integers 0 to 127          ca, cb     float32, float64
 *   80-8f  map of 0 to 15 pairs           cc-cf      uint of 1, 2, 4, 8 bytes
 *   90-9f  array of 0 to 15 items         d0-d3      int of 1, 2, 4, 8 bytes
 *   a0-bf  string of 0 to 31 bytes        d4-d8      ext of 1, 2, 4, 8, 16 bytes
 *   c0     nil                            d9, da, db string, length in 1, 2, 4 bytes
 *   c2 c3  false, true                    dc, dd     array, count in 2, 4 bytes
 *   c4-c6  bin, not JSON's                de, df     map, count in 2, 4 bytes
 *   c7-c9  ext, length in 1, 2, 4 bytes   e0-ff      the integers -32 to -1
 *
 * c1 is never used. An ext's type byte follows its length.
 */
#ifndef OFFLOOP_COMMON_CODEC_MSGPACK_PACK_H
#define OFFLOOP_COMMON_CODEC_MSGPACK_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The most bytes of a number, a header or a single-byte value. */
#define PACK_MAX_BYTES 9

/* Big-endian stores of 2, 4 and 8 bytes. */
static inline uint8_t *pack_be16(uint8_t *p, uint16_t v)
{
    v = __builtin_bswap16(v);
    memcpy(p, &v, sizeof v);
    return p + sizeof v;
}

/* As pack_be16, 4 bytes. */
static inline uint8_t *pack_be32(uint8_t *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, sizeof v);
    return p + sizeof v;
}

/* As pack_be16, 8 bytes. */
static inline uint8_t *pack_be64(uint8_t *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, sizeof v);
    return p + sizeof v;
}

/* Copies `len` bytes. Few bytes, as in most names and strings, are copied without a call.
 */
static inline uint8_t *pack_bytes(uint8_t *p, const uint8_t *bytes, size_t len)
{
    if (len > 16) {
        memcpy(p, bytes, len); /* below: two stores, which may overlap */
    } else if (len >= 8) {
        memcpy(p, bytes, 8);
        memcpy(p + len - 8, bytes + len - 8, 8);
    } else if (len >= 4) {
        memcpy(p, bytes, 4);
        memcpy(p + len - 4, bytes + len - 4, 4);
    } else if (len > 0) {
        p[0] = bytes[0];
        p[len / 2] = bytes[len / 2];
        p[len - 1] = bytes[len - 1];
    }
    return p + len;
}

/* A non-negative integer; up to 9 bytes. */
static inline uint8_t *pack_uint(uint8_t *p, uint64_t v)
{
    if (v < 0x80) { /* its own first byte */
        *p = (uint8_t)v;
        return p + 1;
    }
    if (v <= UINT8_MAX) {
        *p = 0xcc;
        p[1] = (uint8_t)v;
        return p + 2;
    }
    if (v <= UINT16_MAX) {
        *p = 0xcd;
        return pack_be16(p + 1, (uint16_t)v);
    }
    if (v <= UINT32_MAX) {
        *p = 0xce;
        return pack_be32(p + 1, (uint32_t)v);
    }
    *p = 0xcf;
    return pack_be64(p + 1, v);
}

/* A negative integer; up to 9 bytes. */
static inline uint8_t *pack_negative(uint8_t *p, int64_t v)
{
    if (v >= -32) { /* its own first byte */
        *p = (uint8_t)v;
        return p + 1;
    }
    if (v >= INT8_MIN) {
        *p = 0xd0;
        p[1] = (uint8_t)v;
        return p + 2;
    }
    if (v >= INT16_MIN) {
        *p = 0xd1;
        return pack_be16(p + 1, (uint16_t)v);
    }
    if (v >= INT32_MIN) {
        *p = 0xd2;
        return pack_be32(p + 1, (uint32_t)v);
    }
    *p = 0xd3;
    return pack_be64(p + 1, (uint64_t)v);
}

/* A float64; 9 bytes. */
static inline uint8_t *pack_double(uint8_t *p, double v)
{
    uint64_t bits;

    memcpy(&bits, &v, sizeof bits);
    *p = 0xcb;
    return pack_be64(p + 1, bits);
}

/* The header of a string of `len` bytes; up to 5 bytes. */
static inline uint8_t *pack_str(uint8_t *p, uint32_t len)
{
    if (len < 32) {
        *p = (uint8_t)(0xa0 | len);
        return p + 1;
    }
    if (len <= UINT8_MAX) {
        *p = 0xd9;
        p[1] = (uint8_t)len;
        return p + 2;
    }
    if (len <= UINT16_MAX) {
        *p = 0xda;
        return pack_be16(p + 1, (uint16_t)len);
    }
    *p = 0xdb;
    return pack_be32(p + 1, len);
}

/* The header of an ext value of `len` bytes, its type included; up to 6 bytes. */
static inline uint8_t *pack_ext(uint8_t *p, uint8_t type, uint32_t len)
{
    switch (len) { /* five lengths have a form without a length field */
    case 1: *p++ = 0xd4; break;
    case 2: *p++ = 0xd5; break;
    case 4: *p++ = 0xd6; break;
    case 8: *p++ = 0xd7; break;
    case 16: *p++ = 0xd8; break;
    default:
        if (len <= UINT8_MAX) {
            *p = 0xc7;
            p[1] = (uint8_t)len;
            p += 2;
        } else if (len <= UINT16_MAX) {
            *p = 0xc8;
            p = pack_be16(p + 1, (uint16_t)len);
        } else {
            *p = 0xc9;
            p = pack_be32(p + 1, len);
        }
    }
    *p = type;
    return p + 1;
}

/* The header of an array of `items` items or a map of `items` pairs; up to 5 bytes. */
static inline uint8_t *pack_container(uint8_t *p, uint32_t items, bool map)
{
    if (items < 16) {
        *p = (uint8_t)((map ? 0x80 : 0x90) | items);
        return p + 1;
    }
    if (items <= UINT16_MAX) {
        *p = map ? 0xde : 0xdc;
        return pack_be16(p + 1, (uint16_t)items);
    }
    *p = map ? 0xdf : 0xdd;
    return pack_be32(p + 1, items);
}

#endif
