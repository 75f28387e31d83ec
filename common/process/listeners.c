#include "common/process/listeners.h"

#include <assert.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/address/endpoint.h"
#include "common/base/list.h"
#include "common/base/log.h"
#include "common/base/units.h"

/* The first socket of a service manager, and how many are looked at (sd_listen_fds(3)).
 */
#define INHERITED_FIRST 3
#define INHERITED_MAX   256

struct listener {
    struct list link;
    char *text;
    size_t nth;
    unsigned users;
    int fd; /* -1 once closed */
    bool inherited;
    bool named;
};

struct listeners {
    struct list all;
    int *inherited; /* descriptors; -1 for those that are in use */
    size_t inherited_count;
};

/* $LISTEN_FDS where $LISTEN_PID is this process; 0 otherwise. */
static size_t count_inherited(void)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    uint64_t number;

    if (pid == NULL || count == NULL || units_parse_number(pid, &number) < 0 ||
        number != (uint64_t)getpid() || units_parse_number(count, &number) < 0)
        return 0;
    return number < INHERITED_MAX ? (size_t)number : INHERITED_MAX;
}

struct listeners *listeners_create(void)
{
    struct listeners *listeners = mem_zalloc(sizeof *listeners);

    list_init(&listeners->all);
    listeners->inherited_count = count_inherited();
    listeners->inherited =
        mem_alloc(listeners->inherited_count * sizeof *listeners->inherited);
    for (size_t i = 0; i < listeners->inherited_count; i++) {
        int fd = INHERITED_FIRST + (int)i;

        listeners->inherited[i] = fd;
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        fcntl(fd, F_SETFL, O_NONBLOCK);
    }
    return listeners;
}

void listeners_leave(struct listeners *listeners, struct handover *handover)
{
    for (struct list *link = listeners->all.next; link != &listeners->all;
         link = link->next) {
        const struct listener *listener = container_of(link, struct listener, link);

        handover_put(handover, "listener", "%d %zu %d %d %s", listener->fd, listener->nth,
                     listener->inherited, listener->named, listener->text);
        handover_keep_fd(handover, listener->fd);
    }
    for (size_t i = 0; i < listeners->inherited_count; i++)
        if (listeners->inherited[i] >= 0) {
            handover_put(handover, "inherited", "%d", listeners->inherited[i]);
            handover_keep_fd(handover, listeners->inherited[i]);
        }
}

static void take_listener(struct listeners *listeners, const char *record)
{
    struct listener *listener = mem_zalloc(sizeof *listener);
    int fd, inherited, named, text = 0;

    if (sscanf(record, "%d %zu %d %d %n", &fd, &listener->nth, &inherited, &named,
               &text) != 4 ||
        text == 0)
        log_fatal("the master before left a listener that cannot be read: %s", record);
    listener->fd = handover_fd(fd);
    listener->inherited = inherited != 0;
    listener->named = named != 0;
    listener->text = str_dup(record + text);
    list_append(&listeners->all, &listener->link);
}

struct listeners *listeners_take(const struct handover *handover)
{
    struct listeners *listeners = mem_zalloc(sizeof *listeners);
    const char *record;

    list_init(&listeners->all);
    for (size_t n = 0; (record = handover_get(handover, "listener", n)) != NULL; n++)
        take_listener(listeners, record);
    for (size_t n = 0; (record = handover_get(handover, "inherited", n)) != NULL; n++) {
        listeners->inherited =
            mem_realloc(listeners->inherited, (n + 1) * sizeof *listeners->inherited);
        listeners->inherited[n] = handover_fd(atoi(record));
        listeners->inherited_count = n + 1;
    }
    return listeners;
}

/* The text of the address that a socket is bound to, which the caller frees; "?" for
 * none. */
static char *address_of(int fd)
{
    struct endpoint endpoint;
    struct buf text = BUF_INIT;

    if (endpoint_of_socket(fd, &endpoint) < 0)
        return str_dup("?");
    endpoint_print(&endpoint, &text);
    buf_append(&text, "", 1);
    return (char *)text.data;
}

void listeners_warn_unused(const struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->inherited_count; i++)
        if (listeners->inherited[i] >= 0) {
            char *address = address_of(listeners->inherited[i]);

            log_warn("inherited socket %s is named by no option and not used", address);
            mem_free(address);
        }
}

/* Takes the inherited socket that is bound to the address; -1 for none. */
static int take_inherited(struct listeners *listeners, const struct endpoint *endpoint)
{
    struct buf wanted = BUF_INIT;
    int found = -1;

    endpoint_print(endpoint, &wanted);
    buf_append(&wanted, "", 1);
    for (size_t i = 0; i < listeners->inherited_count && found < 0; i++) {
        char *address;

        if (listeners->inherited[i] < 0)
            continue;
        address = address_of(listeners->inherited[i]);
        if (strcmp(address, (const char *)wanted.data) == 0) {
            found = listeners->inherited[i];
            listeners->inherited[i] = -1;
        }
        mem_free(address);
    }
    buf_free(&wanted);
    return found;
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
    if (!listener->inherited && endpoint_of_socket(listener->fd, &endpoint) == 0 &&
        endpoint_is_unix(&endpoint))
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
    mem_free((*listeners)->inherited);
    mem_free(*listeners);
    *listeners = NULL;
}

/* Opens a listener, or takes an inherited one; NULL with errno. */
static struct listener *open_listener(struct listeners *listeners, const char *text)
{
    struct listener *listener = mem_zalloc(sizeof *listener);
    struct endpoint endpoint;
    const char *expected;

    if (endpoint_parse(text, &endpoint, &expected) < 0)
        log_panic("listener \"%s\" was not checked", text);
    listener->fd = take_inherited(listeners, &endpoint);
    listener->inherited = listener->fd >= 0;
    if (!listener->inherited)
        listener->fd = endpoint_listen(&endpoint);
    if (listener->fd < 0) {
        mem_free(listener);
        return NULL;
    }
    listener->text = str_dup(text);
    list_append(&listeners->all, &listener->link);
    return listener;
}

int listeners_use(struct listeners *listeners, const char *text, size_t nth)
{
    struct listener *listener = find(listeners, text, nth);

    if (listener == NULL)
        listener = open_listener(listeners, text);
    if (listener == NULL)
        return -1;
    listener->nth = nth;
    listener->users++;
    return listener->fd;
}

void listeners_release(struct listeners *listeners, const char *text, size_t nth)
{
    struct listener *listener = find(listeners, text, nth);

    assert(listener != NULL && listener->users > 0);
    if (--listener->users == 0)
        free_listener(listener);
}

void listeners_close_unused(struct listeners *listeners)
{
    struct list *next;

    for (struct list *link = listeners->all.next; link != &listeners->all; link = next) {
        struct listener *listener = container_of(link, struct listener, link);

        next = link->next;
        if (listener->users == 0)
            free_listener(listener);
    }
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
