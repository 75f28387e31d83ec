#include "server/api/fields_text.h"

#include <string.h>
#include <strings.h>

#include "server/api/route.h"

static const char bad_pointer[] = "a JSON Pointer in fields is /name/name, with ~1 for / "
                                  "and ~0 for ~ in a name, and no "
                                  "name that is empty";

static bool begins(struct slice text, size_t at, const char *with)
{
    size_t len = strlen(with);

    return text.len - at >= len &&
           strncasecmp((const char *)text.data + at, with, len) == 0;
}

/* How many bytes at `at` are a comma that divides paths; 0 for none. */
static size_t comma_len(struct slice text, size_t at)
{
    return begins(text, at, ",") ? 1 : begins(text, at, "%2c") ? 3 : 0;
}

/* How many bytes at `at` are a slash that begins a name of a pointer; 0 for none. */
static size_t slash_len(struct slice text, size_t at)
{
    return begins(text, at, "/") ? 1 : begins(text, at, "%2f") ? 3 : 0;
}

/* How many bytes at `at` are a comma or a dot inside a name, encoded twice; 0 for none.
 */
static size_t twice_encoded_len(struct slice text, size_t at)
{
    return begins(text, at, "%252c") || begins(text, at, "%252e") ? 5 : 0;
}

/* A byte of a name as the codec reads it: encoded where it would mean something else. */
static void put_byte(struct buf *text, uint8_t byte)
{
    if (byte == '\0' || strchr(".,%+", byte) == NULL)
        buf_append(text, &byte, 1);
    else
        buf_printf(text, "%%%02X", byte);
}

/* The next byte of a pointer's name, and *at behind it; -1 where it is malformed. */
static int next_byte(struct slice sent, size_t *at)
{
    bool is_plus = sent.data[*at] == '+';
    int byte = route_next_byte(sent, at);

    if (is_plus)
        return ' '; /* as forms encode a space in a query */
    if (byte != '~')
        return byte;
    byte = *at < sent.len ? route_next_byte(sent, at) : -1;
    return byte == '0' ? '~' : byte == '1' ? '/' : -1;
}

/* One name of a pointer, from behind its slash. */
static int put_name(struct slice sent, size_t *at, struct buf *text)
{
    size_t start = *at;

    while (*at < sent.len && comma_len(sent, *at) == 0 && slash_len(sent, *at) == 0) {
        size_t twice = twice_encoded_len(sent, *at);
        int byte;

        if (twice > 0) {
            put_byte(text, begins(sent, *at, "%252c") ? ',' : '.');
            *at += twice;
            continue;
        }
        byte = next_byte(sent, at);
        if (byte < 0)
            return -1;
        put_byte(text, (uint8_t)byte);
    }
    if (*at == start)
        buf_append_str(text, "%"); /* the empty name */
    return 0;
}

/* A pointer, from its first slash to the comma behind it. */
static int put_pointer(struct slice sent, size_t *at, struct buf *text)
{
    size_t slash = slash_len(sent, *at);

    while (slash > 0) {
        *at += slash;
        if (put_name(sent, at, text) != 0)
            return -1;
        slash = *at < sent.len ? slash_len(sent, *at) : 0;
        if (slash > 0)
            buf_append_str(text, ".");
    }
    return 0;
}

/* True for a percent sign with nothing behind it that it could encode. */
static bool is_bare_percent(struct slice sent, size_t at)
{
    return begins(sent, at, "%") && (at + 1 == sent.len || comma_len(sent, at + 1) > 0 ||
                                     begins(sent, at + 1, "."));
}

/* Names divided by dots, to the comma behind them: the codec decodes the rest. */
static void put_names(struct slice sent, size_t *at, struct buf *text)
{
    while (*at < sent.len && comma_len(sent, *at) == 0) {
        size_t twice = twice_encoded_len(sent, *at);

        if (twice > 0)
            buf_append_str(text, begins(sent, *at, "%252c") ? "%2C" : "%2E");
        else if (is_bare_percent(sent, *at))
            buf_append_str(text, "%%"); /* broken, and not the codec's empty name */
        else
            buf_append(text, sent.data + *at, 1);
        *at += twice > 0 ? twice : 1;
    }
}

const char *fields_text_read(struct slice sent, struct buf *text)
{
    size_t start = text->len;

    for (size_t at = 0, comma; at < sent.len; at += comma) {
        if (slash_len(sent, at) == 0)
            put_names(sent, &at, text);
        else if (put_pointer(sent, &at, text) != 0)
            return bad_pointer;
        comma = at < sent.len ? comma_len(sent, at) : 0;
        if (comma > 0)
            buf_append_str(text, ",");
    }
    return text->len - start <= FIELDS_TEXT_MAX ? NULL : "fields are too long";
}
