#include "server/api/access/auth.h"

#include <assert.h>
#include <errno.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "common/base/alloc.h"
#include "common/base/file.h"
#include "common/base/document_name.h"
#include "common/base/text.h"

/* What is read of a file, and of a token. */
#define FILE_MAX_BYTES  (256 * 1024)
#define TOKEN_MAX_BYTES 512
#define GRANTS_MAX      2048

struct grant {
    uint8_t hash[SHA256_DIGEST_SIZE];
    unsigned rights;
    bool everything; /* '*' */
    uint8_t prefix_len;
    uint8_t prefix[DOCUMENT_NAME_MAX_BYTES];
};

struct auth {
    struct grant *grants;
    size_t count;
};

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Takes the next word off *line; empty at its end. */
static struct slice take_word(struct slice *line)
{
    struct slice word;

    while (line->len > 0 && is_blank(*line->data))
        line->data++, line->len--;
    word = (struct slice){line->data, 0};
    while (line->len > 0 && !is_blank(*line->data))
        line->data++, line->len--, word.len++;
    return word;
}

static int read_hash(struct slice text, uint8_t hash_r[SHA256_DIGEST_SIZE])
{
    if (text.len != 2 * SHA256_DIGEST_SIZE)
        return -1;
    for (size_t i = 0; i < SHA256_DIGEST_SIZE; i++) {
        int byte = hex_byte_value(text.data[2 * i], text.data[2 * i + 1]);

        if (byte < 0)
            return -1;
        hash_r[i] = (uint8_t)byte;
    }
    return 0;
}

static unsigned read_rights(struct slice word)
{
    static const struct {
        const char *text;
        unsigned rights;
    } rows[] = {{"r", AUTH_READ},
                {"w", AUTH_WRITE},
                {"rw", AUTH_READ | AUTH_WRITE},
                {"rq", AUTH_READ | AUTH_PROGRAM},
                {"wq", AUTH_WRITE | AUTH_PROGRAM},
                {"rwq", AUTH_READ | AUTH_WRITE | AUTH_PROGRAM}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (slice_is(word, rows[i].text))
            return rows[i].rights;
    return 0;
}

/* Reads a line that is not empty; NULL, or what was expected. */
static const char *read_grant(struct slice line, struct grant *grant)
{
    struct slice hash = take_word(&line), rights = take_word(&line),
                 prefix = take_word(&line);

    if (read_hash(hash, grant->hash) < 0)
        return "expected the SHA-256 of a token as 64 hex digits, then r, w or rw "
               "(each also with q), then a prefix of collections or *";
    grant->rights = read_rights(rights);
    if (grant->rights == 0)
        return "expected r, w or rw, each also with q, behind the hash";
    grant->everything = slice_is(prefix, "*");
    if (!grant->everything && !document_name_is_valid(prefix) && !name_is_dots(prefix))
        return "expected a prefix of collections' names, or *, behind the rights";
    if (take_word(&line).len > 0)
        return "expected nothing behind the prefix";
    if (!grant->everything) {
        grant->prefix_len = (uint8_t)prefix.len;
        memcpy(grant->prefix, prefix.data, prefix.len);
    }
    return NULL;
}

/* Takes one line in; NULL, or what was expected. */
static const char *take_line(struct auth *auth, struct slice line)
{
    struct slice rest = line;
    struct slice first = take_word(&rest);

    if (first.len == 0 || *first.data == '#')
        return NULL;
    if (auth->count == GRANTS_MAX)
        return "expected 2048 lines at most";
    auth->grants = mem_realloc(auth->grants, (auth->count + 1) * sizeof *auth->grants);
    auth->grants[auth->count] = (struct grant){.rights = 0};
    return read_grant(line, &auth->grants[auth->count++]);
}

struct auth *auth_parse(struct slice text, struct buf *why)
{
    struct auth *auth = mem_zalloc(sizeof *auth);
    const char *fault = NULL;

    for (unsigned number = 1; text.len > 0 && fault == NULL; number++) {
        const uint8_t *end = memchr(text.data, '\n', text.len);
        size_t len = end ? (size_t)(end - text.data) : text.len;

        fault = take_line(auth, (struct slice){text.data, len});
        if (fault != NULL)
            buf_printf(why, "line %u: %s", number, fault);
        len = end ? len + 1 : len;
        text.data += len;
        text.len -= len;
    }
    if (fault == NULL && auth->count == 0) {
        fault = "nobody";
        buf_append_str(why, "it has no line, so nobody could do anything");
    }
    if (fault != NULL)
        auth_destroy(&auth);
    return auth;
}

struct auth *auth_load(const char *path, struct buf *why)
{
    struct buf text = BUF_INIT;
    struct auth *auth = NULL;

    if (file_read(path, FILE_MAX_BYTES, &text) < 0)
        buf_printf(why, "%s", strerror(errno));
    else
        auth = auth_parse(buf_slice(&text), why);
    buf_free(&text);
    return auth;
}

void auth_destroy(struct auth **auth)
{
    if (*auth == NULL)
        return;
    mem_free((*auth)->grants);
    mem_free(*auth);
    *auth = NULL;
}

/* The token of a "Bearer" field; empty where it is none. */
static struct slice bearer_token(struct slice field)
{
    struct slice scheme, token;

    if (field.data == NULL)
        return field;
    scheme = take_word(&field);
    token = take_word(&field);
    if (scheme.len != 6 || strncasecmp((const char *)scheme.data, "bearer", 6) != 0 ||
        token.len > TOKEN_MAX_BYTES || take_word(&field).len > 0)
        token.len = 0;
    return token;
}

static bool covers(const struct grant *grant, struct slice collection)
{
    return grant->everything ||
           (collection.len >= grant->prefix_len &&
            memcmp(grant->prefix, collection.data, grant->prefix_len) == 0);
}

enum auth_verdict auth_check(const struct auth *auth, struct slice authorization,
                             struct slice collection, unsigned rights)
{
    struct slice token = bearer_token(authorization);
    uint8_t hash[SHA256_DIGEST_SIZE];
    struct sha256_ctx sha;
    unsigned has = 0;
    bool known = false;

    assert(rights != 0 && auth->count > 0);
    if (token.len == 0)
        return AUTH_MISSING;
    sha256_init(&sha);
    sha256_update(&sha, token.len, token.data);
    sha256_digest(&sha, sizeof hash, hash);
    for (size_t i = 0; i < auth->count; i++) {
        const struct grant *grant = &auth->grants[i];
        bool same = memeql_sec(grant->hash, hash, sizeof hash) != 0;

        known |= same;
        if (same && covers(grant, collection))
            has |= grant->rights;
    }
    if (!known)
        return AUTH_UNKNOWN;
    return (has & rights) == rights ? AUTH_ALLOWED : AUTH_FORBIDDEN;
}
