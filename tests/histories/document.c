#include "tests/histories/document.h"

#include <stdio.h>
#include <string.h>

/* Mostly small; some that need several pages of LMDB; a few that travel in pieces,
   through shared memory or under a key of their own in Redis. */
static size_t filler_bytes(uint64_t w)
{
    uint64_t mixed = (w * UINT64_C(0x9e3779b97f4a7c15)) >> 32;
    unsigned pick = (unsigned)(mixed % 1000);

    if (pick < 700)
        return 20;
    if (pick < 950)
        return 300;
    if (pick < 996)
        return 2500 + mixed % 4000;
    return 66000 + mixed % 90000;
}

static char filler_letter(uint64_t w)
{
    return (char)('a' + w % 26);
}

size_t document_print(const struct document *document, char *to)
{
    size_t filler = filler_bytes(document->w);
    int len = snprintf(to, DOCUMENT_MAX,
                       "{\"k\":\"h%u/k%03u\",\"n\":%ju,\"p\":%ju,\"w\":%ju,\"z\":\"",
                       document->collection, document->id, (uintmax_t)document->n,
                       (uintmax_t)document->p, (uintmax_t)document->w);

    memset(to + len, filler_letter(document->w), filler);
    memcpy(to + len + filler, "\"}", 2);
    return (size_t)len + filler + 2;
}

bool document_skip(const char **at, const char *end, const char *text)
{
    size_t len = strlen(text);

    if ((size_t)(end - *at) < len || memcmp(*at, text, len) != 0)
        return false;
    *at += len;
    return true;
}

bool document_read_number(const char **at, const char *end, uint64_t *number_r)
{
    const char *begin = *at;

    *number_r = 0;
    while (*at < end && **at >= '0' && **at <= '9')
        *number_r = *number_r * 10 + (uint64_t)(*(*at)++ - '0');
    return *at > begin && *at - begin < 20;
}

static bool read_filler(const char **at, const char *end, uint64_t w)
{
    size_t filler = filler_bytes(w);
    char letter = filler_letter(w);

    if ((size_t)(end - *at) < filler)
        return false;
    for (size_t i = 0; i < filler; i++)
        if (*(*at)++ != letter)
            return false;
    return document_skip(at, end, "\"}");
}

bool document_read(const char **at, const char *end, struct document *document_r)
{
    uint64_t collection, id;

    if (!document_skip(at, end, "{\"k\":\"h") ||
        !document_read_number(at, end, &collection) || !document_skip(at, end, "/k") ||
        !document_read_number(at, end, &id) || !document_skip(at, end, "\",\"n\":") ||
        !document_read_number(at, end, &document_r->n) ||
        !document_skip(at, end, ",\"p\":") ||
        !document_read_number(at, end, &document_r->p) ||
        !document_skip(at, end, ",\"w\":") ||
        !document_read_number(at, end, &document_r->w) ||
        !document_skip(at, end, ",\"z\":\""))
        return false;
    document_r->collection = (unsigned)collection;
    document_r->id = (unsigned)id;
    return read_filler(at, end, document_r->w);
}
