/* @text, @csv and the other formats. */
#include "common/codec/jq/strings.h"
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
    FORMATS
};

static const char *const names[] = {"@text", "@json", "@csv",    "@tsv",    "@html",
                                    "@uri",  "@sh",   "@base64", "@base64d"};

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

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static struct jv encode_base64(struct jq_run *run, struct jv string)
{
    uint8_t *to;
    struct jv text = jv_text_alloc(run, ((size_t)string.len + 2) / 3 * 4, &to);

    for (size_t i = 0; i < string.len; i += 3) {
        size_t left = string.len - i;
        uint32_t bits = (uint32_t)string.at[i] << 16;

        bits |= left > 1 ? (uint32_t)string.at[i + 1] << 8 : 0;
        bits |= left > 2 ? string.at[i + 2] : 0;
        for (unsigned j = 0; j < 4; j++)
            *to++ = j > left ? '=' : (uint8_t)base64_digits[bits >> (18 - 6 * j) & 63];
    }
    jv_drop(run, string);
    return text;
}

/* The bytes that the digits stand for, up to the first `=`; false where they are none. */
static bool decode_digits(struct jv string, uint8_t *to, size_t *len_r)
{
    uint32_t bits = 0;
    unsigned count = 0;
    size_t len = 0;

    for (uint32_t i = 0; i < string.len && string.at[i] != '='; i++) {
        const char *digit =
            string.at[i] == 0 ? NULL : strchr(base64_digits, string.at[i]);

        if (digit == NULL)
            return false;
        bits = bits << 6 | (uint32_t)(digit - base64_digits);
        if (++count % 4 != 1)
            to[len++] = (uint8_t)(bits >> (6 - 2 * ((count - 1) % 4)));
    }
    *len_r = len;
    return count % 4 != 1;
}

static int decode_base64(struct jq_run *run, const struct node *node, struct jv string,
                         struct jv *out_r)
{
    uint8_t *bytes, *to, *start;
    size_t len, room = string.len + 4u;
    struct jv text;
    uint32_t code;

    bytes = pool_alloc(run, room);
    if (!decode_digits(string, bytes, &len))
        return flow_failf(run, node, "%s is not valid base64 data",
                          flow_describe(run, string));
    text = jv_text_alloc(run, len * 3 + 1, &start);
    to = start; /* what is no UTF-8 becomes U+FFFD, which has three bytes */
    for (size_t i = 0; i < len;) {
        i += strings_step(bytes + i, bytes + len, &code);
        to += strings_put(to, code);
    }
    text.len = (uint32_t)(to - start);
    pool_free(run, bytes, room);
    jv_drop(run, string);
    *out_r = text;
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
    case FORMAT_BASE64: *out_r = encode_base64(run, text); return FLOW_OK;
    case FORMAT_BASE64D: return decode_base64(run, node, text, out_r);
    default: *out_r = text; return FLOW_OK;
    }
}
