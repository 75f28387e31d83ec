#include "common/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"

#define LINE_MAX_BYTES 2048

static char log_program[32] = "offloop";
static char log_role[32] = "";

void log_open(const char *program, const char *role)
{
    snprintf(log_program, sizeof log_program, "%s", program);
    snprintf(log_role, sizeof log_role, "%s%s", role ? " " : "", role ? role : "");
}

static size_t put_head(char *line, size_t size, const char *level)
{
    struct timespec now;
    struct tm tm;
    char stamp[32];
    int n;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
    n = snprintf(line, size, "%s.%03ldZ %s[%d]%s: %s", stamp, now.tv_nsec / 1000000,
                 log_program, (int)getpid(), log_role, level);
    return n < 0 ? 0 : (size_t)n;
}

__attribute__((format(printf, 2, 0))) static void
put_line(const char *level, const char *format, va_list args)
{
    char line[LINE_MAX_BYTES];
    size_t head = put_head(line, sizeof line - 1, level);
    int saved_errno = errno;
    int n = vsnprintf(line + head, sizeof line - 1 - head, format, args);
    size_t len = head + (n < 0 ? 0 : (size_t)n);
    ssize_t written;

    if (len > sizeof line - 2)
        len = sizeof line - 2;
    for (size_t i = head; i < len; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    line[len++] = '\n';
    written = write(STDERR_FILENO, line, len);
    (void)written; /* there is no other place to report that */
    errno = saved_errno;
}

#define PUT(level, format)             \
    do {                               \
        va_list args;                  \
        va_start(args, format);        \
        put_line(level, format, args); \
        va_end(args);                  \
    } while (0)

void log_info(const char *format, ...)
{
    PUT("", format);
}

void log_warn(const char *format, ...)
{
    PUT("warning: ", format);
}

void log_fatal(const char *format, ...)
{
    PUT("fatal: ", format);
    exit(EXIT_FATAL);
}

void log_panic(const char *format, ...)
{
    PUT("panic: ", format);
    abort();
}

void log_limited_warn(struct log_limited *limited, enum log_interval interval,
                      const char *format, ...)
{
    uint64_t now_ns = clock_now_ns();
    char text[LINE_MAX_BYTES];
    va_list args;

    if (limited->logged_ns != 0 &&
        now_ns - limited->logged_ns < (uint64_t)interval * NS_PER_S) {
        limited->skipped++;
        return;
    }
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (limited->skipped > 0)
        log_warn("%s (and %u more since the last line)", text, limited->skipped);
    else
        log_warn("%s", text);
    limited->logged_ns = now_ns;
    limited->skipped = 0;
}
