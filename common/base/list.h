/*
 * An intrusive doubly linked list. The links are members of the objects, so that adding
 * and removing never allocate. The head is a link too; a link in no list points to
 * itself. One thread at a time.
 */
#ifndef OFFLOOP_COMMON_BASE_LIST_H
#define OFFLOOP_COMMON_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next;
    struct list *prev;
};

/* The object of `type` whose member `member` is *link. */
#define container_of(link, type, member) \
    ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* Makes an empty head, or a link that is in no list. */
static inline void list_init(struct list *link)
{
    link->next = link->prev = link;
}

/* True for an empty head and for a link in no list. */
static inline bool list_is_empty(const struct list *link)
{
    return link->next == link;
}

/* Inserts a link that is in no list before `at`; before the head is the list's end. */
static inline void list_insert_before(struct list *at, struct list *link)
{
    link->prev = at->prev;
    link->next = at;
    at->prev->next = link;
    at->prev = link;
}

/* Appends a link that is in no list. */
static inline void list_append(struct list *head, struct list *link)
{
    list_insert_before(head, link);
}

/* Removes a link from its list; the link may be in none. */
static inline void list_remove(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

/* Removes and returns the first link; NULL where the list is empty. */
static inline struct list *list_shift(struct list *head)
{
    struct list *first = head->next;

    if (first == head)
        return NULL;
    list_remove(first);
    return first;
}

#endif
