#include "common/codec/jq/functions/strings.h"

#include "common/codec/utf8.h"

size_t strings_step(const uint8_t *at, const uint8_t *end, uint32_t *code_r)
{
    static const uint8_t masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    size_t len;
    int cut;

    if (*at < 0x80) {
        *code_r = *at;
        return 1;
    }
    len = utf8_sequence(at, (size_t)(end - at), &cut);
    if (len == 0) {
        *code_r = 0xfffd;
        return 1;
    }
    *code_r = *at & masks[len];
    for (size_t i = 1; i < len; i++)
        *code_r = *code_r << 6 | (at[i] & 0x3f);
    return len;
}

size_t strings_put(uint8_t *to, uint32_t code)
{
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        code = 0xfffd;
    if (code < 0x80) {
        to[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (uint8_t)(0xc0 | code >> 6);
        to[1] = (uint8_t)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (uint8_t)(0xe0 | code >> 12);
        to[1] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
        to[2] = (uint8_t)(0x80 | (code & 0x3f));
        return 3;
    }
    to[0] = (uint8_t)(0xf0 | code >> 18);
    to[1] = (uint8_t)(0x80 | (code >> 12 & 0x3f));
    to[2] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
    to[3] = (uint8_t)(0x80 | (code & 0x3f));
    return 4;
}

/* Passes so many code points. */
static const uint8_t *pass(const uint8_t *at, const uint8_t *end, size_t count)
{
    uint32_t code;

    for (; count > 0 && at < end; count--)
        at += strings_step(at, end, &code);
    return at;
}

size_t strings_length(struct jq_run *run, struct jv string)
{
    const uint8_t *at = string.at, *end = at + string.len;
    size_t count = 0;
    uint32_t code;

    run_charge(run, string.len / 16);
    for (; at < end; count++)
        at += strings_step(at, end, &code);
    return count;
}

struct jv strings_slice(struct jq_run *run, struct jv string, size_t from, size_t to)
{
    const uint8_t *end = string.at + string.len;
    const uint8_t *first = pass(string.at, end, from);
    const uint8_t *last = pass(first, end, to - from);
    struct jv part = jv_text(run, first, (size_t)(last - first));

    run_charge(run, string.len / 16);
    jv_drop(run, string);
    return part;
}

size_t strings_find(struct jq_run *run, struct jv string, struct jv part, size_t from)
{
    const uint8_t *found;

    if (part.len > string.len || from > string.len - part.len)
        return SIZE_MAX;
    found = memmem(string.at + from, string.len - from, part.at, part.len);
    run_charge(run, 1 + (found == NULL ? string.len - from
                                       : (size_t)(found - string.at) - from) /
                            64);
    return found == NULL ? SIZE_MAX : (size_t)(found - string.at);
}

static struct jv split_all(struct jq_run *run, struct jv string)
{
    const uint8_t *at = string.at, *end = at + string.len;
    struct jv pieces = jv_array(run, 0);
    uint32_t code;

    while (at < end) {
        size_t len = strings_step(at, end, &code);

        run_charge(run, 1);
        pieces = jv_array_push(run, pieces, jv_text(run, at, len));
        at += len;
    }
    jv_drop(run, string);
    return pieces;
}

struct jv strings_split(struct jq_run *run, struct jv string, struct jv separator)
{
    struct jv pieces;
    size_t from = 0, found;

    if (separator.len == 0)
        return split_all(run, string);
    pieces = jv_array(run, 0);
    if (string.len == 0)
        return pieces;
    while ((found = strings_find(run, string, separator, from)) != SIZE_MAX) {
        pieces = jv_array_push(run, pieces, jv_text(run, string.at + from, found - from));
        from = found + separator.len;
    }
    pieces =
        jv_array_push(run, pieces, jv_text(run, string.at + from, string.len - from));
    jv_drop(run, string);
    jv_drop(run, separator);
    return pieces;
}
