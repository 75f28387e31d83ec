#include "server/store/redis/keys/redis_template.h"

#include <assert.h>
#include <string.h>

#include "common/base/text.h"
#include "server/store/redis/place/redis_slot.h"
#include "server/store/store_backend.h"

#define COLLECTION "{collection}"
#define ID         "{id}"

/* ---- reading a template ---- */

/* Appends the decoded text; -1 for a broken escape, or a NUL. */
static int decode(struct slice text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        int byte = text.data[i];

        if (byte == '%') {
            byte = i + 2 < text.len ? hex_byte_value(text.data[i + 1], text.data[i + 2])
                                    : -1;
            i += 2;
        }
        if (byte <= 0)
            return -1;
        buf_append(out, &(uint8_t){(uint8_t)byte}, 1);
    }
    return 0;
}

static const uint8_t *find(struct slice text, const char *what)
{
    return text.len > 0 ? memmem(text.data, text.len, what, strlen(what)) : NULL;
}

/* Divides a text at the one place where `what` stands; -1 if there is none, or several.
 */
static int divide(struct slice text, const char *what, struct slice *before_r,
                  struct slice *behind_r)
{
    const uint8_t *at = find(text, what);

    if (at == NULL)
        return -1;
    *before_r = (struct slice){text.data, (size_t)(at - text.data)};
    at += strlen(what);
    *behind_r = (struct slice){at, text.len - (size_t)(at - text.data)};
    return find(*behind_r, what) == NULL ? 0 : -1;
}

/* Both names, in either order. */
static int divide_all(struct redis_template *t)
{
    struct slice text = buf_slice(&t->text), rest;

    if (divide(text, COLLECTION, &t->before, &rest) < 0)
        return -1;
    if (divide(rest, ID, &t->between, &t->behind) == 0)
        return find(t->before, ID) == NULL ? 0 : -1;
    t->id_first = true;
    t->behind = rest;
    rest = t->before;
    return find(t->behind, ID) == NULL ? divide(rest, ID, &t->before, &t->between) : -1;
}

/* An upload's key must lie in the slot of the document's: the part of a key that Redis
   hashes must have no closing brace. */
static bool has_sound_braces(const struct redis_template *t)
{
    static const uint8_t letter = 'x';
    const struct slice name = {&letter, 1};
    struct redis_key key;
    struct slice tag;

    if (redis_template_key(t, (struct store_key){name, name}, &key) < 0)
        return false;
    tag = redis_slot_tag((struct slice){(const uint8_t *)key.bytes, key.len});
    return memchr(tag.data, '}', tag.len) == NULL;
}

static const char *check(struct redis_template *t)
{
    if (divide_all(t) < 0)
        return "a template after key= that has {collection} and {id}, each once";
    if (t->between.len == 0)
        return "something between {collection} and {id} in the template after key=";
    if (t->before.len + t->between.len + t->behind.len > REDIS_TEMPLATE_MAX)
        return "at most 256 bytes beside {collection} and {id} in the template after "
               "key=";
    if (slice_starts_with(t->before, "offloop:"))
        return "a template after key= that does not begin with offloop:, as the "
               "server's own keys do";
    if (!has_sound_braces(t))
        return "no } in the template after key= but where { and } enclose a hash tag";
    return NULL;
}

const char *redis_template_parse(struct slice text, struct redis_template *template_r)
{
    const char *expected;

    *template_r = (struct redis_template){.id_first = false};
    if (decode(text, &template_r->text) < 0)
        expected = "%XX for a byte other than 0 in the template after key=";
    else
        expected = check(template_r);
    if (expected != NULL)
        redis_template_free(template_r);
    return expected;
}

void redis_template_free(struct redis_template *template)
{
    buf_free(&template->text);
    *template = (struct redis_template){.id_first = false};
}

/* ---- keys and names ---- */

/* Where the first name ends in what begins with it: at the first place where the text
   between the names stands. NULL if that is nowhere. */
static const uint8_t *find_between(const struct redis_template *t, struct slice text)
{
    return text.len == 0 ? NULL
                         : memmem(text.data, text.len, t->between.data, t->between.len);
}

static void put(struct redis_key *key, struct slice bytes)
{
    assert(key->len + bytes.len <= sizeof key->bytes);
    if (bytes.len > 0)
        memcpy(key->bytes + key->len, bytes.data, bytes.len);
    key->len += bytes.len;
}

/* Writes a key up to its second name. -1 if it would be read as that of another document,
   because the first name ends earlier then. */
static int put_first(const struct redis_template *t, struct slice first,
                     struct redis_key *key)
{
    const uint8_t *from = (const uint8_t *)key->bytes + t->before.len;

    key->len = 0;
    put(key, t->before);
    put(key, first);
    put(key, t->between);
    return find_between(t, (struct slice){from, key->len - t->before.len}) ==
                   from + first.len
               ? 0
               : -1;
}

int redis_template_key(const struct redis_template *t, struct store_key name,
                       struct redis_key *key_r)
{
    if (put_first(t, t->id_first ? name.id : name.collection, key_r) < 0)
        return -1;
    put(key_r, t->id_first ? name.collection : name.id);
    put(key_r, t->behind);
    return 0;
}

bool redis_template_has(const struct redis_template *t, struct slice collection)
{
    struct redis_key key;

    return t->id_first || put_first(t, collection, &key) == 0;
}

int redis_template_name(const struct redis_template *t, struct slice key,
                        struct store_key *name_r)
{
    size_t around = t->before.len + t->behind.len;
    struct slice names, first, second;
    const uint8_t *end;

    if (key.len <= around || memcmp(key.data, t->before.data, t->before.len) != 0 ||
        memcmp(key.data + key.len - t->behind.len, t->behind.data, t->behind.len) != 0)
        return -1;
    names = (struct slice){key.data + t->before.len, key.len - around};
    end = find_between(t, names);
    if (end == NULL)
        return -1;
    first = (struct slice){names.data, (size_t)(end - names.data)};
    end += t->between.len;
    second = (struct slice){end, names.len - (size_t)(end - names.data)};
    *name_r = t->id_first ? (struct store_key){second, first}
                          : (struct store_key){first, second};
    return store_backend_name_is_sound(name_r->collection) &&
                   store_backend_name_is_sound(name_r->id)
               ? 0
               : -1;
}

/* Appends a text in which no character is special. */
static void put_plain(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (memchr("*?[]^-\\", text.data[i], 7) != NULL)
            buf_append_str(out, "\\");
        buf_append(out, &text.data[i], 1);
    }
}

static void put_name(struct buf *out, struct slice name)
{
    if (name.len == 0)
        buf_append_str(out, "*");
    else
        put_plain(out, name);
}

void redis_template_pattern(const struct redis_template *t, struct slice collection,
                            struct buf *out)
{
    const struct slice any = {NULL, 0};

    put_plain(out, t->before);
    put_name(out, t->id_first ? any : collection);
    put_plain(out, t->between);
    put_name(out, t->id_first ? collection : any);
    put_plain(out, t->behind);
}
