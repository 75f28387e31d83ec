/*
 * Hostile input: how long each engine takes per byte, at one size and at four times that
 * (linear time means the same figure twice), and the most memory held, as a multiple of
 * the input. Prints a table; docs/CODEC-BENCH.md holds one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/codec/codec.h"

#define UNLIMITED ((size_t)1 << 40)

/* Fills in `len` bytes. */
typedef void fill_input(uint8_t *bytes, size_t len);

static void fill_repeated(uint8_t *bytes, size_t len, const char *unit)
{
    size_t unit_len = strlen(unit);

    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)unit[i % unit_len];
}

static void fill_open_brackets(uint8_t *bytes, size_t len)
{
    memset(bytes, '[', len);
}

static void fill_string(uint8_t *bytes, size_t len)
{
    memset(bytes, 'x', len);
    bytes[0] = bytes[len - 1] = '"';
}

static void fill_open_string(uint8_t *bytes, size_t len)
{
    memset(bytes, 'x', len);
    bytes[0] = '"';
}

static void fill_escapes(uint8_t *bytes, size_t len)
{
    fill_repeated(bytes, len, "\\u0000");
    memcpy(bytes, "\"     ", 6);
    memset(bytes + len - len % 6 - 6, ' ', 6 + len % 6);
    bytes[len - 1] = '"';
}

/* `[` units `]`: the last unit ends in a value, not a comma. */
static void fill_array(uint8_t *bytes, size_t len, const char *unit)
{
    size_t unit_len = strlen(unit), last;

    fill_repeated(bytes + 1, len - 1, unit);
    bytes[0] = '[';
    last = 1 + (len - 2) / unit_len * unit_len;
    memset(bytes + last - 1, ' ', len - last + 1);
    bytes[len - 1] = ']';
}

static void fill_negative_zeros(uint8_t *bytes, size_t len)
{
    fill_array(bytes, len, "-0,");
}

static void fill_empty_arrays(uint8_t *bytes, size_t len)
{
    fill_array(bytes, len, "[],");
}

static void fill_wide_arrays(uint8_t *bytes, size_t len)
{
    fill_array(bytes, len, "[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0],");
}

static void fill_digits(uint8_t *bytes, size_t len)
{
    memset(bytes, '7', len);
}

static void fill_long_fraction(uint8_t *bytes, size_t len)
{
    memset(bytes, '3', len);
    bytes[1] = '.';
}

/* The header of a MessagePack array or string of the right length. */
static void put_header(uint8_t *bytes, uint8_t type, size_t count)
{
    bytes[0] = type;
    for (int i = 0; i < 4; i++)
        bytes[1 + i] = (uint8_t)(count >> (24 - 8 * i));
}

static void fill_nils(uint8_t *bytes, size_t len)
{
    memset(bytes, 0xc0, len);
    put_header(bytes, 0xdd, len - 5);
}

static void fill_promise(uint8_t *bytes, size_t len)
{
    memset(bytes, 0xc0, len);
    put_header(bytes, 0xdd, UINT32_MAX);
}

static void fill_control_characters(uint8_t *bytes, size_t len)
{
    memset(bytes, 0x01, len);
    put_header(bytes, 0xdb, len - 5);
}

static void fill_nested(uint8_t *bytes, size_t len)
{
    memset(bytes, 0x91, len);
}

static const struct input {
    const char *name;
    enum codec_op op;
    fill_input *fill;
} inputs[] = {
    {"[[[[ without end", CODEC_OP_DECODE, fill_open_brackets},
    {"one string", CODEC_OP_DECODE, fill_string},
    {"one string without end", CODEC_OP_DECODE, fill_open_string},
    {"one string of \\u0000", CODEC_OP_DECODE, fill_escapes},
    {"array of -0", CODEC_OP_DECODE, fill_negative_zeros},
    {"array of []", CODEC_OP_DECODE, fill_empty_arrays},
    {"arrays of 16 zeros", CODEC_OP_DECODE, fill_wide_arrays},
    {"one integer", CODEC_OP_DECODE, fill_digits},
    {"one fraction", CODEC_OP_DECODE, fill_long_fraction},
    {"array of nils", CODEC_OP_ENCODE, fill_nils},
    {"array that promises 4 G", CODEC_OP_ENCODE, fill_promise},
    {"string of controls", CODEC_OP_ENCODE, fill_control_characters},
    {"arrays without end", CODEC_OP_ENCODE, fill_nested},
};

struct measured {
    enum codec_status status;
    double ns_per_byte;
    double memory_per_byte;
};

static struct measured measure(const struct input *input, const char *engine, size_t len)
{
    struct codec *codec = codec_create(engine);
    uint8_t *bytes = malloc(len);
    struct codec_call call = {.op = input->op,
                              .in = {bytes, len},
                              .max_output = UNLIMITED,
                              .max_memory = UNLIMITED};
    struct buf out = BUF_INIT;
    struct codec_fault fault;
    struct measured measured;
    uint64_t start_ns;

    if (bytes == NULL)
        abort();
    input->fill(bytes, len);
    start_ns = clock_thread_cpu_ns();
    measured.status = codec_run(codec, &call, &out, &fault);
    measured.ns_per_byte = (double)(clock_thread_cpu_ns() - start_ns) / (double)len;
    measured.memory_per_byte = (double)codec_peak_bytes(codec) / (double)len;
    buf_free(&out);
    free(bytes);
    codec_destroy(&codec);
    return measured;
}

/* hostile_bench [BYTES]: the larger size, 60 MB unless told. */
int main(int argc, char **argv)
{
    size_t large = argc > 1 ? strtoull(argv[1], NULL, 10) : 60000000;

    if (large < 4000)
        large = 4000;
    printf("%-26s %-7s %10s %10s %10s  %s\n", "input", "engine", "ns/B small",
           "ns/B large", "memory/in", "verdict");
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        for (const char *const *name = codec_engine_names(); *name != NULL; name++) {
            struct measured few = measure(&inputs[i], *name, large / 4);
            struct measured many = measure(&inputs[i], *name, large);

            printf("%-26s %-7s %10.3f %10.3f %10.2f  %s\n", inputs[i].name, *name,
                   few.ns_per_byte, many.ns_per_byte, many.memory_per_byte,
                   codec_status_text(many.status));
        }
    }
    return 0;
}
