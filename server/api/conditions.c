#include "server/api/conditions.h"

#include "server/api/negotiate.h"

const char *conditions_read(struct http_exchange *x, struct conditions *conditions_r)
{
    uint64_t version;

    conditions_r->match = http_header_joined(x, "if-match");
    conditions_r->none_match = http_header_joined(x, "if-none-match");
    if (negotiate_tags_read(conditions_r->match, &version) == NEGOTIATE_TAGS_BAD)
        return "If-Match must be * or entity tags, each in double quotes";
    if (negotiate_tags_read(conditions_r->none_match, &version) == NEGOTIATE_TAGS_BAD)
        return "If-None-Match must be * or entity tags, each in double quotes";
    return NULL;
}

enum conditions_plan conditions_plan(const struct conditions *conditions,
                                     struct store_put *put)
{
    uint64_t version, unused;
    enum negotiate_tags match = negotiate_tags_read(conditions->match, &version);
    enum negotiate_tags none = negotiate_tags_read(conditions->none_match, &unused);

    put->condition = STORE_ALWAYS;
    if (match != NEGOTIATE_TAGS_NONE && none != NEGOTIATE_TAGS_NONE)
        return CONDITIONS_READ;
    if (match == NEGOTIATE_TAGS_LIST || none == NEGOTIATE_TAGS_LIST ||
        none == NEGOTIATE_TAGS_VERSION)
        return CONDITIONS_READ;
    if (match == NEGOTIATE_TAGS_ANY) {
        put->condition = STORE_IF_PRESENT;
    } else if (match == NEGOTIATE_TAGS_VERSION) {
        put->condition = STORE_IF_VERSION;
        put->if_version = version;
    } else if (none == NEGOTIATE_TAGS_ANY) {
        put->condition = STORE_IF_ABSENT;
    }
    return CONDITIONS_STORE;
}

bool conditions_match(const struct conditions *conditions, uint64_t version)
{
    return conditions->match.data == NULL ||
           negotiate_tags_name(conditions->match, version, false);
}

bool conditions_hold(const struct conditions *conditions, uint64_t version)
{
    return conditions_match(conditions, version) &&
           (conditions->none_match.data == NULL ||
            !negotiate_tags_name(conditions->none_match, version, true));
}

const char *conditions_failed_text(struct http_exchange *x)
{
    switch (negotiate_tags_fault(http_header_joined(x, "if-match"))) {
    case NEGOTIATE_TAG_WEAK:
        return "If-Match compares strongly, so a weak tag (W/) never matches: a proxy "
               "that "
               "compresses replies has made it weak; leave compressing to offloop, or "
               "send "
               "the tag without W/";
    case NEGOTIATE_TAG_MARKED:
        return "the tag in If-Match has an end that offloop did not give it: a proxy "
               "that "
               "compresses replies has added it; leave compressing to offloop, or send "
               "the "
               "tag without that end";
    case NEGOTIATE_TAG_SOUND: break;
    }
    return store_status_text(STORE_CONFLICT);
}

bool conditions_hold_absent(const struct conditions *conditions)
{
    return conditions->match.data == NULL;
}
