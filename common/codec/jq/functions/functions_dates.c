/* Built-in functions about dates, in UTC and English alone: no locale, no time zones, no
   clock. A date is [year, month from 0, day, hours, minutes, seconds, day of the week,
   day of the year from 0], or seconds since 1970. */
#include <math.h>
#include <stdio.h>

#include "common/codec/jq/functions/functions.h"
#include "common/codec/jq/values.h"

/* Beyond this many seconds from 1970 there are no dates: 10,000 years and some. */
#define MAX_SECONDS 400000000000.0

struct date {
    int64_t year;
    int month, day, hour, minute; /* the month from 0, the day from 1 */
    double second;
    int weekday, yearday; /* from 0: Sunday, 1 January */
};

static const char *const weekdays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};
static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};

/* ---- the calendar */

static int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Days from 1 January 1970 to that day of that month (which may be any integer). */
static int64_t days_to(int64_t year, int64_t month, int64_t day)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t y, leap_year;

    year += floor_divide(month, 12);
    month -= floor_divide(month, 12) * 12;
    leap_year = month < 2 ? year - 1 : year; /* the last whose 29 February has passed */
    y = year - 1970;
    return y * 365 + floor_divide(leap_year, 4) - floor_divide(leap_year, 100) +
           floor_divide(leap_year, 400) - 477 + before[month] + day - 1;
}

static void fill_days(struct date *date)
{
    int64_t days = days_to(date->year, date->month, date->day);

    date->weekday = (int)((days % 7 + 11) % 7); /* 1 January 1970 was a Thursday */
    date->yearday = (int)(days - days_to(date->year, 0, 1));
}

static double seconds_of(const struct date *date)
{
    return (double)days_to(date->year, date->month, date->day) * 86400 +
           date->hour * 3600.0 + date->minute * 60.0 + floor(date->second);
}

static void date_of(double seconds, struct date *date_r)
{
    int64_t whole = (int64_t)floor(seconds), days = floor_divide(whole, 86400);
    int rest = (int)(whole - days * 86400);
    int64_t year = 1970 + days / 366;

    while (days_to(year + 1, 0, 1) <= days)
        year++;
    while (days_to(year, 0, 1) > days)
        year--;
    *date_r = (struct date){.year = year,
                            .hour = rest / 3600,
                            .minute = rest / 60 % 60,
                            .second = rest % 60 + (seconds - floor(seconds))};
    while (date_r->month < 11 && days_to(year, date_r->month + 1, 1) <= days)
        date_r->month++;
    date_r->day = (int)(days - days_to(year, date_r->month, 1)) + 1;
    fill_days(date_r);
}

static struct jv array_of(struct jq_run *run, const struct date *date)
{
    const int64_t first[] = {date->year, date->month, date->day, date->hour,
                             date->minute};
    struct jv array = jv_array(run, 8);

    for (int i = 0; i < 5; i++)
        array = jv_array_push(run, array, jv_int(first[i]));
    array = jv_array_push(run, array, jv_number(date->second));
    array = jv_array_push(run, array, jv_int(date->weekday));
    return jv_array_push(run, array, jv_int(date->yearday));
}

static bool read_array(struct jq_run *run, struct jv array, struct date *date_r)
{
    double parts[6] = {0}; /* what is missing at the end is the least */
    size_t count = jv_array_count(run, array);

    for (size_t i = 0; i < 6 && i < count; i++) {
        struct jv part = jv_array_get(run, array, (int64_t)i);

        if (!jv_is_number(part))
            return false;
        parts[i] = values_double(part);
        if (!(parts[i] > -1e8 && parts[i] < 1e8))
            return false;
    }
    *date_r = (struct date){(int64_t)parts[0],
                            (int)parts[1],
                            (int)parts[2],
                            (int)parts[3],
                            (int)parts[4],
                            parts[5],
                            0,
                            0};
    return true;
}

int function_mktime(struct jq_run *run, const struct node *node, struct jv *args,
                    struct jv *out_r)
{
    struct date date;

    if (!jv_is_array(args[0]))
        return flow_failf(run, node, "mktime requires array inputs");
    if (jv_array_count(run, args[0]) < 6)
        return flow_failf(run, node, "mktime requires array of 6 numbers");
    if (!read_array(run, args[0], &date))
        return flow_failf(run, node, "mktime requires parsed datetime inputs");
    jv_drop(run, args[0]);
    *out_r = jv_number(seconds_of(&date));
    return FLOW_OK;
}

int function_gmtime(struct jq_run *run, const struct node *node, struct jv *args,
                    struct jv *out_r)
{
    struct date date;
    double seconds;

    if (!jv_is_number(args[0]))
        return flow_failf(run, node, "gmtime() requires a number");
    seconds = values_double(args[0]);
    if (!(fabs(seconds) < MAX_SECONDS))
        return flow_failf(run, node, "the date is too far away");
    date_of(seconds, &date);
    *out_r = array_of(run, &date);
    return FLOW_OK;
}

/* ---- strftime */

/* ISO 8601's year and week of a date. */
static void iso_week(const struct date *date, int64_t *year_r, int *week_r)
{
    int weekday = (date->weekday + 6) % 7; /* from Monday */
    int week = (date->yearday - weekday + 10) / 7;
    int64_t year = date->year;

    if (week < 1) {
        int64_t last_days = days_to(year, 0, 1) - days_to(year - 1, 0, 1);

        year--;
        week = (int)(date->yearday + last_days - weekday + 10) / 7;
    } else if (week == 53) {
        int64_t days = days_to(year + 1, 0, 1) - days_to(year, 0, 1);

        if (date->yearday - weekday + 3 >= days) {
            year++;
            week = 1;
        }
    }
    *year_r = year;
    *week_r = week;
}

static const char *composed(char letter)
{
    switch (letter) {
    case 'c': return "%a %b %e %H:%M:%S %Y";
    case 'D':
    case 'x': return "%m/%d/%y";
    case 'F': return "%Y-%m-%d";
    case 'R': return "%H:%M";
    case 'r': return "%I:%M:%S %p";
    case 'T':
    case 'X': return "%H:%M:%S";
    default: return NULL;
    }
}

/* What one letter stands for, in at most `size` bytes; false where it has no meaning. */
static bool print_days(const struct date *date, char letter, char *text, size_t size)
{
    int64_t iso_year;
    int week;

    iso_week(date, &iso_year, &week);
    switch (letter) {
    case 'a': snprintf(text, size, "%.3s", weekdays[date->weekday]); break;
    case 'A': snprintf(text, size, "%s", weekdays[date->weekday]); break;
    case 'b':
    case 'h': snprintf(text, size, "%.3s", months[date->month]); break;
    case 'B': snprintf(text, size, "%s", months[date->month]); break;
    case 'C':
        snprintf(text, size, "%02lld", (long long)floor_divide(date->year, 100));
        break;
    case 'd': snprintf(text, size, "%02d", date->day); break;
    case 'e': snprintf(text, size, "%2d", date->day); break;
    case 'g':
        snprintf(text, size, "%02d", (int)(iso_year - floor_divide(iso_year, 100) * 100));
        break;
    case 'G': snprintf(text, size, "%lld", (long long)iso_year); break;
    case 'j': snprintf(text, size, "%03d", date->yearday + 1); break;
    case 'm': snprintf(text, size, "%02d", date->month + 1); break;
    case 'u': snprintf(text, size, "%d", date->weekday == 0 ? 7 : date->weekday); break;
    case 'U':
        snprintf(text, size, "%02d", (date->yearday + 7 - date->weekday) / 7);
        break;
    case 'V': snprintf(text, size, "%02d", week); break;
    case 'w': snprintf(text, size, "%d", date->weekday); break;
    case 'W':
        snprintf(text, size, "%02d", (date->yearday + 7 - (date->weekday + 6) % 7) / 7);
        break;
    case 'y':
        snprintf(text, size, "%02d",
                 (int)(date->year - floor_divide(date->year, 100) * 100));
        break;
    case 'Y': snprintf(text, size, "%lld", (long long)date->year); break;
    default: return false;
    }
    return true;
}

static bool print_times(const struct date *date, char letter, char *text, size_t size)
{
    int hour = date->hour % 12 == 0 ? 12 : date->hour % 12;

    switch (letter) {
    case 'H': snprintf(text, size, "%02d", date->hour); break;
    case 'I': snprintf(text, size, "%02d", hour); break;
    case 'k': snprintf(text, size, "%2d", date->hour); break;
    case 'l': snprintf(text, size, "%2d", hour); break;
    case 'M': snprintf(text, size, "%02d", date->minute); break;
    case 'n': snprintf(text, size, "\n"); break;
    case 'p': snprintf(text, size, date->hour < 12 ? "AM" : "PM"); break;
    case 'P': snprintf(text, size, date->hour < 12 ? "am" : "pm"); break;
    case 's': snprintf(text, size, "%.0f", seconds_of(date)); break;
    case 'S': snprintf(text, size, "%02d", (int)date->second); break;
    case 't': snprintf(text, size, "\t"); break;
    case 'z': snprintf(text, size, "+0000"); break;
    case 'Z': snprintf(text, size, "UTC"); break;
    case '%': snprintf(text, size, "%%"); break;
    default: return false;
    }
    return true;
}

static struct jv print_date(struct jq_run *run, const struct date *date,
                            struct slice format, struct jv text)
{
    char part[40];

    for (size_t i = 0; i < format.len; i++) {
        char letter = (char)format.data[i];
        const char *inner;

        run_charge(run, 1);
        if (letter != '%' || i + 1 == format.len) {
            text = jv_text_append(run, text, &letter, 1);
            continue;
        }
        letter = (char)format.data[++i];
        inner = composed(letter);
        if (inner != NULL)
            text = print_date(
                run, date, (struct slice){(const uint8_t *)inner, strlen(inner)}, text);
        else if (print_days(date, letter, part, sizeof part) ||
                 print_times(date, letter, part, sizeof part))
            text = jv_text_append(run, text, part, strlen(part));
        else
            text = jv_text_append(run, text, &format.data[i - 1], 2);
    }
    return text;
}

/* A date as a number or an array, made sound. */
static int read_date(struct jq_run *run, const struct node *node, struct jv value,
                     const char *function, struct date *date_r)
{
    double seconds;

    if (jv_is_number(value)) {
        seconds = values_double(value);
    } else {
        if (!jv_is_array(value) || !read_array(run, value, date_r))
            return flow_failf(run, node, "%s requires parsed datetime inputs", function);
        seconds = seconds_of(date_r);
    }
    if (!(fabs(seconds) < MAX_SECONDS))
        return flow_failf(run, node, "the date is too far away");
    date_of(seconds, date_r);
    return FLOW_OK;
}

int function_strftime(struct jq_run *run, const struct node *node, struct jv *args,
                      struct jv *out_r)
{
    struct date date;
    int flow = read_date(run, node, args[0], "strftime/1", &date);

    if (flow != FLOW_OK)
        return flow;
    if (!jv_is_string(args[1]))
        return flow_failf(run, node, "strftime/1 requires a string format");
    *out_r = print_date(run, &date, jv_slice(args[1]), jv_text(run, "", 0));
    jv_drop(run, args[0]);
    jv_drop(run, args[1]);
    return FLOW_OK;
}

/* ---- strptime */

struct reader {
    const uint8_t *at, *end;
    struct date date;
    bool afternoon, has_half, has_yearday;
    double offset;  /* seconds east of UTC */
    double seconds; /* %s; else NaN */
};

static bool is_digit(const struct reader *reader)
{
    return reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9';
}

static void skip_space(struct reader *reader)
{
    while (reader->at < reader->end &&
           (*reader->at == ' ' || (*reader->at >= 9 && *reader->at <= 13)))
        reader->at++;
}

static bool read_digits(struct reader *reader, int most, int64_t min, int64_t max,
                        int64_t *value_r)
{
    int64_t value = 0;
    int count = 0;

    skip_space(reader);
    for (; count < most && is_digit(reader); count++)
        value = value * 10 + (*reader->at++ - '0');
    *value_r = value;
    return count > 0 && value >= min && value <= max;
}

static bool read_int(struct reader *reader, int most, int min, int max, int add,
                     int *value_r)
{
    int64_t value;

    if (!read_digits(reader, most, min, max, &value))
        return false;
    *value_r = (int)value + add;
    return true;
}

/* One of the names, whole or its first three letters, in any case. */
static bool read_name(struct reader *reader, const char *const *names, int count,
                      int *which_r)
{
    size_t left = (size_t)(reader->end - reader->at);

    for (int i = 0; i < count; i++) {
        size_t len = strlen(names[i]);

        if (left < len || strncasecmp((const char *)reader->at, names[i], len) != 0)
            len = 3;
        if (left < len || strncasecmp((const char *)reader->at, names[i], len) != 0)
            continue;
        reader->at += len;
        *which_r = i;
        return true;
    }
    return false;
}

static bool read_half(struct reader *reader)
{
    static const char *const halves[] = {"AM", "PM"};

    for (int i = 0; i < 2; i++) {
        if (reader->end - reader->at < 2 ||
            strncasecmp((const char *)reader->at, halves[i], 2) != 0)
            continue;
        reader->at += 2;
        reader->has_half = true;
        reader->afternoon = i == 1;
        return true;
    }
    return false;
}

/* Z, +hh, +hhmm, +hh:mm */
static bool read_zone(struct reader *reader)
{
    int64_t hours, minutes = 0;
    bool west;

    skip_space(reader);
    if (reader->at < reader->end && *reader->at == 'Z') {
        reader->at++;
        return true;
    }
    if (reader->at == reader->end || (*reader->at != '+' && *reader->at != '-'))
        return false;
    west = *reader->at++ == '-';
    if (!read_digits(reader, 2, 0, 14, &hours))
        return false;
    if (reader->at < reader->end && *reader->at == ':')
        reader->at++;
    if (is_digit(reader) && !read_digits(reader, 2, 0, 59, &minutes))
        return false;
    reader->offset = (double)(west ? -1 : 1) * (double)(hours * 3600 + minutes * 60);
    return true;
}

static bool read_zone_name(struct reader *reader)
{
    const uint8_t *start = reader->at;

    while (reader->at < reader->end && ((*reader->at >= 'A' && *reader->at <= 'Z') ||
                                        (*reader->at >= 'a' && *reader->at <= 'z')))
        reader->at++;
    return reader->at > start;
}

static bool read_year_of_century(struct reader *reader)
{
    int64_t year;

    if (!read_digits(reader, 2, 0, 99, &year))
        return false;
    reader->date.year = year < 69 ? 2000 + year : 1900 + year;
    return true;
}

static bool read_epoch(struct reader *reader)
{
    int64_t seconds;

    if (!read_digits(reader, 12, 0, INT64_MAX, &seconds))
        return false;
    reader->seconds = (double)seconds;
    return true;
}

static bool read_second(struct reader *reader)
{
    int second;

    if (!read_int(reader, 2, 0, 61, 0, &second))
        return false;
    reader->date.second = second;
    return true;
}

static bool read_letter(struct reader *reader, char letter)
{
    struct date *date = &reader->date;
    int ignored;

    switch (letter) {
    case 'a':
    case 'A': return read_name(reader, weekdays, 7, &ignored);
    case 'b':
    case 'B':
    case 'h': return read_name(reader, months, 12, &date->month);
    case 'd':
    case 'e': return read_int(reader, 2, 1, 31, 0, &date->day);
    case 'H':
    case 'k': return read_int(reader, 2, 0, 23, 0, &date->hour);
    case 'I':
    case 'l': return read_int(reader, 2, 1, 12, 0, &date->hour);
    case 'j':
        reader->has_yearday = true;
        return read_int(reader, 3, 1, 366, -1, &date->yearday);
    case 'm': return read_int(reader, 2, 1, 12, -1, &date->month);
    case 'M': return read_int(reader, 2, 0, 59, 0, &date->minute);
    case 'n':
    case 't': skip_space(reader); return true;
    case 'p':
    case 'P': return read_half(reader);
    case 's': return read_epoch(reader);
    case 'S': return read_second(reader);
    case 'u': return read_int(reader, 1, 1, 7, 0, &ignored);
    case 'w': return read_int(reader, 1, 0, 6, 0, &ignored);
    case 'y': return read_year_of_century(reader);
    case 'Y': return read_digits(reader, 4, 0, 9999, &date->year);
    case 'z': return read_zone(reader);
    case 'Z': return read_zone_name(reader);
    case '%': return reader->at < reader->end && *reader->at++ == '%';
    default: return false;
    }
}

static bool read_format(struct reader *reader, struct slice format)
{
    for (size_t i = 0; i < format.len; i++) {
        char letter = (char)format.data[i];
        const char *inner;

        if (letter == ' ' || (letter >= 9 && letter <= 13)) {
            skip_space(reader);
        } else if (letter != '%' || i + 1 == format.len) {
            if (reader->at == reader->end || (char)*reader->at++ != letter)
                return false;
        } else {
            letter = (char)format.data[++i];
            inner = composed(letter);
            if (inner != NULL
                    ? !read_format(reader,
                                   (struct slice){(const uint8_t *)inner, strlen(inner)})
                    : !read_letter(reader, letter))
                return false;
        }
    }
    return true;
}

/* Puts together what was read. */
static void complete(struct reader *reader)
{
    struct date *date = &reader->date;

    if (reader->has_half)
        date->hour = date->hour % 12 + (reader->afternoon ? 12 : 0);
    if (reader->seconds >= 0) {
        date_of(reader->seconds, date);
    } else if (reader->has_yearday && date->month == 0 && date->day == 1) {
        double seconds = seconds_of(date) + 86400.0 * date->yearday;

        date_of(seconds, date);
    }
    fill_days(date);
}

int function_strptime(struct jq_run *run, const struct node *node, struct jv *args,
                      struct jv *out_r)
{
    struct reader reader = {.date = {.year = 1900, .day = 1}, .seconds = NAN};

    if (!jv_is_string(args[0]) || !jv_is_string(args[1]))
        return flow_failf(run, node, "strptime/1 requires string inputs and arguments");
    reader.at = args[0].at;
    reader.end = reader.at + args[0].len;
    run_charge(run, 8 + args[1].len / 4 + args[0].len / 16);
    if (!read_format(&reader, jv_slice(args[1])) || reader.at != reader.end)
        return flow_failf(
            run, node, "date \"%.*s\" does not match format \"%.*s\"",
            args[0].len < 100 ? (int)args[0].len : 100, (const char *)args[0].at,
            args[1].len < 100 ? (int)args[1].len : 100, (const char *)args[1].at);
    complete(&reader);
    if (reader.offset != 0)
        date_of(seconds_of(&reader.date) - reader.offset, &reader.date);
    *out_r = array_of(run, &reader.date);
    return FLOW_OK;
}
