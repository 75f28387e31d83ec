#include "server/listeners.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/endpoint.h"
#include "common/list.h"

struct listener {
    struct list link;
    char *text;
    size_t nth;
    unsigned holders;
    int fd; /* -1 once closed */
    bool named;
};

struct listeners {
    struct list all;
};

struct listeners *listeners_create(void)
{
    struct listeners *listeners = mem_alloc(sizeof *listeners);

    list_init(&listeners->all);
    return listeners;
}

static struct listener *find(struct listeners *listeners, const char *text, size_t nth)
{
    for (struct list *link = listeners->all.next; link != &listeners->all;
         link = link->next) {
        struct listener *listener = container_of(link, struct listener, link);

        if (listener->nth == nth && strcmp(listener->text, text) == 0)
            return listener;
    }
    return NULL;
}

static void close_listener(struct listener *listener)
{
    struct endpoint endpoint;

    if (listener->fd < 0)
        return;
    if (endpoint_of_socket(listener->fd, &endpoint) == 0 && endpoint_is_unix(&endpoint))
        unlink(endpoint.socket.un.sun_path);
    close(listener->fd);
    listener->fd = -1;
}

static void free_listener(struct listener *listener)
{
    close_listener(listener);
    list_remove(&listener->link);
    mem_free(listener->text);
    mem_free(listener);
}

void listeners_destroy(struct listeners **listeners)
{
    if (*listeners == NULL)
        return;
    while (!list_is_empty(&(*listeners)->all))
        free_listener(container_of((*listeners)->all.next, struct listener, link));
    mem_free(*listeners);
    *listeners = NULL;
}

int listeners_hold(struct listeners *listeners, const char *text, size_t nth)
{
    struct listener *listener = find(listeners, text, nth);
    struct endpoint endpoint;
    const char *expected;
    int fd;

    if (listener == NULL) {
        if (endpoint_parse(text, &endpoint, &expected) < 0)
            assert(!"the configuration was not checked");
        fd = endpoint_listen(&endpoint);
        if (fd < 0)
            return -1;
        listener = mem_zalloc(sizeof *listener);
        listener->text = str_dup(text);
        listener->nth = nth;
        listener->fd = fd;
        list_append(&listeners->all, &listener->link);
    }
    listener->holders++;
    return listener->fd;
}

void listeners_release(struct listeners *listeners, const char *text, size_t nth)
{
    struct listener *listener = find(listeners, text, nth);

    assert(listener != NULL && listener->holders > 0);
    if (--listener->holders == 0)
        free_listener(listener);
}

void listeners_close(struct listeners *listeners)
{
    for (struct list *link = listeners->all.next; link != &listeners->all;
         link = link->next)
        close_listener(container_of(link, struct listener, link));
}

void listeners_name(struct listeners *listeners, const char *program, const char *what,
                    const char *text, size_t nth)
{
    struct listener *listener = find(listeners, text, nth);
    struct endpoint endpoint;
    struct buf address = BUF_INIT;

    assert(listener != NULL);
    if (listener->named || endpoint_of_socket(listener->fd, &endpoint) < 0)
        return;
    listener->named = true;
    endpoint_print(&endpoint, &address);
    printf("%s: %s %s%.*s\n", program, what, endpoint_is_unix(&endpoint) ? "" : "http://",
           (int)address.len, (const char *)address.data);
    fflush(stdout);
    buf_free(&address);
}
