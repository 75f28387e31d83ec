#include "server/jobs/place/jobs_send_cost.h"

#include <assert.h>
#include <time.h>

#include "common/base/clock.h"

void jobs_send_cost_init(struct jobs_send_cost *send_cost)
{
    *send_cost = (struct jobs_send_cost){.next_ns = 0};
}

void jobs_send_cost_count(struct jobs_send_cost *send_cost, uint64_t bytes,
                          unsigned backlog)
{
    assert(backlog > 0);
    send_cost->jobs++;
    send_cost->bytes += bytes;
    send_cost->backlogs += backlog;
}

bool jobs_send_cost_is_due(const struct jobs_send_cost *send_cost, uint64_t now_ns)
{
    return send_cost->jobs > 0 && now_ns >= send_cost->next_ns;
}

void jobs_send_cost_read(struct clock_reading *reading_r, const struct stats_front *stats,
                         uint64_t pool_runs)
{
    struct timespec cpu;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    reading_r->process_cpu_ns = (uint64_t)cpu.tv_sec * NS_PER_S + (uint64_t)cpu.tv_nsec;
    reading_r->loop_cpu_ns = clock_thread_cpu_ns();
    reading_r->rpc_ns = stats_read(&stats->phase_ns[STATS_RPC]);
    reading_r->pool_runs = pool_runs;
}

static uint64_t since(uint64_t before, uint64_t now)
{
    return now > before ? now - before : 0;
}

/* Processor time that went into the RPC between two readings. */
static uint64_t rpc_cpu_ns(const struct clock_reading *before,
                           const struct clock_reading *now)
{
    uint64_t loop_ns = since(before->loop_cpu_ns, now->loop_cpu_ns);
    uint64_t others_ns = since(before->process_cpu_ns + loop_ns, now->process_cpu_ns);
    uint64_t phase_ns = since(before->rpc_ns, now->rpc_ns);

    /* The phase is by the wall clock: no more than the processor gave. */
    return others_ns + (phase_ns < loop_ns ? phase_ns : loop_ns);
}

void jobs_send_cost_take(struct jobs_send_cost *send_cost, struct jobs_cost *cost,
                         const struct clock_reading *now, uint64_t now_ns)
{
    bool is_first = send_cost->next_ns == 0;
    uint64_t jobs = send_cost->jobs;

    if (!is_first && jobs >= JOBS_SEND_COST_MIN_JOBS &&
        send_cost->bytes / jobs <= JOBS_SEND_COST_MAX_BYTES &&
        now->pool_runs == send_cost->last.pool_runs)
        jobs_cost_learn_rpc(cost, (unsigned)(send_cost->backlogs / jobs),
                            (double)send_cost->bytes / (double)jobs,
                            (double)rpc_cpu_ns(&send_cost->last, now) / (double)jobs /
                                (double)NS_PER_US);
    *send_cost = (struct jobs_send_cost){.last = *now,
                                         .next_ns = now_ns + JOBS_SEND_COST_EVERY_NS};
}
