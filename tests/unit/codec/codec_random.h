/*
 * Random documents for property tests: a JSON text in one of its many spellings, and the
 * MessagePack that it must become, packed by msgpack-c.
 */
#ifndef OFFLOOP_TESTS_UNIT_CODEC_CODEC_RANDOM_H
#define OFFLOOP_TESTS_UNIT_CODEC_CODEC_RANDOM_H

#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"

/* A small generator, so that a seed gives the same numbers everywhere. */
struct random {
    uint64_t state;
};

/* The next number below `below` (not 0). */
static inline uint32_t random_below(struct random *random, uint32_t below)
{
    random->state = random->state * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(random->state >> 33) % below;
}

/* A document that is being made. */
struct document {
    struct random *random;
    struct buf *text;
    msgpack_packer *packer;
    unsigned depth_left;
};

static inline void document_space(struct document *d)
{
    static const char *const spaces[] = {" ", "\n", "\t", "\r\n", "   "};

    if (random_below(d->random, 5) == 0)
        buf_append_str(d->text, spaces[random_below(d->random, 5)]);
}

/* UTF-8 of a code point; returns its length. */
static inline size_t document_utf8(uint32_t c, char *out)
{
    if (c < 0x80)
        return out[0] = (char)c, 1;
    if (c < 0x800)
        return out[0] = (char)(0xc0 | c >> 6), out[1] = (char)(0x80 | (c & 63)), 2;
    if (c < 0x10000)
        return out[0] = (char)(0xe0 | c >> 12), out[1] = (char)(0x80 | (c >> 6 & 63)),
               out[2] = (char)(0x80 | (c & 63)), 3;
    return out[0] = (char)(0xf0 | c >> 18), out[1] = (char)(0x80 | (c >> 12 & 63)),
           out[2] = (char)(0x80 | (c >> 6 & 63)), out[3] = (char)(0x80 | (c & 63)), 4;
}

static inline uint32_t document_code_point(struct document *d)
{
    static const uint32_t tops[] = {0x20, 0x80,  0x80,    0x80,
                                    0x80, 0x800, 0x10000, 0x110000};
    uint32_t c = random_below(d->random, tops[random_below(d->random, 8)]);

    return c >= 0xd800 && c < 0xe000 ? 'x' : c;
}

/* Writes a code point in one of its spellings. */
static inline void document_spell(struct document *d, uint32_t c)
{
    static const char shorts[] = "\b\f\n\r\t\"\\/", names[] = "bfnrt\"\\/";
    const char *found = c == 0 || c > 0x7f ? NULL : strchr(shorts, (int)c);
    char utf8[4];

    if (found != NULL && random_below(d->random, 2) == 0)
        buf_printf(d->text, "\\%c", names[found - shorts]);
    else if (c >= 0x20 && c != '"' && c != '\\' && random_below(d->random, 8) != 0)
        buf_append(d->text, utf8, document_utf8(c, utf8));
    else if (c < 0x10000)
        buf_printf(d->text, random_below(d->random, 2) ? "\\u%04x" : "\\u%04X", c);
    else
        buf_printf(d->text, "\\u%04x\\u%04X", 0xd800 + ((c - 0x10000) >> 10),
                   0xdc00 + (c & 0x3ff));
}

static inline void document_string(struct document *d)
{
    struct buf utf8 = BUF_INIT;
    uint32_t len = random_below(d->random, random_below(d->random, 20) ? 20 : 400);

    buf_append_str(d->text, "\"");
    for (uint32_t i = 0; i < len; i++) {
        uint32_t c = document_code_point(d);
        char bytes[4];

        document_spell(d, c);
        buf_append(&utf8, bytes, document_utf8(c, bytes));
    }
    buf_append_str(d->text, "\"");
    msgpack_pack_str(d->packer, utf8.len);
    msgpack_pack_str_body(d->packer, utf8.data, utf8.len);
    buf_free(&utf8);
}

static inline void document_integer(struct document *d)
{
    uint64_t v = (uint64_t)random_below(d->random, 1u << 31) << 33 |
                 (uint64_t)random_below(d->random, 1u << 31) << 2 |
                 random_below(d->random, 4);

    v >>= random_below(d->random, 64);
    if (random_below(d->random, 2) == 0) {
        msgpack_pack_uint64(d->packer, v);
        buf_printf(d->text, "%llu", (unsigned long long)v);
    } else {
        int64_t negative = -(int64_t)(v >> 1) - 1;

        msgpack_pack_int64(d->packer, negative);
        buf_printf(d->text, "%lld", (long long)negative);
    }
}

/* Fractions short and long; the C library says what their double is. */
static inline void document_fraction(struct document *d)
{
    static const char *const exponents[] = {"",   "",    "",     "e0",
                                            "E5", "e-7", "e+20", "e-300"};
    char number[80];

    if (random_below(d->random, 2) == 0)
        snprintf(number, sizeof(number), "%s%u.%u%s",
                 random_below(d->random, 2) ? "-" : "", random_below(d->random, 100000),
                 random_below(d->random, 10000), exponents[random_below(d->random, 8)]);
    else
        snprintf(number, sizeof(number), "%u.%09u%09u%s", random_below(d->random, 10),
                 random_below(d->random, 1000000000), random_below(d->random, 1000000000),
                 exponents[random_below(d->random, 8)]);
    msgpack_pack_double(d->packer, strtod(number, NULL));
    buf_append_str(d->text, number);
}

/* A number that fits neither 64 bits nor a double. */
static inline void document_huge(struct document *d)
{
    char number[80];
    int len =
        random_below(d->random, 2)
            ? snprintf(number, sizeof(number), "-%u%09u%09u%09u",
                       1 + random_below(d->random, 1000), random_below(d->random, 99),
                       random_below(d->random, 9999), random_below(d->random, 99))
            : snprintf(number, sizeof(number), "%u.%ue%d", 1 + random_below(d->random, 9),
                       random_below(d->random, 99),
                       random_below(d->random, 2) ? 400 : -400);

    msgpack_pack_ext(d->packer, (size_t)len, 1);
    msgpack_pack_ext_body(d->packer, number, (size_t)len);
    buf_append_str(d->text, number);
}

static inline void document_value(struct document *d);

static inline void document_container(struct document *d, bool map)
{
    uint32_t items = random_below(d->random, random_below(d->random, 6) ? 6 : 40);

    d->depth_left--;
    if (map)
        msgpack_pack_map(d->packer, items);
    else
        msgpack_pack_array(d->packer, items);
    buf_append_str(d->text, map ? "{" : "[");
    for (uint32_t i = 0; i < items; i++) {
        buf_append_str(d->text, i > 0 ? "," : "");
        document_space(d);
        if (map) {
            document_string(d);
            document_space(d);
            buf_append_str(d->text, ":");
        }
        document_value(d);
    }
    document_space(d);
    buf_append_str(d->text, map ? "}" : "]");
    d->depth_left++;
}

static inline void document_value(struct document *d)
{
    uint32_t kind = random_below(d->random, d->depth_left > 0 ? 12 : 8);

    document_space(d);
    switch (kind) {
    case 0:
        msgpack_pack_nil(d->packer);
        buf_append_str(d->text, "null");
        break;
    case 1:
        msgpack_pack_true(d->packer);
        buf_append_str(d->text, "true");
        break;
    case 2:
        msgpack_pack_false(d->packer);
        buf_append_str(d->text, "false");
        break;
    case 3:
    case 4: document_integer(d); break;
    case 5: document_fraction(d); break;
    case 6: document_string(d); break;
    case 7: random_below(d->random, 4) ? document_string(d) : document_huge(d); break;
    default: document_container(d, kind & 1);
    }
    document_space(d);
}

/* Makes a document of at most `depth` levels: its text and its MessagePack, appended. */
static inline void document_make(struct random *random, unsigned depth, struct buf *text,
                                 struct buf *packed)
{
    msgpack_sbuffer bytes;
    msgpack_packer packer;
    struct document d = {random, text, &packer, depth};

    msgpack_sbuffer_init(&bytes);
    msgpack_packer_init(&packer, &bytes, msgpack_sbuffer_write);
    document_value(&d);
    buf_append(packed, bytes.data, bytes.size);
    msgpack_sbuffer_destroy(&bytes);
}

/* Changes a few random bytes of a text or value, or cuts it short. */
static inline void document_damage(struct random *random, struct buf *bytes)
{
    static const char favourites[] =
        "\"\\{}[],:0-.eE u\x80\xc3\xe2\xf0\xff\x01\x0b\xc1\xc4\xd4\xdd\xdf\xdb";

    for (uint32_t n = 1 + random_below(random, 3); n > 0 && bytes->len > 0; n--) {
        uint32_t at = random_below(random, (uint32_t)bytes->len);

        switch (random_below(random, 4)) {
        case 0: bytes->len = at; break;
        case 1: bytes->data[at] = (uint8_t)random_below(random, 256); break;
        default:
            bytes->data[at] =
                (uint8_t)favourites[random_below(random, sizeof(favourites) - 1)];
        }
    }
}

#endif
