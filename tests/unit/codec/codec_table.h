/*
 * Reads the conformance tables (conformance.txt, conformance_msgpack.txt), in
 * their own notation. Test code: anything wrong in a table fails the test.
 */
#ifndef OFFLOOP_TESTS_UNIT_CODEC_CODEC_TABLE_H
#define OFFLOOP_TESTS_UNIT_CODEC_CODEC_TABLE_H

#include <assert.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/codec/codec.h"

/* One row of a table. */
struct table_row {
    int line;
    enum codec_status status;
    uint64_t offset;
    bool same;      /* "SAME": decoding the result gives the input again */
    struct buf in;  /* the input's bytes */
    struct buf out; /* the expected result, for CODEC_OK */
};

/* The end of a run of hexadecimal pairs and blanks at p. */
static inline int table_hex(const char *p)
{
    unsigned value;

    assert(isxdigit((unsigned char)p[0]) && isxdigit((unsigned char)p[1]));
    assert(sscanf(p, "%2x", &value) == 1);
    return (int)value;
}

/* The `close` that matches the `open` at p[0]. */
static inline const char *table_match(const char *p, char open, char close)
{
    int depth = 0;

    for (; *p != 0; p++) {
        depth += *p == open;
        depth -= *p == close;
        if (depth == 0)
            return p;
    }
    assert(!"unbalanced repetition");
    return p;
}

/* Appends JSON text in the table's notation: <0b> and <3*ab>. */
static inline void table_text(const char *p, const char *end, struct buf *out)
{
    while (p < end) {
        const char *close;
        char *star;
        long count;

        if (*p != '<') {
            buf_append(out, p++, 1);
            continue;
        }
        close = table_match(p, '<', '>');
        count = strtol(p + 1, &star, 10);
        if (*star == '*') {
            while (count-- > 0)
                table_text(star + 1, close, out);
        } else {
            uint8_t byte = (uint8_t)table_hex(p + 1);

            assert(close == p + 3);
            buf_append(out, &byte, 1);
        }
        p = close + 1;
    }
}

/* Appends bytes in the table's notation: hex, "text", (91)*3. */
static inline void table_bytes(const char *p, const char *end, struct buf *out)
{
    while (p < end) {
        const char *close;

        if (*p == ' ') {
            p++;
        } else if (*p == '"') {
            close = strchr(p + 1, '"');
            buf_append(out, p + 1, (size_t)(close - p - 1));
            p = close + 1;
        } else if (*p == '(') {
            char *after;
            long count;

            close = table_match(p, '(', ')');
            assert(close[1] == '*');
            count = strtol(close + 2, &after, 10);
            while (count-- > 0)
                table_bytes(p + 1, close, out);
            p = after;
        } else {
            uint8_t byte = (uint8_t)table_hex(p);

            buf_append(out, &byte, 1);
            p += 2;
        }
    }
}

/* The status of a class name; the rest of the column is the offset. */
static inline void table_verdict(const char *text, struct table_row *row)
{
    static const char *const names[] = {
#define X(name, http, people) [CODEC_##name] = #name,
        CODEC_STATUS_MAP(X)
#undef X
    };
    char name[32];
    unsigned long long offset = 0;
    int fields = sscanf(text, "%31s %llu", name, &offset);

    row->offset = offset;
    row->same = strcmp(name, "SAME") == 0;
    for (int i = 0; i < CODEC_STATUSES; i++) {
        if (strcmp(names[i], row->same ? "OK" : name) != 0)
            continue;
        assert(fields == (i == CODEC_OK ? 1 : 2));
        row->status = (enum codec_status)i;
        return;
    }
    assert(!"unknown verdict");
}

/* Parses one line (without its newline). */
static inline void table_parse(char *line, bool msgpack, struct table_row *row)
{
    char *in = strchr(line, '\t'), *out = strchr(in + 1, '\t');
    const char *end = line + strlen(line);

    *in++ = 0;
    table_verdict(line, row);
    assert((out != NULL) == (row->status == CODEC_OK));
    if (out != NULL) {
        *out++ = 0;
        table_text(out, end, &row->out);
        end = out - 1;
    }
    if (msgpack)
        table_bytes(in, end, &row->in);
    else
        table_text(in, end, &row->in);
}

/* Calls check for every row of a table; returns how many there are. */
static inline int table_each(const char *path, bool msgpack,
                             void (*check)(const struct table_row *row))
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    int number = 0, rows = 0;

    assert(file != NULL);
    while ((len = getline(&line, &cap, file)) >= 0) {
        struct table_row row = {.line = ++number};

        if (line[0] == '#')
            continue;
        assert(len > 0 && line[len - 1] == '\n');
        line[len - 1] = 0;
        table_parse(line, msgpack, &row);
        check(&row);
        rows++;
        buf_free(&row.in);
        buf_free(&row.out);
    }
    free(line);
    fclose(file);
    return rows;
}

#endif
