/*
 * The files of the live page (server/ops/page/), built into the program.
 */
#ifndef OFFLOOP_SERVER_OPS_PAGE_H
#define OFFLOOP_SERVER_OPS_PAGE_H

#include "common/base/buf.h"

struct page_file {
    const char *path; /* as asked for: "/page.css" */
    const char *content_type;
    struct slice bytes;
};

/* The file of that path; NULL where there is none. */
const struct page_file *page_find(struct slice path);

#endif
