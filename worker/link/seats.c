#include "worker/link/seats.h"

#include <assert.h>
#include <stdbool.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/log.h"
#include "worker/link/front_address.h"

/* Listed fronts, and as many that drain. */
#define SEATS_MAX (2 * WIRE_MAX_SEATS)

struct seats_entry {
    struct seat *seat;
    bool is_listed; /* in the gate's latest list */
};

struct seats {
    const struct seat_world *world;
    const char *gate_url;
    struct nng_tls_config *tls;
    struct log_limited bad_seats_log;
    struct buf urls; /* of the list that is being taken */
    unsigned count;  /* of entries, used or to be used again */
    struct seats_entry entries[SEATS_MAX];
};

struct seats *seats_create(const struct seat_world *world, const char *gate_url,
                           struct nng_tls_config *tls)
{
    struct seats *seats = mem_zalloc(sizeof(*seats));

    seats->world = world;
    seats->gate_url = gate_url;
    seats->tls = tls;
    return seats;
}

static struct seats_entry *seats_find(struct seats *seats, const struct wire_seat *front)
{
    for (unsigned i = 0; i < seats->count; i++)
        if (seat_is_for(seats->entries[i].seat, front))
            return &seats->entries[i];
    return NULL;
}

/* A seat without a front; NULL where there are too many already. */
static struct seats_entry *seats_find_free(struct seats *seats)
{
    struct seat *seat;

    for (unsigned i = 0; i < seats->count; i++)
        if (!seat_is_used(seats->entries[i].seat))
            return &seats->entries[i];
    if (seats->count == SEATS_MAX)
        return NULL;
    seat = seat_create(seats->world);
    if (!seat)
        return NULL;
    seats->entries[seats->count] = (struct seats_entry){seat, false};
    return &seats->entries[seats->count++];
}

/* Leaves fronts that are neither listed nor connected. */
static void seats_prune(struct seats *seats)
{
    for (unsigned i = 0; i < seats->count; i++) {
        struct seats_entry *entry = &seats->entries[i];

        if (!entry->is_listed && !seat_is_connected(entry->seat))
            seat_stop(entry->seat);
    }
}

/* Where a front is listed at another address than before, the connection that there is to
   it was cut. */
static void seats_leave_moved(struct seats *seats, const struct wire_seat *front)
{
    for (unsigned i = 0; i < seats->count; i++)
        if (seat_has_moved(seats->entries[i].seat, front))
            seat_hang_up(seats->entries[i].seat);
}

/* The gate's list with the addresses at which this worker looks for its fronts. Their
   bytes stay until the next list. */
static void seats_translate(struct seats *seats, const struct wire_welcome *named,
                            struct wire_welcome *welcome_r)
{
    unsigned count = 0;
    size_t at = 0;

    seats->urls.len = 0;
    for (unsigned i = 0; i < named->seat_count; i++) {
        struct wire_seat *seat = &welcome_r->seats[count];
        size_t start = seats->urls.len;

        *seat = named->seats[i];
        if (front_address_of_seat(seats->gate_url, seat->url, &seats->urls) != 0) {
            log_limited_warn(&seats->bad_seats_log, LOG_EVERY_10_SECONDS,
                             "%s: it names a front where none of its can be",
                             seats->gate_url);
            continue;
        }
        seat->url.len = seats->urls.len - start;
        count++;
    }
    welcome_r->generation = named->generation;
    welcome_r->seat_count = count;
    for (unsigned i = 0; i < count; i++) { /* the bytes stay in place from here on */
        welcome_r->seats[i].url.data = seats->urls.data + at;
        at += welcome_r->seats[i].url.len;
    }
}

/* As seats_update(), of a list whose addresses are translated. */
static void seats_take(struct seats *seats, const struct wire_welcome *welcome)
{
    for (unsigned i = 0; i < seats->count; i++)
        seats->entries[i].is_listed = false;
    for (unsigned i = 0; i < welcome->seat_count; i++) {
        struct seats_entry *entry = seats_find(seats, &welcome->seats[i]);

        if (entry)
            entry->is_listed = true;
        seats_leave_moved(seats, &welcome->seats[i]);
    }
    seats_prune(seats);
    for (unsigned i = 0; i < welcome->seat_count; i++) {
        const struct wire_seat *front = &welcome->seats[i];
        struct seats_entry *entry = seats_find(seats, front);

        if (!entry)
            entry = seats_find_free(seats);
        if (entry && !seat_is_used(entry->seat))
            entry->is_listed = seat_start(entry->seat, front, seats->tls) == 0;
    }
}

void seats_update(struct seats *seats, const struct wire_welcome *welcome)
{
    struct wire_welcome translated;

    seats_translate(seats, welcome, &translated);
    seats_take(seats, &translated);
}

void seats_tick(struct seats *seats)
{
    seats_prune(seats);
    for (unsigned i = 0; i < seats->count; i++)
        seat_tick(seats->entries[i].seat);
}

bool seats_are_delivered(const struct seats *seats)
{
    for (unsigned i = 0; i < seats->count; i++)
        if (!seat_is_delivered(seats->entries[i].seat))
            return false;
    return true;
}

void seats_say_bye(struct seats *seats, enum wire_bye reason)
{
    for (unsigned i = 0; i < seats->count; i++)
        seat_say_bye(seats->entries[i].seat, reason);
}

unsigned seats_connected(const struct seats *seats)
{
    unsigned connected = 0;

    for (unsigned i = 0; i < seats->count; i++)
        connected += seat_is_connected(seats->entries[i].seat);
    assert(connected <= seats->count);
    return connected;
}
