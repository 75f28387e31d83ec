/*
 * What a job costs a program that uses liboffloop, and how long it waits:
 *
 *     client_bench SOCKET FILE IN_FLIGHT SECONDS
 *
 * A closed loop of compacting the JSON text in FILE, so many at a time, at the daemon
 * that listens at SOCKET; nothing runs here. Prints one line of JSON: jobs, CPU time of
 * this process a job, and the median and p99 of how long a job took, in microseconds.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clients/c/offloop.h"
#include "clients/c/offloop_poll.h"

#define MAX_FLIGHT  1024
#define MAX_SAMPLES (1 << 20)

struct slot {
    double began_us;
};

static struct {
    struct offloop *offloop;
    struct offloop_request request;
    struct slot slots[MAX_FLIGHT];
    unsigned open;
    double end_us;
    unsigned long jobs;
    double *took_us; /* MAX_SAMPLES */
} bench;

static double clock_us(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void submit(struct slot *slot);

static void done(void *user, const struct offloop_result *result)
{
    struct slot *slot = user;
    double now_us = clock_us(CLOCK_MONOTONIC);

    if (result->outcome != OFFLOOP_OK || result->len == 0) {
        fprintf(stderr, "a job failed: %s\n", result->message);
        exit(1);
    }
    if (bench.jobs < MAX_SAMPLES)
        bench.took_us[bench.jobs] = now_us - slot->began_us;
    bench.jobs++;
    bench.open--;
    if (now_us < bench.end_us)
        submit(slot);
}

static void submit(struct slot *slot)
{
    slot->began_us = clock_us(CLOCK_MONOTONIC);
    bench.open++;
    if (offloop_submit(bench.offloop, &bench.request, done, slot) == 0) {
        perror("submit");
        exit(1);
    }
}

static void run(unsigned in_flight, double seconds)
{
    bench.jobs = 0;
    bench.end_us = clock_us(CLOCK_MONOTONIC) + seconds * 1e6;
    for (unsigned i = 0; i < in_flight; i++)
        submit(&bench.slots[i]);
    offloop_poll_all(bench.offloop);
}

static int by_size(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

static void print(double cpu_us)
{
    size_t count = bench.jobs < MAX_SAMPLES ? bench.jobs : MAX_SAMPLES;

    qsort(bench.took_us, count, sizeof *bench.took_us, by_size);
    printf("{\"jobs\": %lu, \"cpu_us\": %.2f, \"p50_us\": %.1f, \"p99_us\": %.1f}\n",
           bench.jobs, cpu_us / (double)bench.jobs, bench.took_us[count / 2],
           bench.took_us[count * 99 / 100]);
}

/* All of a file, for as long as the process lives. */
static void *read_file(const char *path, size_t *len_r)
{
    FILE *file = fopen(path, "rb");
    long len = -1;
    char *bytes;

    if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (len = ftell(file)) <= 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(1);
    }
    rewind(file);
    bytes = malloc((size_t)len);
    if (bytes == NULL || fread(bytes, 1, (size_t)len, file) != (size_t)len)
        exit(1);
    fclose(file);
    *len_r = (size_t)len;
    return bytes;
}

int main(int argc, char **argv)
{
    const struct offloop_options options = {.name = "client_bench", .no_inline = 1};
    unsigned in_flight;
    double cpu_us;

    if (argc != 5 || (in_flight = (unsigned)atoi(argv[3])) == 0 ||
        in_flight > MAX_FLIGHT) {
        fputs("usage: client_bench SOCKET FILE IN_FLIGHT SECONDS\n", stderr);
        return 2;
    }
    bench.request.op = OFFLOOP_COMPACT;
    bench.request.data = read_file(argv[2], &bench.request.len);
    bench.took_us = malloc(MAX_SAMPLES * sizeof *bench.took_us);
    bench.offloop = offloop_create(argv[1], &options);
    if (bench.took_us == NULL || bench.offloop == NULL) {
        perror("client_bench");
        return 1;
    }
    run(in_flight, 0.1); /* connected, and memory in place */
    cpu_us = clock_us(CLOCK_PROCESS_CPUTIME_ID);
    run(in_flight, atof(argv[4]));
    print(clock_us(CLOCK_PROCESS_CPUTIME_ID) - cpu_us);
    offloop_destroy(bench.offloop);
    return 0;
}
