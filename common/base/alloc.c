#include "common/base/alloc.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"

static void *checked(void *block, size_t size)
{
    if (block == NULL)
        log_fatal("out of memory allocating %zu bytes", size);
    return block;
}

void mem_reuse(size_t block_bytes, size_t spare_bytes)
{
    mallopt(M_MMAP_THRESHOLD, (int)block_bytes);
    mallopt(M_TRIM_THRESHOLD, (int)spare_bytes);
}

void *mem_alloc(size_t size)
{
    return checked(malloc(size ? size : 1), size);
}

void *mem_zalloc(size_t size)
{
    return checked(calloc(1, size ? size : 1), size);
}

void *mem_realloc(void *old, size_t size)
{
    return checked(realloc(old, size ? size : 1), size);
}

void mem_free(void *block)
{
    free(block);
}

char *str_dup(const char *text)
{
    return checked(strdup(text), strlen(text) + 1);
}

char *str_printf(const char *format, ...)
{
    va_list args;
    char *text = NULL;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    return checked(text, strlen(format));
}
