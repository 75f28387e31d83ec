#include "server/api/negotiate.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/codec/coding/coding.h"

/* Digits of UINT64_MAX. */
#define DIGITS_MAX 20

/* Digits of a program's hash. */
#define HASH_DIGITS 16

static const struct {
    const char *media;
    const char *mark;
} types[] = {
#define X(name, media, mark) {media, mark},
    NEGOTIATE_TYPE_MAP(X)
#undef X
};

static const char *const coding_marks[] = {
#define X(name, text, mark) mark,
    CODEC_CODING_MAP(X)
#undef X
};

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static struct slice trim(struct slice s)
{
    while (s.len > 0 && is_space(s.data[0]))
        s.data++, s.len--;
    while (s.len > 0 && is_space(s.data[s.len - 1]))
        s.len--;
    return s;
}

static bool equals(struct slice s, const char *text)
{
    return s.len == strlen(text) && strncasecmp((const char *)s.data, text, s.len) == 0;
}

/* Takes the text up to `delimiter` (or the end) off *rest, trimmed; a delimiter inside a
   quoted string does not count. False where nothing is left. */
static bool next_part(struct slice *rest, uint8_t delimiter, struct slice *part_r)
{
    bool quoted = false;
    size_t n;

    if (rest->len == 0)
        return false;
    for (n = 0; n < rest->len; n++) {
        uint8_t c = rest->data[n];

        if (quoted && c == '\\' && n + 1 < rest->len)
            n++;
        else if (c == '"')
            quoted = !quoted;
        else if (c == delimiter && !quoted)
            break;
    }
    *part_r = trim((struct slice){rest->data, n});
    n = n < rest->len ? n + 1 : n;
    rest->data += n;
    rest->len -= n;
    return true;
}

/* A parameter's value where part is `name=value`; quotes are taken off. */
static bool parameter_is(struct slice part, const char *name, struct slice *value_r)
{
    const uint8_t *equal = memchr(part.data, '=', part.len);

    if (equal == NULL ||
        !equals(trim((struct slice){part.data, (size_t)(equal - part.data)}), name))
        return false;
    *value_r =
        trim((struct slice){equal + 1, part.len - (size_t)(equal - part.data) - 1});
    if (value_r->len >= 2 && value_r->data[0] == '"' &&
        value_r->data[value_r->len - 1] == '"') {
        value_r->data++;
        value_r->len -= 2;
    }
    return true;
}

/* A qvalue in thousandths (RFC 9110 section 12.4.2); what is malformed counts as 1. */
static unsigned quality_parse(struct slice text)
{
    unsigned value = 0, scale = 100;

    if (text.len == 0 || (text.data[0] != '0' && text.data[0] != '1'))
        return 1000;
    if (text.data[0] == '1')
        return 1000;
    for (size_t i = 2; i < text.len && i < 5; i++, scale /= 10) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return 1000;
        value += scale * (unsigned)(text.data[i] - '0');
    }
    return value;
}

/* True where every byte may stand in a media type's name (RFC 9110 section 5.6.2). "*"
   may too, but is no name in a range. */
static bool is_name(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!isalnum(text.data[i]) &&
            (text.data[i] == '\0' || strchr("!#$%&'+-.^_`|~", text.data[i]) == NULL))
            return false;
    return text.len > 0;
}

/* True for "application/" NAME "+json" (RFC 6839 section 3.1). */
static bool is_json_suffixed(struct slice media)
{
    const size_t before = strlen("application/"), behind = strlen("+json");

    return media.len > before + behind && media.len < NEGOTIATE_MEDIA_MAX &&
           equals((struct slice){media.data, before}, "application/") &&
           equals((struct slice){media.data + media.len - behind, behind}, "+json") &&
           is_name((struct slice){media.data + before, media.len - before});
}

/* The other names of a type that a reply may be sent under. */
static bool is_other_name(struct slice media, enum negotiate_type type)
{
    if (type == NEGOTIATE_JSON)
        return is_json_suffixed(media);
    return type == NEGOTIATE_NDJSON &&
           (equals(media, "application/ndjson") || equals(media, "application/jsonl") ||
            equals(media, "application/x-jsonlines"));
}

static bool media_names(struct slice media, enum negotiate_type type)
{
    if (type == NEGOTIATE_MSGPACK && (equals(media, "application/x-msgpack") ||
                                      equals(media, "application/vnd.msgpack")))
        return true;
    return equals(media, types[type].media) || is_other_name(media, type);
}

/* How exactly a media range names a type: 0 not at all, 1 by "*" "/" "*", 2 by
   "application/" "*", 3 by name. */
static unsigned range_precedence(struct slice range, enum negotiate_type type)
{
    if (equals(range, "*/*"))
        return 1;
    if (equals(range, "application/*"))
        return 2;
    return media_names(range, type) ? 3 : 0;
}

/* Takes the next range and its quality off an Accept field. Empty elements count as none
   (RFC 9110 section 5.6.1). False where nothing is left. */
static bool next_range(struct slice *accept, struct slice *range_r, unsigned *quality_r)
{
    struct slice element, part, value;

    do
        if (!next_part(accept, ',', &element))
            return false;
    while (element.len == 0 || !next_part(&element, ';', range_r));
    *quality_r = 1000;
    while (next_part(&element, ';', &part))
        if (parameter_is(part, "q", &value))
            *quality_r = quality_parse(value);
    return true;
}

/* The quality that an Accept field gives to one type: that of its most exact range, the
   best of several. With `own` the type's other names do not count. */
static unsigned accept_quality(struct slice accept, enum negotiate_type type, bool own)
{
    unsigned best_precedence = 0, quality = 0, q;
    struct slice range;

    while (next_range(&accept, &range, &q)) {
        unsigned precedence =
            own && is_other_name(range, type) ? 0 : range_precedence(range, type);

        if (precedence > best_precedence ||
            (precedence > 0 && precedence == best_precedence && q > quality)) {
            best_precedence = precedence;
            quality = q;
        }
    }
    return quality;
}

void negotiate_accept_name(struct slice accept, enum negotiate_type type,
                           char media_r[NEGOTIATE_MEDIA_MAX])
{
    struct slice range;
    unsigned best, q;

    media_r[0] = '\0';
    /* Few clients want another name: the others do not pay for it. */
    if (accept.len == 0 ||
        (type == NEGOTIATE_JSON && memchr(accept.data, '+', accept.len) == NULL))
        return;
    best = accept_quality(accept, type, true);
    while (next_range(&accept, &range, &q))
        if (q > best && is_other_name(range, type)) {
            best = q;
            snprintf(media_r, NEGOTIATE_MEDIA_MAX, "%.*s", (int)range.len,
                     (const char *)range.data);
        }
}

int negotiate_accept(struct slice accept, enum negotiate_type count,
                     enum negotiate_type *type_r)
{
    struct slice all = accept, range;
    unsigned best = 0, q;

    *type_r = NEGOTIATE_JSON;
    if (!next_range(&all, &range, &q))
        return 0;
    for (int type = 0; type < (int)count; type++) {
        unsigned quality = accept_quality(accept, (enum negotiate_type)type, false);

        if (quality > best) {
            best = quality;
            *type_r = (enum negotiate_type)type;
        }
    }
    return best > 0 ? 0 : -1;
}

bool negotiate_accepts(struct slice accept, enum negotiate_type type)
{
    struct slice all = accept, range;
    unsigned q;

    return !next_range(&all, &range, &q) || accept_quality(accept, type, false) > 0;
}

/* Finds a charset other than UTF-8 among these parameters. */
static bool find_charset(struct slice parameters, struct slice *charset_r)
{
    struct slice part;

    while (next_part(&parameters, ';', &part))
        if (parameter_is(part, "charset", charset_r) && !equals(*charset_r, "utf-8") &&
            !equals(*charset_r, "utf8"))
            return true;
    return false;
}

static bool is_utf8(struct slice parameters)
{
    struct slice charset;

    return !find_charset(parameters, &charset);
}

int negotiate_content_type(struct slice content_type, enum negotiate_type *type_r)
{
    struct slice part;
    int type = 0;

    *type_r = NEGOTIATE_JSON;
    if (!next_part(&content_type, ';', &part))
        return -1;
    while (type < NEGOTIATE_DOCUMENT_TYPES &&
           !media_names(part, (enum negotiate_type)type))
        type++;
    if (type == NEGOTIATE_DOCUMENT_TYPES)
        return -1;
    *type_r = (enum negotiate_type)type;
    return is_utf8(content_type) ? 0 : -1;
}

bool negotiate_is_media(struct slice content_type, const char *media)
{
    struct slice part;

    return next_part(&content_type, ';', &part) && equals(part, media) &&
           is_utf8(content_type);
}

void negotiate_refusal_print(struct slice content_type, const char *taken,
                             char text_r[NEGOTIATE_REFUSAL_MAX])
{
    const int most = 64; /* bytes of what the client wrote */
    struct slice media = {NULL, 0}, charset = {NULL, 0};

    if (trim(content_type).len == 0 || !next_part(&content_type, ';', &media))
        snprintf(text_r, NEGOTIATE_REFUSAL_MAX, "a Content-Type is needed; %s", taken);
    else if (find_charset(content_type, &charset) && is_name(charset))
        snprintf(text_r, NEGOTIATE_REFUSAL_MAX,
                 "charset %.*s is not accepted: the text must be UTF-8",
                 charset.len < (size_t)most ? (int)charset.len : most,
                 (const char *)charset.data);
    else if (charset.len > 0)
        snprintf(text_r, NEGOTIATE_REFUSAL_MAX, "the text must be UTF-8");
    else
        snprintf(text_r, NEGOTIATE_REFUSAL_MAX, "%s; say which one in Content-Type",
                 taken);
}

bool negotiate_is_ndjson(struct slice content_type)
{
    struct slice part;

    return next_part(&content_type, ';', &part) && media_names(part, NEGOTIATE_NDJSON) &&
           is_utf8(content_type);
}

/* True where an element of Accept-Encoding names that coding. */
static bool names_coding(struct slice part, enum codec_coding coding)
{
    return equals(part, coding_name(coding)) ||
           (coding == CODING_GZIP && equals(part, "x-gzip"));
}

/* The quality that an Accept-Encoding field gives to a coding; -1 where it says nothing
   of it. "*" stands for gzip, which all understand, and for no other that is not named.
 */
static int coding_quality(struct slice accept_encoding, enum codec_coding coding)
{
    struct slice element, part, parameter, value;
    int named = -1, any = -1;

    while (next_part(&accept_encoding, ',', &element)) {
        struct slice parameters = element;
        unsigned q = 1000;

        if (!next_part(&parameters, ';', &part))
            continue;
        while (next_part(&parameters, ';', &parameter))
            if (parameter_is(parameter, "q", &value))
                q = quality_parse(value);
        if (names_coding(part, coding))
            named = (int)q;
        else if (equals(part, "*") && coding == CODING_GZIP)
            any = (int)q;
    }
    return named >= 0 ? named : any;
}

enum codec_coding negotiate_coding(struct slice accept_encoding,
                                   const enum codec_coding *offered, unsigned count)
{
    int identity = coding_quality(accept_encoding, CODING_NONE), best = 0;
    enum codec_coding coding = CODING_NONE;

    for (unsigned i = 0; i < count; i++) {
        int quality = coding_quality(accept_encoding, offered[i]);

        if (quality > best) {
            best = quality;
            coding = offered[i];
        }
    }
    return identity > best ? CODING_NONE : coding;
}

int negotiate_content_coding(struct slice content_encoding, bool *gzip_r)
{
    struct slice coding;
    unsigned codings = 0;

    *gzip_r = false;
    while (next_part(&content_encoding, ',', &coding)) {
        if (coding.len == 0)
            continue; /* an empty element counts as none (RFC 9110 section 5.6.1) */
        *gzip_r = equals(coding, "gzip") || equals(coding, "x-gzip");
        if (++codings > 1 || (!*gzip_r && !equals(coding, "identity")))
            return -1;
    }
    return 0;
}

void negotiate_etag_print(uint64_t version, enum negotiate_type type, uint64_t program,
                          enum codec_coding coding, char etag_r[NEGOTIATE_ETAG_MAX])
{
    char hash[2 + HASH_DIGITS] = "";
    int len;

    if (program != 0)
        snprintf(hash, sizeof hash, "-%016" PRIx64, program);
    len = snprintf(etag_r, NEGOTIATE_ETAG_MAX, "\"%" PRIu64 "-%s%s%s\"", version,
                   types[type].mark, hash, coding_marks[coding]);

    assert(len > 0 && len < NEGOTIATE_ETAG_MAX);
}

/* Takes the "W/" off a weak tag; true where there was one. */
static bool take_weak(struct slice *tag)
{
    if (tag->len < 2 || tag->data[0] != 'W' || tag->data[1] != '/')
        return false;
    tag->data += 2;
    tag->len -= 2;
    return true;
}

bool negotiate_none_match(struct slice field, const char *etag)
{
    struct slice tag;

    while (next_part(&field, ',', &tag)) {
        if (equals(tag, "*"))
            return true;
        take_weak(&tag);
        if (tag.len == strlen(etag) && memcmp(tag.data, etag, tag.len) == 0)
            return true;
    }
    return false;
}

static bool is_opaque_tag(struct slice tag)
{
    return tag.len >= 2 && tag.data[0] == '"' && tag.data[tag.len - 1] == '"';
}

/* Takes the mark of a coding off the end of a tag, where there is one. */
static void take_coding_mark(struct slice *tag)
{
    for (int coding = CODING_NONE + 1; coding < CODEC_CODINGS; coding++) {
        size_t len = strlen(coding_marks[coding]);

        if (tag->len > len &&
            memcmp(tag->data + tag->len - len, coding_marks[coding], len) == 0) {
            tag->len -= len;
            return;
        }
    }
}

/* Takes the hash of a program off the end of a tag, where there is one. */
static void take_hash(struct slice *tag)
{
    size_t len = 1 + HASH_DIGITS;
    const uint8_t *mark;

    if (tag->len <= len)
        return;
    mark = tag->data + tag->len - len;
    for (size_t i = 1; i < len; i++)
        if (!isdigit(mark[i]) && (mark[i] < 'a' || mark[i] > 'f'))
            return;
    if (*mark == '-')
        tag->len -= len;
}

/* The version in an opaque tag; -1 where it is none of ours. */
static int tag_version(struct slice tag, uint64_t *version_r)
{
    uint64_t version = 0;
    size_t i;

    assert(is_opaque_tag(tag));
    for (i = 1; tag.data[i] >= '0' && tag.data[i] <= '9'; i++)
        if (i > DIGITS_MAX || __builtin_mul_overflow(version, 10, &version) ||
            __builtin_add_overflow(version, (uint64_t)(tag.data[i] - '0'), &version))
            return -1;
    if (i == 1 || tag.data[i] != '-')
        return -1;
    tag = (struct slice){tag.data + i + 1, tag.len - i - 2};
    take_coding_mark(&tag);
    take_hash(&tag);
    for (int type = 0; type < NEGOTIATE_TYPES; type++)
        if (tag.len == strlen(types[type].mark) &&
            memcmp(tag.data, types[type].mark, tag.len) == 0) {
            *version_r = version;
            return 0;
        }
    return -1;
}

enum negotiate_tags negotiate_tags_read(struct slice field, uint64_t *version_r)
{
    unsigned tags = 0, ours = 0;
    struct slice tag;

    if (field.data == NULL)
        return NEGOTIATE_TAGS_NONE;
    if (equals(trim(field), "*"))
        return NEGOTIATE_TAGS_ANY;
    while (next_part(&field, ',', &tag)) {
        bool weak;

        if (tag.len == 0)
            continue; /* an empty element counts as none (RFC 9110 section 5.6.1) */
        weak = take_weak(&tag);
        if (!is_opaque_tag(tag))
            return NEGOTIATE_TAGS_BAD;
        tags++;
        if (!weak && tag_version(tag, version_r) == 0)
            ours++;
    }
    if (tags == 0)
        return NEGOTIATE_TAGS_BAD;
    return tags == 1 && ours == 1 ? NEGOTIATE_TAGS_VERSION : NEGOTIATE_TAGS_LIST;
}

/* True for what begins as a tag of ours but ends in another mark. */
static bool is_marked(struct slice tag)
{
    uint64_t unused;

    assert(is_opaque_tag(tag));
    if (tag_version(tag, &unused) == 0)
        return false;
    for (size_t end = tag.len - 2; end > 0; end--) {
        uint8_t text[NEGOTIATE_ETAG_MAX];

        if (isalnum(tag.data[end]) || end + 1 > sizeof text)
            continue;
        memcpy(text, tag.data, end);
        text[end] = '"';
        if (tag_version((struct slice){text, end + 1}, &unused) == 0)
            return true;
    }
    return false;
}

enum negotiate_tag_fault negotiate_tags_fault(struct slice field)
{
    struct slice tag;
    uint64_t unused;

    while (next_part(&field, ',', &tag)) {
        bool weak = take_weak(&tag);

        if (!is_opaque_tag(tag))
            continue;
        if (is_marked(tag))
            return NEGOTIATE_TAG_MARKED;
        if (weak && tag_version(tag, &unused) == 0)
            return NEGOTIATE_TAG_WEAK;
    }
    return NEGOTIATE_TAG_SOUND;
}

bool negotiate_tags_name(struct slice field, uint64_t version, bool weakly)
{
    struct slice tag;
    uint64_t named;

    if (equals(trim(field), "*"))
        return true;
    while (next_part(&field, ',', &tag)) {
        bool weak = take_weak(&tag);

        if ((weakly || !weak) && is_opaque_tag(tag) && tag_version(tag, &named) == 0 &&
            named == version)
            return true;
    }
    return false;
}

const char *negotiate_media_type(enum negotiate_type type)
{
    assert(type < NEGOTIATE_TYPES);
    return types[type].media;
}
