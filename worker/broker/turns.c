#include "worker/broker/turns.h"

#include <assert.h>

/* Light work that is under way for each worker, by estimate: more than server/jobs sends
   ahead to a worker (1.5 ms), so that none runs dry, and hardly more, since it is what
   a newcomer waits for. */
#define LIGHT_US UINT64_C(3000)
/* Jobs that may be under way for each worker whatever they take, and at most. */
#define LIGHT_MIN 2u
#define LIGHT_MAX 256u
/* What a job costs beside the codec's time, at least. */
#define JOB_MIN_US 5u

void turns_init(struct turns *turns)
{
    *turns = (struct turns){.workers = 1};
    list_init(&turns->active);
    turns_member_init(&turns->gone);
}

void turns_set_workers(struct turns *turns, unsigned workers)
{
    turns->workers = workers > 0 ? workers : 1;
}

void turns_member_init(struct turns_member *member)
{
    *member = (struct turns_member){.served_us = 0};
    list_init(&member->link);
    for (int lane = 0; lane < TURNS_LANES; lane++)
        list_init(&member->waiting[lane]);
}

static enum turns_lane lane_of(const struct turns_item *item)
{
    if (item->cost_us > TURNS_HEAVY_US)
        return TURNS_HEAVY;
    return item->cost_us > TURNS_MEDIUM_US ? TURNS_MEDIUM : TURNS_LIGHT;
}

void turns_push(struct turns *turns, struct turns_member *member, struct turns_item *item,
                uint32_t cost_us, uint64_t now_ns)
{
    *item = (struct turns_item){.member = member,
                                .number = turns->next_number++,
                                .cost_us = cost_us < JOB_MIN_US ? JOB_MIN_US : cost_us};
    list_init(&item->link);
    list_append(&member->waiting[lane_of(item)], &item->link);
    if (lane_of(item) == TURNS_LIGHT)
        turns->light_ns = now_ns;
    if (member->waiting_count++ > 0)
        return;
    if (member->taken_count == 0 && member->served_us < turns->clock_us)
        member->served_us = turns->clock_us;
    list_append(&turns->active, &member->link);
}

/* True where light jobs have come lately. */
static bool is_lane_kept(const struct turns *turns, uint64_t now_ns)
{
    return turns->light_ns != 0 && now_ns < turns->light_ns + TURNS_LIGHT_NS;
}

static bool has_room(const struct turns *turns, const struct turns_item *item,
                     uint64_t now_ns)
{
    enum turns_lane lane = lane_of(item);
    unsigned count = turns->taken[lane].count;

    if (lane != TURNS_LIGHT && is_lane_kept(turns, now_ns))
        return count == 0 || count + 1 < turns->workers;
    if (lane == TURNS_HEAVY)
        return count <= turns->workers; /* one more waits */
    if (count < LIGHT_MIN * turns->workers)
        return true;
    return count < LIGHT_MAX * turns->workers &&
           turns->taken[lane].cost_us + item->cost_us <= LIGHT_US * turns->workers;
}

/* The member's job that came first of those for which there is room; NULL for none. */
static struct turns_item *first_of(const struct turns *turns, struct turns_member *member,
                                   uint64_t now_ns)
{
    struct turns_item *first = NULL;

    for (int lane = 0; lane < TURNS_LANES; lane++) {
        struct turns_item *item;

        if (list_is_empty(&member->waiting[lane]))
            continue;
        item = container_of(member->waiting[lane].next, struct turns_item, link);
        if (has_room(turns, item, now_ns) &&
            (first == NULL || item->number < first->number))
            first = item;
    }
    return first;
}

static void leave_queue(struct turns_item *item)
{
    list_remove(&item->link);
    assert(item->member->waiting_count > 0);
    if (--item->member->waiting_count == 0)
        list_remove(&item->member->link);
}

static void take(struct turns *turns, struct turns_item *item)
{
    struct turns_member *member = item->member;
    enum turns_lane lane = lane_of(item);

    leave_queue(item);
    item->is_taken = true;
    member->taken_count++;
    turns->taken[lane].count++;
    turns->taken[lane].cost_us += item->cost_us;
    if (turns->clock_us < member->served_us)
        turns->clock_us = member->served_us;
    member->served_us += item->cost_us;
}

struct turns_item *turns_next(struct turns *turns, uint64_t now_ns)
{
    struct turns_item *best = NULL;

    for (struct list *link = turns->active.next; link != &turns->active;
         link = link->next) {
        struct turns_member *member = container_of(link, struct turns_member, link);
        struct turns_item *item;

        if (member->is_held ||
            (best != NULL && best->member->served_us <= member->served_us))
            continue;
        item = first_of(turns, member, now_ns);
        if (item != NULL)
            best = item;
    }
    if (best != NULL)
        take(turns, best);
    return best;
}

void turns_end(struct turns *turns, struct turns_item *item, uint32_t us)
{
    struct turns_member *member = item->member;
    enum turns_lane lane = lane_of(item);

    assert(member != NULL);
    if (!item->is_taken)
        leave_queue(item);
    item->member = NULL;
    if (!item->is_taken)
        return;
    assert(turns->taken[lane].count > 0 && member->taken_count > 0);
    turns->taken[lane].count--;
    turns->taken[lane].cost_us -= item->cost_us;
    member->taken_count--;
    if (us < JOB_MIN_US)
        us = JOB_MIN_US;
    assert(member->served_us >= item->cost_us);
    member->served_us += us;
    member->served_us -= item->cost_us;
}

void turns_move(struct turns_item *from, struct turns_item *to)
{
    assert(from->member != NULL && from->is_taken);
    *to = *from;
    list_init(&to->link);
    from->member = NULL;
}

void turns_leave(struct turns *turns, struct turns_item *item)
{
    assert(item->is_taken && item->member->taken_count > 0);
    item->member->taken_count--;
    item->member = &turns->gone;
    turns->gone.taken_count++;
    turns->gone.served_us += item->cost_us;
}

void turns_charge(struct turns_member *member, uint64_t us)
{
    member->served_us += us;
}
