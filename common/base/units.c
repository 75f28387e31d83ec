#include "common/base/units.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

#define X(name, factor) {name, factor},
static const struct unit sizes[] = {UNITS_SIZE_MAP(X)};
static const struct unit durations[] = {UNITS_DURATION_MAP(X)};
#undef X

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Reads digits and moves *text behind them. -1 for no digit and for more than 64 bits. */
static int read_digits(const char **text, uint64_t *number_r)
{
    const char *at = *text;
    uint64_t number = 0;

    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*at - '0'), &number))
            return -1;
    }
    if (at == *text)
        return -1;
    *text = at;
    *number_r = number;
    return 0;
}

static int parse(const char *text, const struct unit *units, size_t count,
                 uint64_t *amount_r)
{
    uint64_t number;

    if (read_digits(&text, &number) < 0)
        return -1;
    if (*text == '\0' && number == 0) {
        *amount_r = 0;
        return 0;
    }
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, units[i].name) == 0)
            return __builtin_mul_overflow(number, units[i].factor, amount_r) ? -1 : 0;
    return -1;
}

int units_parse_size(const char *text, uint64_t *bytes_r)
{
    return parse(text, sizes, COUNT(sizes), bytes_r);
}

int units_parse_duration(const char *text, uint64_t *ns_r)
{
    return parse(text, durations, COUNT(durations), ns_r);
}

int units_parse_number(const char *text, uint64_t *number_r)
{
    if (read_digits(&text, number_r) < 0 || *text != '\0')
        return -1;
    return 0;
}

static void print(struct buf *out, uint64_t amount, const struct unit *units,
                  size_t count)
{
    const struct unit *best = &units[0];

    assert(count > 0);
    if (amount / best->factor == 0) {
        buf_append_str(out, "0");
        return;
    }
    for (size_t i = 1; i < count; i++)
        if (amount % units[i].factor == 0)
            best = &units[i];
    buf_printf(out, "%" PRIu64 "%s", amount / best->factor, best->name);
}

void units_print_size(struct buf *out, uint64_t bytes)
{
    print(out, bytes, sizes, COUNT(sizes));
}

void units_print_duration(struct buf *out, uint64_t ns)
{
    print(out, ns, durations, COUNT(durations));
}
