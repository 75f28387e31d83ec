#include "server/http/parser/http_chars.h"

#include "common/base/text.h"

#define T HTTP_CHAR_TOKEN
#define V HTTP_CHAR_VALUE
#define P HTTP_CHAR_PATH
#define Q HTTP_CHAR_QUERY
#define H HTTP_CHAR_HOST
#define X HTTP_CHAR_HEX

/* clang-format off */
static const uint8_t classes[256] = {
    ['\t'] = V, [' '] = V,
    ['!'] = T | V | P | Q | H, ['"'] = V, ['#'] = T | V,
    ['$'] = T | V | P | Q | H, ['%'] = T | V | P | Q | H,
    ['&'] = T | V | P | Q | H, ['\''] = T | V | P | Q | H,
    ['('] = V | P | Q | H, [')'] = V | P | Q | H,
    ['*'] = T | V | P | Q | H, ['+'] = T | V | P | Q | H,
    [','] = V | P | Q | H, ['-'] = T | V | P | Q | H,
    ['.'] = T | V | P | Q | H, ['/'] = V | P | Q,
    ['0' ... '9'] = T | V | P | Q | H | X,
    [':'] = V | P | Q, [';'] = V | P | Q | H, ['<'] = V, ['='] = V | P | Q | H,
    ['>'] = V, ['?'] = V | Q, ['@'] = V | P | Q,
    ['A' ... 'F'] = T | V | P | Q | H | X, ['G' ... 'Z'] = T | V | P | Q | H,
    ['['] = V | P | Q, ['\\'] = V | Q, [']'] = V | P | Q, ['^'] = T | V | Q,
    ['_'] = T | V | P | Q | H, ['`'] = T | V | Q,
    ['a' ... 'f'] = T | V | P | Q | H | X, ['g' ... 'z'] = T | V | P | Q | H,
    ['{'] = V | Q, ['|'] = T | V | P | Q, ['}'] = V | Q, ['~'] = T | V | P | Q | H,
    [0x80 ... 0xff] = V,
};
/* clang-format on */

uint8_t http_char_classes(uint8_t byte)
{
    return classes[byte];
}

bool http_chars_all(const uint8_t *bytes, size_t len, enum http_char class)
{
    for (size_t i = 0; i < len; i++) {
        if (!(classes[bytes[i]] & class))
            return false;
    }
    return true;
}

bool http_chars_same(struct slice one, struct slice other)
{
    if (one.len != other.len)
        return false;
    for (size_t i = 0; i < one.len; i++) {
        if (http_char_lower(one.data[i]) != http_char_lower(other.data[i]))
            return false;
    }
    return true;
}

bool http_chars_equal(const uint8_t *bytes, size_t len, const char *text)
{
    return http_chars_same((struct slice){bytes, len}, text_slice(text));
}
