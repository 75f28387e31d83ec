#include "server/ops/page.h"

#include <assert.h>
#include <string.h>

/* The assembler includes the files as they are; the folder is in its search path (see
   CMakeLists.txt, which also has this file compiled again when one of them changes). */
#define EMBED(name, file)                                              \
    __asm__(".pushsection .rodata\n"                                   \
            "offloop_page_" #name ": .incbin \"" file "\"\n"           \
            "offloop_page_" #name "_end: .byte 0\n"                    \
            ".popsection\n");                                          \
    extern const uint8_t page_##name[] __asm__("offloop_page_" #name); \
    extern const uint8_t page_##name##_end[] __asm__("offloop_page_" #name "_end")

EMBED(html, "server/ops/page/index.html");
EMBED(css, "server/ops/page/page.css");
EMBED(js, "server/ops/page/page.js");

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

        if (path.len != strlen(file->path) ||
            memcmp(path.data, file->path, path.len) != 0)
            continue;
        file->bytes.len = (size_t)(ends[i] - file->bytes.data);
        assert(file->bytes.len > 0);
        return file;
    }
    return NULL;
}
