#include "server/store/redis/link/redis_error.h"

#include <ctype.h>
#include <string.h>

/* The part of an error's text that is searched: the code stands at its beginning, or
   later in a script's error that quotes it. */
#define TEXT_BYTES 1024

/* In the order of the search: the first that is found counts. */
static const struct redis_error table[] = {
    {"NOSCRIPT", STORE_ERROR, REDIS_REMEDY_LOAD},
    {"OOM", STORE_FULL, REDIS_REMEDY_NONE},
    {"LOADING", STORE_DOWN, REDIS_REMEDY_RECONNECT}, /* Redis is still reading its data */
    {"READONLY", STORE_DOWN, REDIS_REMEDY_REPLICA},  /* a replica */
    {"MASTERDOWN", STORE_DOWN, REDIS_REMEDY_RECONNECT},
    {"NOAUTH", STORE_DOWN, REDIS_REMEDY_RECONNECT},
    {"WRONGPASS", STORE_DOWN, REDIS_REMEDY_RECONNECT},
    {"MISCONF", STORE_DOWN, REDIS_REMEDY_NONE},    /* Redis cannot write its files */
    {"NOREPLICAS", STORE_DOWN, REDIS_REMEDY_NONE}, /* min-replicas-to-write */
    {"BUSY", STORE_DOWN, REDIS_REMEDY_NONE}, /* in a long script of another client */
    {"WRONGTYPE", STORE_WRONG_TYPE, REDIS_REMEDY_NONE},
    {"MOVED", STORE_DOWN, REDIS_REMEDY_MOVED},
    {"ASK", STORE_DOWN, REDIS_REMEDY_ASK},
    {"TRYAGAIN", STORE_DOWN, REDIS_REMEDY_WAIT},
    {"CLUSTERDOWN", STORE_DOWN, REDIS_REMEDY_NEW_MAP},
};

static bool is_word_end(const char *text, size_t len, size_t at)
{
    return at == len || !isupper((unsigned char)text[at]);
}

/* True if the text, or an error that it quotes ("-CODE "), begins with the code. */
static bool has_code(const char *text, size_t len, const char *code)
{
    size_t code_len = strlen(code);

    if (len >= code_len && memcmp(text, code, code_len) == 0 &&
        is_word_end(text, len, code_len))
        return true;
    for (size_t at = 1; at + code_len <= len; at++)
        if (text[at - 1] == '-' && memcmp(text + at, code, code_len) == 0 &&
            is_word_end(text, len, at + code_len))
            return true;
    return false;
}

static bool contains(const char *text, size_t len, const char *what)
{
    return memmem(text, len, what, strlen(what)) != NULL;
}

struct redis_error redis_error_read(const char *text, size_t len)
{
    struct redis_error error = {"", STORE_ERROR, REDIS_REMEDY_NONE};

    if (len > TEXT_BYTES)
        len = TEXT_BYTES;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (has_code(text, len, table[i].code)) {
            error = table[i];
            break;
        }
    /* the error of a script whose key has moved to the slot's next node already */
    if (error.code[0] == 0 && contains(text, len, "access a non local key"))
        return (struct redis_error){"TRYAGAIN", STORE_DOWN, REDIS_REMEDY_WAIT};
    if (strcmp(error.code, "MISCONF") == 0 && contains(text, len, "No space left"))
        error.status = STORE_FULL;
    return error;
}
