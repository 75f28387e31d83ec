#include "server/jobs/jobs_meter.h"

#include <assert.h>
#include <time.h>

#include "common/clock.h"

void jobs_meter_init(struct jobs_meter *meter)
{
    *meter = (struct jobs_meter){.next_ns = 0};
}

void jobs_meter_count(struct jobs_meter *meter, uint64_t bytes, unsigned backlog)
{
    assert(backlog > 0);
    meter->jobs++;
    meter->bytes += bytes;
    meter->backlogs += backlog;
}

bool jobs_meter_is_due(const struct jobs_meter *meter, uint64_t now_ns)
{
    return meter->jobs > 0 && now_ns >= meter->next_ns;
}

void jobs_meter_read(struct meter_reading *reading_r, const struct stats_front *stats,
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
static uint64_t rpc_cpu_ns(const struct meter_reading *before,
                           const struct meter_reading *now)
{
    uint64_t loop_ns = since(before->loop_cpu_ns, now->loop_cpu_ns);
    uint64_t others_ns = since(before->process_cpu_ns + loop_ns, now->process_cpu_ns);
    uint64_t phase_ns = since(before->rpc_ns, now->rpc_ns);

    /* The phase is by the wall clock: no more than the processor gave. */
    return others_ns + (phase_ns < loop_ns ? phase_ns : loop_ns);
}

void jobs_meter_take(struct jobs_meter *meter, struct jobs_cost *cost,
                     const struct meter_reading *now, uint64_t now_ns)
{
    bool is_first = meter->next_ns == 0;
    uint64_t jobs = meter->jobs;

    if (!is_first && jobs >= JOBS_METER_MIN_JOBS &&
        meter->bytes / jobs <= JOBS_METER_MAX_BYTES &&
        now->pool_runs == meter->last.pool_runs)
        jobs_cost_learn_rpc(
            cost, (unsigned)(meter->backlogs / jobs), (double)meter->bytes / (double)jobs,
            (double)rpc_cpu_ns(&meter->last, now) / (double)jobs / (double)NS_PER_US);
    *meter = (struct jobs_meter){.last = *now, .next_ns = now_ns + JOBS_METER_EVERY_NS};
}
