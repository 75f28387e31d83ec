/*
 * Numbers with units, as operators write them: sizes ("64MiB") and durations ("200us",
 * "10s"). The unit is required, so that nobody has to guess it; only 0 needs none. Only
 * whole numbers without sign and white space that fit into 64 bits are valid.
 *
 * Pure functions; every process and thread may call.
 */
#ifndef OFFLOOP_COMMON_BASE_UNITS_H
#define OFFLOOP_COMMON_BASE_UNITS_H

#include <stdint.h>

#include "common/base/buf.h"

/* Units of sizes: NAME, bytes. Larger ones last. */
#define UNITS_SIZE_MAP(X)       \
    X("B", UINT64_C(1))         \
    X("KiB", UINT64_C(1) << 10) \
    X("MiB", UINT64_C(1) << 20) \
    X("GiB", UINT64_C(1) << 30) \
    X("TiB", UINT64_C(1) << 40)

/* Units of durations: NAME, nanoseconds. Larger ones last. */
#define UNITS_DURATION_MAP(X)           \
    X("us", UINT64_C(1000))             \
    X("ms", UINT64_C(1000000))          \
    X("s", UINT64_C(1000000000))        \
    X("m", UINT64_C(60) * 1000000000)   \
    X("h", UINT64_C(3600) * 1000000000) \
    X("d", UINT64_C(86400) * 1000000000)

/* What is expected, for error messages and --help. */
#define UNITS_SIZE_HELP     "a whole number with a unit (B, KiB, MiB, GiB, TiB)"
#define UNITS_DURATION_HELP "a whole number with a unit (us, ms, s, m, h, d)"

/* Reads a size. -1 where the text is not one. */
int units_parse_size(const char *text, uint64_t *bytes_r)
    __attribute__((warn_unused_result));

/* Reads a duration. -1 where the text is not one. */
int units_parse_duration(const char *text, uint64_t *ns_r)
    __attribute__((warn_unused_result));

/* Reads a whole number without unit, "1024". -1 where the text is not one. */
int units_parse_number(const char *text, uint64_t *number_r)
    __attribute__((warn_unused_result));

/* Appends a size in the largest exact unit, as units_parse_size() reads it. */
void units_print_size(struct buf *out, uint64_t bytes);

/* Appends a duration in the same way, without nanoseconds below a microsecond. */
void units_print_duration(struct buf *out, uint64_t ns);

#endif
