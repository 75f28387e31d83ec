#include "server/ops/page.h"

#include <assert.h>

#include "common/base/embed.h"
#include "common/base/text.h"

EMBED(page_html, "server/ops/page/index.html");
EMBED(page_css, "server/ops/page/page.css");
EMBED(page_js, "server/ops/page/page.js");

const struct page_file *page_find(struct slice path)
{
    static struct page_file files[] = {
        {"/", "text/html; charset=utf-8", {page_html, 0}},
        {"/page.css", "text/css; charset=utf-8", {page_css, 0}},
        {"/page.js", "text/javascript; charset=utf-8", {page_js, 0}},
    };
    static const uint8_t *const ends[] = {page_html_end, page_css_end, page_js_end};

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct page_file *file = &files[i];

        if (!slice_is(path, file->path))
            continue;
        file->bytes.len = (size_t)(ends[i] - file->bytes.data);
        assert(file->bytes.len > 0);
        return file;
    }
    return NULL;
}
