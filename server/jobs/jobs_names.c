/* The tables of jobs.h as texts and numbers. */
#include "server/jobs/jobs.h"

#include <assert.h>
#include <string.h>

static const char *const mode_names[JOBS_MODES] = {
#define X(name, text) text,
    JOBS_MODE_MAP(X)
#undef X
};

static const struct {
    int http;
    const char *label;
    const char *text;
} statuses[JOB_STATUSES] = {
#define X(name, http, label, text) {http, label, text},
    JOB_STATUS_MAP(X)
#undef X
};

int jobs_mode_parse(struct slice text, enum jobs_mode *mode_r)
{
    for (unsigned i = 0; i < JOBS_MODES; i++) {
        if (text.len != strlen(mode_names[i]) ||
            memcmp(text.data, mode_names[i], text.len) != 0)
            continue;
        *mode_r = (enum jobs_mode)i;
        return 0;
    }
    return -1;
}

const char *jobs_mode_name(enum jobs_mode mode)
{
    assert(mode < JOBS_MODES);
    return mode_names[mode];
}

int job_status_http(enum job_status status)
{
    assert(status < JOB_STATUSES);
    return statuses[status].http;
}

const char *job_status_label(enum job_status status)
{
    assert(status < JOB_STATUSES);
    return statuses[status].label;
}

const char *job_status_text(enum job_status status)
{
    assert(status < JOB_STATUSES);
    return statuses[status].text;
}
