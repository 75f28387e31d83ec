#include "common/loop/memory_budget.h"

#include <assert.h>
#include <stdatomic.h>

/* The budget of this process. */
static struct {
    _Atomic uint64_t limit, held, promised, shared;
    _Atomic uint64_t refusals;
    _Atomic uint64_t refused; /* the largest since memory_budget_missing() */
} budget;

static uint64_t load(const _Atomic uint64_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

static void add(_Atomic uint64_t *number, uint64_t bytes)
{
    atomic_fetch_add_explicit(number, bytes, memory_order_relaxed);
}

static void subtract(_Atomic uint64_t *number, uint64_t bytes)
{
    uint64_t before = atomic_fetch_sub_explicit(number, bytes, memory_order_relaxed);

    (void)before;
    assert(before >= bytes);
}

void memory_budget_set_limit(uint64_t bytes)
{
    atomic_store(&budget.limit, bytes);
}

void memory_budget_hold(uint64_t bytes)
{
    add(&budget.held, bytes);
}

void memory_budget_release(uint64_t bytes)
{
    subtract(&budget.held, bytes);
}

void memory_budget_promise(uint64_t bytes)
{
    add(&budget.promised, bytes);
}

void memory_budget_end_promise(uint64_t bytes)
{
    subtract(&budget.promised, bytes);
}

void memory_budget_set_shared(uint64_t bytes)
{
    atomic_store_explicit(&budget.shared, bytes, memory_order_relaxed);
}

uint64_t memory_budget_used(void)
{
    return load(&budget.held) + load(&budget.promised) + load(&budget.shared);
}

/* The bytes that all large things together may take. */
static uint64_t large_limit(uint64_t limit)
{
    return limit - limit / 4;
}

static void record_refusal(uint64_t more)
{
    add(&budget.refusals, 1);
    if (more > load(&budget.refused))
        atomic_store_explicit(&budget.refused, more, memory_order_relaxed);
}

bool memory_budget_fits(uint64_t size, uint64_t more)
{
    uint64_t limit = load(&budget.limit), used = memory_budget_used();

    assert(more <= size);
    if (limit == 0 || size <= MEMORY_BUDGET_SMALL)
        return true;
    if (size > MEMORY_BUDGET_MEDIUM)
        limit = large_limit(limit);
    if (more <= limit && used <= limit - more)
        return true;
    record_refusal(more);
    return false;
}

uint64_t memory_budget_room(void)
{
    uint64_t limit = load(&budget.limit), used = memory_budget_used();

    if (limit == 0)
        return UINT64_MAX;
    return large_limit(limit) > used ? large_limit(limit) - used : 0;
}

bool memory_budget_is_short(void)
{
    return memory_budget_room() == 0;
}

uint64_t memory_budget_missing(void)
{
    uint64_t limit = load(&budget.limit), used = memory_budget_used();
    uint64_t refused = atomic_exchange(&budget.refused, 0), over = 0;

    if (limit > 0 && used > large_limit(limit))
        over = used - large_limit(limit);
    return over > refused ? over : refused;
}

bool memory_budget_is_limited(void)
{
    return load(&budget.limit) > 0;
}

uint64_t memory_budget_refusals(void)
{
    return load(&budget.refusals);
}
