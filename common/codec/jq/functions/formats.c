/* @text, @csv and the other formats. */
#include "common/codec/jq/functions/strings.h"
#include "common/codec/jq/values.h"

enum format {
    FORMAT_TEXT,
    FORMAT_JSON,
    FORMAT_CSV,
    FORMAT_TSV,
    FORMAT_HTML,
    FORMAT_URI,
    FORMAT_SH,
    FORMAT_BASE64,
    FORMAT_BASE64D,
    FORMAT_BASE32,
    FORMAT_BASE32D,
    FORMAT_URID,
    FORMATS
};

static const char *const names[] = {"@text",    "@json",   "@csv",     "@tsv",
                                    "@html",    "@uri",    "@sh",      "@base64",
                                    "@base64d", "@base32", "@base32d", "@urid"};

uint32_t values_format_named(struct slice name)
{
    for (uint32_t i = 0; i < FORMATS; i++)
        if (strlen(names[i]) == name.len && memcmp(names[i], name.data, name.len) == 0)
            return i;
    return UINT32_MAX;
}

/* Appends the string with each byte replaced by what the table has for it. */
static struct jv append_escaped(struct jq_run *run, struct jv to, struct jv string,
                                const char *(*escape)(uint8_t byte))
{
    const uint8_t *at = string.at, *end = at + string.len, *plain = at;

    run_charge(run, string.len / 16);
    for (; at < end; at++) {
        const char *instead = escape(*at);

        if (instead == NULL)
            continue;
        to = jv_text_append(run, to, plain, (size_t)(at - plain));
        to = jv_text_append(run, to, instead, strlen(instead));
        plain = at + 1;
    }
    return jv_text_append(run, to, plain, (size_t)(end - plain));
}

static const char *escape_html(uint8_t byte)
{
    switch (byte) {
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '&': return "&amp;";
    case '\'': return "&#39;";
    case '"': return "&quot;";
    default: return NULL;
    }
}

static const char *escape_csv(uint8_t byte)
{
    return byte == '"' ? "\"\"" : NULL;
}

static const char *escape_tsv(uint8_t byte)
{
    switch (byte) {
    case '\t': return "\\t";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\\': return "\\\\";
    default: return NULL;
    }
}

static const char *escape_sh(uint8_t byte)
{
    return byte == '\'' ? "'\\''" : NULL;
}

static struct jv append_text(struct jq_run *run, struct jv to, const char *text)
{
    return jv_text_append(run, to, text, strlen(text));
}

/* ---- rows */

static int append_cell(struct jq_run *run, const struct node *node, enum format format,
                       struct jv *to, struct jv item)
{
    if (jv_is_string(item)) {
        const char *quote = format == FORMAT_CSV ? "\"" : format == FORMAT_SH ? "'" : "";

        *to = append_text(run, *to, quote);
        *to = append_escaped(run, *to, item,
                             format == FORMAT_CSV   ? escape_csv
                             : format == FORMAT_TSV ? escape_tsv
                                                    : escape_sh);
        *to = append_text(run, *to, quote);
        return FLOW_OK;
    }
    if (jv_is_array(item) || jv_is_object(item))
        return flow_failf(run, node,
                          format == FORMAT_SH ? "%s can not be escaped for shell"
                                              : "%s is not valid in a csv row",
                          flow_describe(run, item));
    if (item.kind == JV_NULL && format != FORMAT_SH)
        return FLOW_OK;
    item = values_to_json(run, item);
    *to = jv_text_append(run, *to, item.at, item.len);
    jv_drop(run, item);
    return FLOW_OK;
}

static int format_row(struct jq_run *run, const struct node *node, enum format format,
                      struct jv value, struct jv *out_r)
{
    const char *between = format == FORMAT_CSV ? "," : format == FORMAT_TSV ? "\t" : " ";
    struct jv text = jv_text(run, "", 0);
    int flow = FLOW_OK;

    if (!jv_is_array(value)) {
        if (format == FORMAT_SH) {
            flow = append_cell(run, node, format, &text, value);
            *out_r = text;
            return flow;
        }
        return flow_failf(run, node, "%s cannot be %s-formatted, only array",
                          flow_describe(run, value), names[format] + 1);
    }
    value = jv_array_built(run, value);
    for (uint32_t i = 0; i < value.array->count && flow == FLOW_OK; i++) {
        if (i > 0)
            text = append_text(run, text, between);
        run_charge(run, 1);
        flow = append_cell(run, node, format, &text,
                           raw_resolve(run, value.array->items[i]));
    }
    jv_drop(run, value);
    *out_r = text;
    return flow;
}

/* ---- bytes */

static struct jv encode_uri(struct jq_run *run, struct jv string)
{
    static const char hex[] = "0123456789ABCDEF";
    uint8_t *to, *start;
    struct jv text;

    if (string.len > JV_MAX_LEN / 3)
        run_end(run, JQ_MEMORY, NULL);
    text = jv_text_alloc(run, (size_t)string.len * 3, &start);
    to = start;
    for (uint32_t i = 0; i < string.len; i++) {
        uint8_t c = string.at[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            c == '-' || c == '_' || c == '.' || c == '~') {
            *to++ = c;
        } else {
            *to++ = '%';
            *to++ = (uint8_t)hex[c >> 4];
            *to++ = (uint8_t)hex[c & 15];
        }
    }
    text.len = (uint32_t)(to - start);
    jv_drop(run, string);
    return text;
}

/* A way to write bytes by digits of so many bits, in groups that `=` fills. */
struct base {
    const char *name;
    const char *digits;
    unsigned bits, group;
};

static const struct base base64 = {
    "base64", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 6, 4};
static const struct base base32 = {"base32", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 5, 8};

static struct jv encode_base(struct jq_run *run, const struct base *base,
                             struct jv string)
{
    size_t digits = ((size_t)string.len * 8 + base->bits - 1) / base->bits, i = 0;
    size_t len = (digits + base->group - 1) / base->group * base->group;
    uint32_t bits = 0;
    unsigned held = 0;
    uint8_t *to;
    struct jv text = jv_text_alloc(run, len, &to);

    run_charge(run, string.len / 16);
    for (size_t j = 0; j < digits; j++) {
        if (held < base->bits) {
            bits = bits << 8 | (i < string.len ? string.at[i++] : 0);
            held += 8;
        }
        held -= base->bits;
        *to++ = (uint8_t)base->digits[bits >> held & ((1u << base->bits) - 1)];
    }
    memset(to, '=', len - digits);
    jv_drop(run, string);
    return text;
}

/* The bytes that the digits stand for, up to the first `=`; false where they are none. */
static bool decode_digits(const struct base *base, struct jv string, uint8_t *to,
                          size_t *len_r)
{
    uint32_t bits = 0;
    unsigned held = 0;
    size_t len = 0;

    for (uint32_t i = 0; i < string.len && string.at[i] != '='; i++) {
        const char *digit = string.at[i] == 0 ? NULL : strchr(base->digits, string.at[i]);

        if (digit == NULL)
            return false;
        bits = bits << base->bits | (uint32_t)(digit - base->digits);
        held += base->bits;
        if (held >= 8) {
            held -= 8;
            to[len++] = (uint8_t)(bits >> held);
        }
    }
    *len_r = len;
    return held < base->bits;
}

/* Bytes as a string: what is no UTF-8 becomes U+FFFD, which has three. */
static struct jv text_of_bytes(struct jq_run *run, const uint8_t *bytes, size_t len)
{
    uint8_t *to, *start;
    struct jv text = jv_text_alloc(run, len * 3 + 1, &start);
    uint32_t code;

    to = start;
    for (size_t i = 0; i < len;) {
        i += strings_step(bytes + i, bytes + len, &code);
        to += strings_put(to, code);
    }
    text.len = (uint32_t)(to - start);
    return text;
}

static int decode_base(struct jq_run *run, const struct node *node,
                       const struct base *base, struct jv string, struct jv *out_r)
{
    size_t len, room = string.len + 1u;
    uint8_t *bytes = pool_alloc(run, room);

    run_charge(run, string.len / 8);
    if (!decode_digits(base, string, bytes, &len))
        return flow_failf(run, node, "%s is not valid %s data",
                          flow_describe(run, string), base->name);
    *out_r = text_of_bytes(run, bytes, len);
    pool_free(run, bytes, room);
    jv_drop(run, string);
    return FLOW_OK;
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int decode_uri(struct jq_run *run, const struct node *node, struct jv string,
                      struct jv *out_r)
{
    size_t len = 0, room = string.len + 1u;
    uint8_t *bytes = pool_alloc(run, room);

    run_charge(run, string.len / 16);
    for (uint32_t i = 0; i < string.len; i++) {
        uint8_t c = string.at[i];

        if (c == '%') {
            int high = i + 2u < string.len ? hex_value(string.at[i + 1]) : -1;
            int low = i + 2u < string.len ? hex_value(string.at[i + 2]) : -1;

            if (high < 0 || low < 0)
                return flow_failf(run, node, "%s is not a valid uri encoding",
                                  flow_describe(run, string));
            c = (uint8_t)(high << 4 | low);
            i += 2;
        }
        bytes[len++] = c;
    }
    *out_r = text_of_bytes(run, bytes, len);
    pool_free(run, bytes, room);
    jv_drop(run, string);
    return FLOW_OK;
}

int values_format(struct jq_run *run, const struct node *node, uint32_t format,
                  struct jv value, struct jv *out_r)
{
    struct jv text;

    if (format == FORMAT_CSV || format == FORMAT_TSV || format == FORMAT_SH)
        return format_row(run, node, format, value, out_r);
    if (format == FORMAT_JSON) {
        *out_r = values_to_json(run, value);
        return FLOW_OK;
    }
    text = values_to_string(run, value);
    switch (format) {
    case FORMAT_HTML:
        *out_r = append_escaped(run, jv_text(run, "", 0), text, escape_html);
        jv_drop(run, text);
        return FLOW_OK;
    case FORMAT_URI: *out_r = encode_uri(run, text); return FLOW_OK;
    case FORMAT_URID: return decode_uri(run, node, text, out_r);
    case FORMAT_BASE64: *out_r = encode_base(run, &base64, text); return FLOW_OK;
    case FORMAT_BASE64D: return decode_base(run, node, &base64, text, out_r);
    case FORMAT_BASE32: *out_r = encode_base(run, &base32, text); return FLOW_OK;
    case FORMAT_BASE32D: return decode_base(run, node, &base32, text, out_r);
    default: *out_r = text; return FLOW_OK;
    }
}
