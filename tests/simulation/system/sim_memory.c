#include "tests/simulation/system/sim_memory.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/list.h"
#include "tests/simulation/system/sim_world.h"

/* Blocks are filled up to so many bytes. */
#define FILLED_BYTES 4096
#define FILL_NEW     0xcd
#define FILL_FREED   0xdd

#define MAGIC UINT64_C(0x0ff100b10c0)

void *__real_malloc(size_t size);
void __real_free(void *block);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *block);
char *__wrap_strdup(const char *text);
int __wrap_vasprintf(char **text_r, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
int __real_vasprintf(char **text_r, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* Stands before each block. */
struct head {
    struct list link;
    uint64_t magic;
    size_t size;
    const void *caller;
    uint64_t padding; /* blocks are aligned to 16 bytes */
};

static struct list blocks = {&blocks, &blocks};
static struct list *last_before; /* the last block that was there at the beginning */

static void fill(void *block, int byte, size_t size)
{
    memset(block, byte, size < FILLED_BYTES ? size : FILLED_BYTES);
}

static void *allocate(size_t size, const void *caller)
{
    struct head *head = __real_malloc(sizeof *head + size);

    if (head == NULL)
        return NULL;
    list_init(&head->link);
    list_append(&blocks, &head->link);
    head->magic = MAGIC;
    head->size = size;
    head->caller = caller;
    return head + 1;
}

static struct head *head_of(void *block)
{
    struct head *head = (struct head *)block - 1;

    if (head->magic != MAGIC)
        sim_fail("what is freed is no block, or is freed twice");
    return head;
}

void *__wrap_malloc(size_t size)
{
    void *block = allocate(size, __builtin_return_address(0));

    if (block != NULL)
        fill(block, FILL_NEW, size);
    return block;
}

void *__wrap_calloc(size_t count, size_t size)
{
    void *block;

    if (size > 0 && count > SIZE_MAX / 2 / size)
        return NULL;
    block = allocate(count * size, __builtin_return_address(0));
    if (block != NULL)
        memset(block, 0, count * size);
    return block;
}

void __wrap_free(void *block)
{
    struct head *head;

    if (block == NULL)
        return;
    head = head_of(block);
    list_remove(&head->link);
    head->magic = 0;
    fill(block, FILL_FREED, head->size);
    __real_free(head);
}

void *__wrap_realloc(void *old, size_t size)
{
    void *block = allocate(size, __builtin_return_address(0));
    size_t kept;

    if (block == NULL || old == NULL)
        return block;
    kept = head_of(old)->size;
    memcpy(block, old, kept < size ? kept : size);
    __wrap_free(old);
    return block;
}

char *__wrap_strdup(const char *text)
{
    char *copy = allocate(strlen(text) + 1, __builtin_return_address(0));

    return copy == NULL ? NULL : strcpy(copy, text);
}

int __wrap_vasprintf(char **text_r, const char *format, va_list args)
{
    char *text;
    int len = __real_vasprintf(&text, format, args);

    if (len < 0)
        return len;
    *text_r = __wrap_strdup(text);
    __real_free(text);
    return len;
}

void sim_memory_begin(void)
{
    last_before = blocks.prev;
}

void sim_memory_end(void)
{
    unsigned count = 0;

    for (struct list *at = last_before->next; at != &blocks; at = at->next, count++) {
        const struct head *head = container_of(at, struct head, link);

        sim_trace("not freed: %zu bytes, taken at %p", head->size, head->caller);
    }
    if (count > 0)
        sim_fail("%u blocks are not freed", count);
}
