#include "server/store/redis/redis_url.h"

#include <assert.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/text.h"

/* The schemes. */
struct scheme {
    const char *text;
    int (*read)(struct redis_url *url, const char *text); /* the text after the @ */
    enum redis_kind kind;
    bool tls;
};

bool redis_url_is_redis(const char *text)
{
    return text_starts_with(text, "redis") && strchr(text, ':') != NULL;
}

static char *copy(const char *text, size_t len)
{
    return str_printf("%.*s", (int)len, text);
}

/* A decoded copy; NULL if a %XX is bad or gives a NUL. */
static char *decode(const char *text, size_t len)
{
    char *out = mem_alloc(len + 1);
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (c == '%') {
            int byte = -1;

            if (i + 2 < len)
                byte = hex_byte_value((uint8_t)text[i + 1], (uint8_t)text[i + 2]);
            if (byte <= 0) {
                mem_free(out);
                return NULL;
            }
            c = (char)byte;
            i += 2;
        }
        out[n++] = c;
    }
    out[n] = 0;
    return out;
}

/* Digits only, at most max. */
static int read_number(const char *text, size_t len, unsigned max, unsigned *value_r)
{
    unsigned value = 0;

    if (len == 0 || len > 6)
        return -1;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value = value * 10 + (unsigned)(text[i] - '0');
    }
    *value_r = value;
    return value <= max ? 0 : -1;
}

/* "user:password", the text before the @. */
static int read_login(struct redis_url *url, const char *text, size_t len)
{
    const char *colon = memchr(text, ':', len);
    size_t user_len = colon == NULL ? len : (size_t)(colon - text);

    if (colon == NULL)
        return -1; /* a user without a password is a mistake */
    if (user_len > 0 && (url->user = decode(text, user_len)) == NULL)
        return -1;
    url->password = decode(colon + 1, len - user_len - 1);
    return url->password == NULL || url->password[0] == 0 ? -1 : 0;
}

static bool is_host_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           c == '.' || c == '-' || c == '_';
}

/* Reads a host; returns its end, or NULL if there is none. */
static const char *read_host(char **host_r, const char *text)
{
    const char *end = text;

    if (*text == '[') {
        end = strchr(text, ']');
        if (end == NULL ||
            strspn(text + 1, "0123456789abcdefABCDEF:.") != (size_t)(end - text - 1))
            return NULL;
        *host_r = copy(text + 1, (size_t)(end - text - 1));
        end++;
    } else {
        while (is_host_char(*end))
            end++;
        *host_r = copy(text, (size_t)(end - text));
    }
    return (*host_r)[0] == 0 || strlen(*host_r) > 255 ? NULL : end;
}

/* Reads "host:port"; returns its end, or NULL if it is malformed. */
static const char *read_place(struct redis_place *place, const char *text)
{
    text = read_host(&place->host, text);
    if (text != NULL && *text == ':') {
        size_t len = strcspn(++text, ",/");

        if (read_number(text, len, 65535, &place->port) < 0 || place->port == 0)
            return NULL;
        text += len;
    }
    return text;
}

/* "" or "/" or "/db" */
static int read_db(struct redis_url *url, const char *text)
{
    if (*text == 0 || strcmp(text, "/") == 0)
        return 0;
    if (*text != '/')
        return -1;
    return read_number(text + 1, strlen(text + 1), REDIS_URL_DB_MAX, &url->db);
}

/* "host:port/db" */
static int read_tcp(struct redis_url *url, const char *text)
{
    struct redis_place place = {NULL, REDIS_URL_PORT};

    text = read_place(&place, text);
    url->host = place.host;
    url->port = place.port;
    return text == NULL ? -1 : read_db(url, text);
}

/* Reads "host:port,host:port"; returns its end, or NULL if it is malformed. */
static const char *read_places(struct redis_url *url, const char *text, unsigned port)
{
    url->places = mem_zalloc(REDIS_URL_PLACES * sizeof *url->places);
    for (;;) {
        if (url->place_count == REDIS_URL_PLACES)
            return NULL;
        url->places[url->place_count].port = port;
        text = read_place(&url->places[url->place_count++], text);
        if (text == NULL || *text != ',')
            return text;
        text++;
    }
}

static bool is_master_char(char c)
{
    return (is_host_char(c) || c == '~') && c != 0;
}

/* "host:port,host:port/master/db" */
static int read_sentinel(struct redis_url *url, const char *text)
{
    size_t len = 0;

    text = read_places(url, text, REDIS_URL_SENTINEL_PORT);
    if (text == NULL || *text != '/')
        return -1;
    text++;
    while (is_master_char(text[len]))
        len++;
    url->master = copy(text, len);
    return len == 0 || len > 255 ? -1 : read_db(url, text + len);
}

/* "host:port,host:port" */
static int read_cluster(struct redis_url *url, const char *text)
{
    text = read_places(url, text, REDIS_URL_PORT);
    return text != NULL && (*text == 0 || strcmp(text, "/") == 0) ? 0 : -1;
}

/* "/path" */
static int read_unix(struct redis_url *url, const char *text)
{
    size_t len = strlen(text);

    if (text[0] != '/' || len < 2 || len > 107 ||
        strchr(text, '?') != NULL) /* sun_path */
        return -1;
    url->path = copy(text, len);
    return 0;
}

static const struct scheme schemes[] = {
    {"redis://", read_tcp, REDIS_SERVER, false},
    {"rediss://", read_tcp, REDIS_SERVER, true},
    {"redis+unix://", read_unix, REDIS_SERVER, false},
    {"redis+sentinel://", read_sentinel, REDIS_SENTINEL, false},
    {"rediss+sentinel://", read_sentinel, REDIS_SENTINEL, true},
    {"redis+cluster://", read_cluster, REDIS_CLUSTER, false},
    {"rediss+cluster://", read_cluster, REDIS_CLUSTER, true},
};

static const struct scheme *find_scheme(const char *text)
{
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (text_starts_with(text, schemes[i].text))
            return &schemes[i];
    return NULL;
}

/* ---- the parameters behind a ? ---- */

/* A ? may also stand in a password. */
const char *redis_url_query(const char *text)
{
    for (const char *at = strchr(text, '?'); at != NULL; at = strchr(at + 1, '?'))
        if (text_starts_with(at, "?db=") || text_starts_with(at, "?key=") ||
            text_starts_with(at, "?scan"))
            return at;
    return text + strlen(text);
}

static int read_scan(struct redis_url *url, struct slice value)
{
    if (slice_is(value, "scan") || slice_is(value, "scan=on"))
        url->scan = REDIS_SCAN_ON;
    else if (slice_is(value, "scan=off"))
        url->scan = REDIS_SCAN_OFF;
    else
        return -1;
    return 0;
}

static int read_key(struct redis_url *url, struct slice text)
{
    if (url->keys != NULL)
        return -1;
    url->keys = mem_zalloc(sizeof *url->keys);
    return redis_template_parse(text, url->keys) == NULL ? 0 : -1;
}

static int read_parameter(struct redis_url *url, struct slice text)
{
    struct slice db = slice_after(text, "db="), key = slice_after(text, "key=");

    if (key.data != NULL)
        return read_key(url, key);
    if (db.data != NULL)
        return url->path == NULL ? -1
                                 : read_number((const char *)db.data, db.len,
                                               REDIS_URL_DB_MAX, &url->db);
    return read_scan(url, text);
}

/* "?db=N&key=TEMPLATE&scan"; of scan alone there is nothing to say. */
static int read_query(struct redis_url *url, const char *text)
{
    while (*text != 0) {
        size_t len = strcspn(text + 1, "&");

        if (read_parameter(url, (struct slice){(const uint8_t *)text + 1, len}) < 0)
            return -1;
        text += 1 + len;
    }
    return url->keys == NULL && url->scan != REDIS_SCAN_ASKED ? -1 : 0;
}

const char *redis_url_expected(const char *text)
{
    const char *key = strstr(redis_url_query(text), "key="), *expected = NULL;
    struct redis_template template;

    if (key != NULL && (key[-1] == '?' || key[-1] == '&')) {
        key += strlen("key=");
        expected = redis_template_parse(
            (struct slice){(const uint8_t *)key, strcspn(key, "&")}, &template);
        if (expected == NULL)
            redis_template_free(&template);
    }
    return expected != NULL ? expected : REDIS_URL_EXPECTED;
}

/* ---- all of it ---- */

/* Reads what follows the scheme, up to the parameters. */
static int read_address(struct redis_url *url, const struct scheme *scheme,
                        const char *text)
{
    const char *at = strrchr(text, '@');

    if (at != NULL && memchr(text, '/', (size_t)(at - text)) != NULL)
        at = NULL; /* it is in the path, or in a password that should have %2F */
    if (at != NULL && read_login(url, text, (size_t)(at - text)) < 0)
        return -1;
    return scheme->read(url, at != NULL ? at + 1 : text);
}

int redis_url_parse(const char *text, struct redis_url *url_r)
{
    const struct scheme *scheme = find_scheme(text);
    const char *query = redis_url_query(text);
    char *address;
    int rc;

    *url_r = (struct redis_url){.port = REDIS_URL_PORT};
    if (scheme == NULL || strlen(text) > REDIS_URL_MAX)
        return -1;
    url_r->tls = scheme->tls;
    url_r->kind = scheme->kind;
    text += strlen(scheme->text);
    address = copy(text, (size_t)(query - text));
    rc = read_address(url_r, scheme, address);
    explicit_bzero(address, strlen(address)); /* it may have a password */
    mem_free(address);
    if (rc == 0)
        rc = read_query(url_r, query);
    if (rc < 0)
        redis_url_free(url_r);
    return rc;
}

void redis_url_of_place(struct redis_url *url_r, const struct redis_url *like,
                        const char *host, unsigned port)
{
    *url_r = (struct redis_url){
        .host = str_dup(host),
        .port = port,
        .user = like->user != NULL ? str_dup(like->user) : NULL,
        .password = like->password != NULL ? str_dup(like->password) : NULL,
        .tls = like->tls,
    };
}

void redis_url_free(struct redis_url *url)
{
    if (url->password != NULL)
        explicit_bzero(url->password, strlen(url->password));
    for (size_t i = 0; i < url->place_count; i++)
        mem_free(url->places[i].host);
    mem_free(url->places);
    if (url->keys != NULL)
        redis_template_free(url->keys);
    mem_free(url->keys);
    mem_free(url->master);
    mem_free(url->host);
    mem_free(url->path);
    mem_free(url->user);
    mem_free(url->password);
    *url = (struct redis_url){0};
}

void redis_url_print(const struct redis_url *url, struct buf *out)
{
    buf_append_str(out, url->tls ? "redis (TLS) " : "redis ");
    switch (url->kind) {
    case REDIS_SENTINEL:
        buf_printf(out, "%s/%u by Sentinel", url->master, url->db);
        return;
    case REDIS_CLUSTER:
        buf_printf(out, "cluster at %s:%u", url->places[0].host, url->places[0].port);
        return;
    case REDIS_SERVER: break;
    }
    assert((url->host == NULL) != (url->path == NULL));
    if (url->path != NULL)
        buf_printf(out, "%s, db %u", url->path, url->db);
    else if (strchr(url->host, ':') != NULL)
        buf_printf(out, "[%s]:%u/%u", url->host, url->port, url->db);
    else
        buf_printf(out, "%s:%u/%u", url->host, url->port, url->db);
}
