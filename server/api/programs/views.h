/*
 * Views: programs that the operator names (--views DIR). NAME.jq in the folder is the
 * view NAME. All are compiled when they are loaded, so that a faulty one is found out
 * then; what a program refers to as `$x` and does not define is an argument that requests
 * must give.
 *
 * Read-only once loaded; any thread may look. Loading blocks: not on a loop.
 */
#ifndef OFFLOOP_SERVER_API_PROGRAMS_VIEWS_H
#define OFFLOOP_SERVER_API_PROGRAMS_VIEWS_H

#include "common/base/buf.h"

/* Views in a folder. */
#define VIEWS_MAX 256

struct views;

/* One view. */
struct view {
    char *name;
    struct buf text;
    char **arguments; /* that a request must give, `$id` aside */
    size_t argument_count;
};

/* Loads the folder; NULL with what is wrong (file, line, column) appended to why. The
   caller ends it with views_destroy(). */
struct views *views_load(const char *folder, struct buf *why);

/* Frees; NULL inside is allowed. */
void views_destroy(struct views **views);

/* The view of that name; NULL where there is none, or where views is NULL. */
const struct view *views_find(const struct views *views, struct slice name);

#endif
