#include "worker/link/front_address.h"

#include <string.h>

#include "common/base/text.h"

#define IPC_SCHEME "ipc://"

/* What the kernel names a socket that was bound to no name: unix(7), "autobind". */
#define PICKED_DIGITS 5

static bool begins_with(struct slice text, const char *start, size_t len)
{
    return text.len >= len && memcmp(text.data, start, len) == 0;
}

/* The directory of a path, with its last slash. */
static struct slice directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return (struct slice){(const uint8_t *)path,
                          slash == NULL ? 0 : (size_t)(slash + 1 - path)};
}

/* What follows the last slash; empty where that names no file. */
static struct slice name_of(struct slice path)
{
    size_t start = path.len;
    struct slice name;

    while (start > 0 && path.data[start - 1] != '/')
        start--;
    name = (struct slice){path.data + start, path.len - start};
    if ((name.len == 1 && name.data[0] == '.') ||
        (name.len == 2 && memcmp(name.data, "..", 2) == 0))
        name.len = 0;
    return name;
}

/* Appends the path of what `named` names in the directory of `near`. */
static int put_path_near(const char *near, struct slice named, struct buf *path)
{
    struct slice directory = directory_of(near), name = name_of(named);

    if (directory.len == 0 || name.len == 0 || named.data[0] != '/')
        return -1;
    buf_append(path, directory.data, directory.len);
    buf_append(path, name.data, name.len);
    return 0;
}

/* The path in an ipc:// URL; NULL for other URLs. */
static const char *path_in(const char *url)
{
    return text_after(url, IPC_SCHEME);
}

int front_address_of_seat(const char *gate_url, struct slice named, struct buf *url)
{
    const char *gate_path = path_in(gate_url), *colon = strstr(gate_url, "://");
    size_t scheme_len = colon == NULL ? 0 : (size_t)(colon - gate_url) + 3;
    size_t start = url->len;

    if (scheme_len == 0 || !begins_with(named, gate_url, scheme_len))
        return -1;
    if (gate_path == NULL) {
        buf_append(url, named.data, named.len);
        return 0;
    }
    named = (struct slice){named.data + scheme_len, named.len - scheme_len};
    buf_append_str(url, IPC_SCHEME);
    if (named.len > 0 && put_path_near(gate_path, named, url) == 0 &&
        url->len - start <= WIRE_MAX_TEXT_BYTES)
        return 0;
    url->len = start;
    return -1;
}

static bool was_picked_by_kernel(struct slice name)
{
    if (name.len != 1 + PICKED_DIGITS || name.data[0] != '@')
        return false;
    for (size_t i = 1; i < name.len; i++)
        if (memchr("0123456789abcdef", name.data[i], 16) == NULL)
            return false;
    return true;
}

int front_address_of_arena_socket(const char *front_url, bool is_here, struct slice named,
                                  struct buf *path)
{
    const char *front_path = path_in(front_url);

    if (named.len == 0)
        return -1;
    if (front_path != NULL)
        return put_path_near(front_path, named, path);
    if (!is_here || !was_picked_by_kernel(named))
        return -1;
    buf_append(path, named.data, named.len);
    return 0;
}
