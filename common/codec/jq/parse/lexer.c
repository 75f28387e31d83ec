#include "common/codec/jq/parse/parser.h"

#include "common/codec/utf8.h"

static const char *const marks[] = {/* longer ones first */
                                    "?//", "//=", "//", "|=", "+=", "-=", "*=", "/=",
                                    "%=",  "==",  "!=", "<=", ">=", "..", NULL};

static const char *const keywords[] = {
    "def", "if",    "then",  "elif", "else", "end",    "as",      "reduce",  "foreach",
    "try", "catch", "label", "and",  "or",   "import", "include", "__loc__", NULL};

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

bool lexer_is_keyword(struct slice word)
{
    for (const char *const *one = keywords; *one != NULL; one++)
        if (strlen(*one) == word.len && memcmp(*one, word.data, word.len) == 0)
            return true;
    return false;
}

static void skip_space(struct parser *parser)
{
    const uint8_t *p = parser->next;

    for (; p < parser->end; p++) {
        if (*p == '#')
            while (p + 1 < parser->end && p[1] != '\n')
                p++;
        else if (*p != ' ' && *p != '\t' && *p != '\n' && *p != '\r')
            break;
    }
    parser->next = p;
}

/* The letters, digits and "::" from p. */
static const uint8_t *word_end(const struct parser *parser, const uint8_t *p)
{
    for (; p < parser->end; p++) {
        if (p + 2 < parser->end && p[0] == ':' && p[1] == ':' && is_letter(p[2]))
            p++;
        else if (!is_letter(*p) && !is_digit(*p))
            break;
    }
    return p;
}

static const uint8_t *number_end(const struct parser *parser, const uint8_t *p)
{
    const uint8_t *q;

    while (p < parser->end && is_digit(*p))
        p++;
    if (p < parser->end && *p == '.')
        for (p++; p < parser->end && is_digit(*p);)
            p++;
    if (p < parser->end && (*p == 'e' || *p == 'E')) {
        q = p + 1;
        if (q < parser->end && (*q == '+' || *q == '-'))
            q++;
        if (q < parser->end && is_digit(*q)) {
            for (p = q; p < parser->end && is_digit(*p);)
                p++;
        }
    }
    return p;
}

static void take(struct parser *parser, enum token_kind kind, const uint8_t *from,
                 const uint8_t *to)
{
    parser->token.kind = kind;
    parser->token.text = (struct slice){from, (size_t)(to - from)};
    parser->next = to;
}

static void take_mark(struct parser *parser)
{
    const uint8_t *p = parser->next;
    size_t left = (size_t)(parser->end - p);

    for (const char *const *mark = marks; *mark != NULL; mark++) {
        size_t len = strlen(*mark);

        if (len <= left && memcmp(p, *mark, len) == 0) {
            take(parser, TOKEN_MARK, p, p + len);
            return;
        }
    }
    if (memchr(".[]{}()|,:;=<>+-*/%?", *p, 20) == NULL)
        parser_refuse(parser, parser->token.at, "a character has no meaning here");
    take(parser, TOKEN_MARK, p, p + 1);
}

void lexer_advance(struct parser *parser)
{
    const uint8_t *p;
    bool word_follows;

    skip_space(parser);
    p = parser->next;
    parser->token.at =
        parser->in_prelude ? parser->prelude_at : (uint32_t)(p - parser->start);
    if (p == parser->end) {
        take(parser, TOKEN_END, p, p);
        return;
    }
    word_follows = p + 1 < parser->end && is_letter(p[1]);
    if (is_letter(*p))
        take(parser, TOKEN_WORD, p, word_end(parser, p));
    else if (*p == '$' && word_follows)
        take(parser, TOKEN_VAR, p + 1, word_end(parser, p + 1));
    else if (*p == '@' && word_follows)
        take(parser, TOKEN_FORMAT, p, word_end(parser, p + 1));
    else if (*p == '.' && word_follows)
        take(parser, TOKEN_FIELD, p + 1, word_end(parser, p + 1));
    else if (is_digit(*p) || (*p == '.' && p + 1 < parser->end && is_digit(p[1])))
        take(parser, TOKEN_NUMBER, p, number_end(parser, p));
    else if (*p == '"')
        take(parser, TOKEN_QUOTE, p, p + 1);
    else
        take_mark(parser);
}

bool lexer_is(const struct parser *parser, const char *text)
{
    size_t len = strlen(text);

    return (parser->token.kind == TOKEN_MARK || parser->token.kind == TOKEN_WORD) &&
           parser->token.text.len == len &&
           memcmp(parser->token.text.data, text, len) == 0;
}

bool lexer_accept(struct parser *parser, const char *text)
{
    if (!lexer_is(parser, text))
        return false;
    lexer_advance(parser);
    return true;
}

void lexer_expect(struct parser *parser, const char *text)
{
    if (lexer_accept(parser, text))
        return;
    if (parser->token.kind == TOKEN_END)
        parser_refuse(parser, parser->token.at, "the program ends where '%s' is missing",
                      text);
    parser_refuse(parser, parser->token.at, "'%s' is missing here", text);
}

/* ---- strings */

static uint32_t offset_of(const struct parser *parser, const uint8_t *p)
{
    return parser->in_prelude ? parser->prelude_at : (uint32_t)(p - parser->start);
}

static uint32_t read_hex(struct parser *parser, const uint8_t *p)
{
    uint32_t value = 0;

    if (parser->end - p < 4)
        parser_refuse(parser, offset_of(parser, p), "\\u needs four hexadecimal digits");
    for (int i = 0; i < 4; i++) {
        uint8_t c = p[i] | 0x20;

        if (!is_digit(p[i]) && !(c >= 'a' && c <= 'f'))
            parser_refuse(parser, offset_of(parser, p),
                          "\\u needs four hexadecimal digits");
        value = value << 4 | (uint32_t)(is_digit(p[i]) ? p[i] - '0' : c - 'a' + 10);
    }
    return value;
}

static uint8_t *put_utf8(uint8_t *to, uint32_t code)
{
    if (code < 0x80) {
        *to++ = (uint8_t)code;
    } else if (code < 0x800) {
        *to++ = (uint8_t)(0xc0 | code >> 6);
        *to++ = (uint8_t)(0x80 | (code & 63));
    } else if (code < 0x10000) {
        *to++ = (uint8_t)(0xe0 | code >> 12);
        *to++ = (uint8_t)(0x80 | (code >> 6 & 63));
        *to++ = (uint8_t)(0x80 | (code & 63));
    } else {
        *to++ = (uint8_t)(0xf0 | code >> 18);
        *to++ = (uint8_t)(0x80 | (code >> 12 & 63));
        *to++ = (uint8_t)(0x80 | (code >> 6 & 63));
        *to++ = (uint8_t)(0x80 | (code & 63));
    }
    return to;
}

/* Behind \u at p; moves it behind the digits. A lone surrogate becomes U+FFFD. */
static uint8_t *take_unicode(struct parser *parser, const uint8_t **p, uint8_t *to)
{
    uint32_t code = read_hex(parser, *p), low;

    *p += 4;
    if (code >= 0xd800 && code < 0xdc00 && parser->end - *p >= 6 && (*p)[0] == '\\' &&
        (*p)[1] == 'u') {
        low = read_hex(parser, *p + 2);
        if (low >= 0xdc00 && low < 0xe000) {
            *p += 6;
            return put_utf8(to, 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00));
        }
    }
    return put_utf8(to, code >= 0xd800 && code < 0xe000 ? 0xfffd : code);
}

static uint8_t *take_escape(struct parser *parser, const uint8_t **p, uint8_t *to)
{
    static const char from[] = "\"\\/bfnrt";
    static const char into[] = "\"\\/\b\f\n\r\t";
    const char *found;

    if (*p < parser->end && **p == 'u') {
        ++*p;
        return take_unicode(parser, p, to);
    }
    found = *p < parser->end && **p != 0 ? strchr(from, **p) : NULL;
    if (found == NULL)
        parser_refuse(parser, offset_of(parser, *p), "a string has no such escape");
    ++*p;
    *to++ = (uint8_t)into[found - from];
    return to;
}

/* Where the part ends: at its quote or before the ( of \(. */
static const uint8_t *part_end(struct parser *parser)
{
    const uint8_t *p = parser->next;

    for (; p < parser->end && *p != '"'; p++) {
        if (*p != '\\')
            continue;
        p++;
        if (p < parser->end && *p == '(')
            return p;
    }
    if (p >= parser->end)
        parser_refuse(parser, offset_of(parser, parser->next), "a string does not end");
    return p;
}

struct jv lexer_string_part(struct parser *parser, bool *more_r)
{
    const uint8_t *end = part_end(parser), *p = parser->next;
    uint8_t *bytes = parser_alloc(parser, (size_t)(end - p) + 1), *to = bytes;
    size_t len;

    *more_r = *end == '(';
    while (p < end - *more_r)
        if (*p == '\\') {
            p++;
            to = take_escape(parser, &p, to);
        } else {
            *to++ = *p++;
        }
    len = (size_t)(to - bytes);
    if (utf8_valid_prefix(bytes, len) < len)
        parser_refuse(parser, offset_of(parser, parser->next),
                      "a string is not well-formed UTF-8");
    parser->next = end + 1;
    return (struct jv){.kind = JV_STRING, .len = (uint32_t)len, .at = bytes};
}
