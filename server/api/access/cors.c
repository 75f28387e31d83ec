#include "server/api/access/cors.h"

#include <ctype.h>
#include <string.h>

/* How long a browser may remember an answer; what browsers allow differs, 2 h at least.
 */
#define MAX_AGE_SECONDS "7200"

/* What a script may read of a reply, beyond what the protocol allows anyway. */
#define EXPOSED "ETag, Link, Location, Retry-After"

/* What a script may send, beyond what the protocol allows anyway. */
#define REQUEST_HEADERS                                                                \
    "Accept, Authorization, Content-Encoding, Content-Type, If-Match, If-None-Match, " \
    "Offloop-Mode"

int cors_check(const char *text, const char **expected_r)
{
    const char *host;

    *expected_r =
        "an origin as browsers send it (https://app.example, no path), * or off";
    if (strcmp(text, "off") == 0 || strcmp(text, "*") == 0)
        return 0;
    host = strstr(text, "://");
    if (host == NULL || host == text || host[3] == '\0')
        return -1;
    for (const char *at = text; at < host; at++)
        if (!islower((unsigned char)*at) && strchr("+-.0123456789", *at) == NULL)
            return -1;
    for (const char *at = host + 3; *at != '\0'; at++)
        if (!islower((unsigned char)*at) && strchr("-._~%0123456789:[]", *at) == NULL)
            return -1;
    return 0;
}

int cors_headers_check(const char *text, const char **expected_r)
{
    bool named = false;

    *expected_r = "names of header fields, separated by commas (traceparent), or off";
    for (; *text != '\0'; text++) {
        if (*text == ',' && !named)
            return -1;
        if (*text == ',')
            named = false;
        else if (isalnum((unsigned char)*text) || strchr("!#$%&'+-.^_`|~", *text))
            named = true;
        else
            return -1;
    }
    return named ? 0 : -1;
}

/* What Access-Control-Allow-Origin says to that origin; NULL where it is none of ours.
   Browsers write origins in one way only, so bytes are compared. */
static const char *allowed(const struct cors *cors, struct slice origin)
{
    for (size_t i = 0; i < cors->count && origin.data != NULL; i++) {
        const char *known = cors->origins[i];

        if (strcmp(known, "*") == 0 ||
            (strlen(known) == origin.len && memcmp(known, origin.data, origin.len) == 0))
            return known;
    }
    return NULL;
}

static bool is_any(const struct cors *cors)
{
    return cors->count == 1 && strcmp(cors->origins[0], "*") == 0;
}

void cors_put_reply(const struct cors *cors, struct slice origin, struct buf *headers)
{
    const char *known = allowed(cors, origin);

    if (known != NULL)
        buf_printf(headers,
                   "Access-Control-Allow-Origin: %s\r\n"
                   "Access-Control-Expose-Headers: " EXPOSED "\r\n",
                   known);
    if (cors->count > 0 && !is_any(cors))
        buf_append_str(headers, "Vary: Origin\r\n"); /* for caches, to the others too */
}

bool cors_is_preflight(struct slice origin, struct slice wanted_method)
{
    return origin.data != NULL && wanted_method.data != NULL;
}

void cors_put_preflight(const struct cors *cors, struct slice origin, const char *methods,
                        struct buf *headers)
{
    if (allowed(cors, origin) == NULL)
        return;
    buf_printf(headers,
               "Access-Control-Allow-Methods: %s\r\n"
               "Access-Control-Allow-Headers: " REQUEST_HEADERS,
               methods);
    for (size_t i = 0; i < cors->header_count; i++)
        buf_printf(headers, ", %s", cors->headers[i]);
    buf_append_str(headers, "\r\nAccess-Control-Max-Age: " MAX_AGE_SECONDS "\r\n");
}
