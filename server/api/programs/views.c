#include "server/api/programs/views.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/document_name.h"
#include "common/base/file.h"
#include "common/codec/jq/jq.h"
#include "common/codec/operations/program_argument.h"

#define SUFFIX ".jq"

struct views {
    size_t count;
    struct view items[VIEWS_MAX];
};

/* Writes which byte of the text it is, as editors count. */
static void put_place(struct buf *why, struct slice text, size_t offset)
{
    unsigned line = 1, column = 1;

    for (size_t i = 0; i < offset && i < text.len; i++) {
        column++;
        if (text.data[i] == '\n') {
            line++;
            column = 1;
        }
    }
    buf_printf(why, "line %u, column %u", line, column);
}

/* The name of a variable that stands in the text there ("$x"); empty for none. */
static struct slice variable_at(struct slice text, size_t at)
{
    struct slice name = {text.data + at, 0};

    if (at < text.len && text.data[at] == '$')
        name.data++;
    while (name.data + name.len < text.data + text.len &&
           (isalnum(name.data[name.len]) || name.data[name.len] == '_'))
        name.len++;
    return name;
}

static bool is_among(struct slice name, const struct slice *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (names[i].len == name.len && memcmp(names[i].data, name.data, name.len) == 0)
            return true;
    return false;
}

/* Compiles the text. A variable that it does not define is taken for an argument: names_r
   has them all, `id` first. Returns how many, or -1 with the refusal. */
static int compile(struct slice text, struct slice names_r[JQ_MAX_NAMES],
                   struct jq_refusal *refusal_r)
{
    int count = 1;

    names_r[0] = (struct slice){(const uint8_t *)PROGRAM_ID, sizeof PROGRAM_ID - 1};
    for (;;) {
        struct jq_program *program = jq_compile(text, names_r, (size_t)count, refusal_r);
        struct slice name;

        if (program != NULL) {
            jq_destroy(&program);
            return count;
        }
        name = variable_at(text, refusal_r->offset);
        if (name.len == 0 || count == JQ_MAX_NAMES || name.data[-1] != '$' ||
            is_among(name, names_r, (size_t)count))
            return -1;
        names_r[count++] = name;
    }
}

static char *copy_text(struct slice text)
{
    char *copy = mem_alloc(text.len + 1);

    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    return copy;
}

/* Compiles what has been read; -1 with why. */
static int check_view(struct view *view, const char *path, struct buf *why)
{
    struct slice text = buf_slice(&view->text), names[JQ_MAX_NAMES];
    struct jq_refusal refusal;
    int count = compile(text, names, &refusal);

    if (count < 0) {
        buf_printf(why, "%s: ", path);
        put_place(why, text, refusal.offset);
        buf_printf(why, ": %s", refusal.reason);
        return -1;
    }
    view->argument_count = (size_t)count - 1;
    view->arguments = mem_zalloc((size_t)count * sizeof *view->arguments);
    for (int i = 1; i < count; i++)
        view->arguments[i - 1] = copy_text(names[i]);
    return 0;
}

static int load_view(struct views *views, const char *folder, const char *file,
                     struct buf *why)
{
    struct slice name = {(const uint8_t *)file, strlen(file) - strlen(SUFFIX)};
    struct buf path = BUF_INIT;
    struct view *view;
    int result = -1;

    buf_printf(&path, "%s/%s", folder, file);
    buf_append(&path, "", 1);
    if (views->count == VIEWS_MAX) {
        buf_printf(why, "%s: expected %d views at most", folder, VIEWS_MAX);
    } else if (!document_name_is_valid(name)) {
        buf_printf(why, "%s: a view's name is %s", (const char *)path.data,
                   DOCUMENT_NAME_RULE);
    } else {
        view = &views->items[views->count++];
        view->name = copy_text(name);
        if (file_read((const char *)path.data, JQ_MAX_TEXT_BYTES, &view->text) < 0)
            buf_printf(why, "%s: %s", (const char *)path.data, strerror(errno));
        else
            result = check_view(view, (const char *)path.data, why);
    }
    buf_free(&path);
    return result;
}

static bool is_view(const char *file)
{
    size_t len = strlen(file), suffix = strlen(SUFFIX);

    return file[0] != '.' && len > suffix && strcmp(file + len - suffix, SUFFIX) == 0;
}

struct views *views_load(const char *folder, struct buf *why)
{
    struct views *views = mem_zalloc(sizeof *views);
    DIR *directory = opendir(folder);
    struct dirent *entry;
    int result = directory == NULL ? -1 : 0;

    if (directory == NULL)
        buf_printf(why, "%s: %s", folder, strerror(errno));
    while (result == 0 && (entry = readdir(directory)) != NULL)
        if (is_view(entry->d_name))
            result = load_view(views, folder, entry->d_name, why);
    if (directory != NULL)
        closedir(directory);
    if (result != 0)
        views_destroy(&views);
    return views;
}

void views_destroy(struct views **views)
{
    if (*views == NULL)
        return;
    for (size_t i = 0; i < (*views)->count; i++) {
        struct view *view = &(*views)->items[i];

        for (size_t j = 0; j < view->argument_count; j++)
            mem_free(view->arguments[j]);
        mem_free(view->arguments);
        mem_free(view->name);
        buf_free(&view->text);
    }
    mem_free(*views);
    *views = NULL;
}

const struct view *views_find(const struct views *views, struct slice name)
{
    for (size_t i = 0; views != NULL && i < views->count; i++)
        if (strlen(views->items[i].name) == name.len &&
            memcmp(views->items[i].name, name.data, name.len) == 0)
            return &views->items[i];
    return NULL;
}
