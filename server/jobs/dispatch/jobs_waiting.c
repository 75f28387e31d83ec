#include "server/jobs/dispatch/jobs_waiting.h"

#include <assert.h>

#include "common/base/clock.h"

/* Waiting so many microseconds makes up for one of cost. */
#define AGEING 4

/* Classes below it are light: floor(log2(JOBS_HEAVY_US)) + 1 of them. */
#define HEAVY_CLASS 13
#define LIGHT_MASK  ((UINT64_C(1) << HEAVY_CLASS) - 1)

_Static_assert(JOBS_HEAVY_US >> (HEAVY_CLASS - 1) == 1, "where the classes are parted");

void jobs_waiting_init(struct jobs_waiting *waiting)
{
    for (unsigned i = 0; i < WAITING_CLASSES; i++)
        jobs_queue_init(&waiting->classes[i], JOB_WAITING);
    waiting->filled = 0;
    waiting->depth = 0;
    waiting->light_ns = 0;
}

enum jobs_weight jobs_waiting_weight(const struct job *job)
{
    return job->cost_us > JOBS_HEAVY_US ? JOBS_HEAVY : JOBS_LIGHT;
}

static unsigned class_of(const struct job *job)
{
    unsigned log2 = job->cost_us == 0 ? 0 : 31 - (unsigned)__builtin_clz(job->cost_us);

    return log2 + (jobs_waiting_weight(job) == JOBS_HEAVY);
}

static struct jobs_queue *enter_class(struct jobs_waiting *waiting, const struct job *job)
{
    unsigned class = class_of(job);

    assert(class < WAITING_CLASSES);
    waiting->filled |= UINT64_C(1) << class;
    waiting->depth++;
    return &waiting->classes[class];
}

void jobs_waiting_push(struct jobs_waiting *waiting, struct job *job)
{
    jobs_queue_push(enter_class(waiting, job), job);
    if (jobs_waiting_weight(job) == JOBS_LIGHT)
        waiting->light_ns = job->submitted_ns;
}

void jobs_waiting_put_back(struct jobs_waiting *waiting, struct job *job)
{
    jobs_queue_push_front(enter_class(waiting, job), job);
}

int64_t jobs_waiting_score(const struct job *job, uint64_t now_ns)
{
    return (int64_t)job->cost_us -
           (int64_t)((now_ns - job->submitted_ns) / NS_PER_US / AGEING);
}

struct job *jobs_waiting_first(const struct jobs_waiting *waiting,
                               enum jobs_weight weight, uint64_t now_ns)
{
    uint64_t classes =
        waiting->filled & (weight == JOBS_LIGHT ? LIGHT_MASK : ~LIGHT_MASK);
    struct job *best = NULL;

    for (; classes != 0; classes &= classes - 1) {
        struct job *job = jobs_queue_first(&waiting->classes[__builtin_ctzll(classes)]);

        assert(job != NULL);
        if (best == NULL ||
            jobs_waiting_score(job, now_ns) < jobs_waiting_score(best, now_ns))
            best = job;
    }
    return best;
}

unsigned jobs_waiting_light(const struct jobs_waiting *waiting)
{
    unsigned count = 0;

    for (unsigned i = 0; i < HEAVY_CLASS; i++)
        count += waiting->classes[i].depth;
    return count;
}

bool jobs_waiting_saw_light(const struct jobs_waiting *waiting, uint64_t now_ns)
{
    return waiting->light_ns != 0 && now_ns < waiting->light_ns + WAITING_LIGHT_NS;
}

void jobs_waiting_remove(struct jobs_waiting *waiting, struct job *job)
{
    unsigned class = class_of(job);

    assert(waiting->depth > 0);
    jobs_queue_remove(&waiting->classes[class], job);
    waiting->depth--;
    if (waiting->classes[class].depth == 0)
        waiting->filled &= ~(UINT64_C(1) << class);
}

static struct job *first_of(const struct jobs_waiting *waiting, uint64_t classes)
{
    return classes == 0 ? NULL
                        : jobs_queue_first(&waiting->classes[__builtin_ctzll(classes)]);
}

struct job *jobs_waiting_any(const struct jobs_waiting *waiting)
{
    return first_of(waiting, waiting->filled);
}

struct job *jobs_waiting_next(const struct jobs_waiting *waiting, const struct job *job)
{
    unsigned class = class_of(job);
    struct job *next = jobs_queue_next(&waiting->classes[class], job);

    if (next != NULL)
        return next;
    return first_of(waiting, waiting->filled & ~((UINT64_C(2) << class) - 1));
}
