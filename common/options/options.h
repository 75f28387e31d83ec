/*
 * A daemon's options, from ONE table: <daemon>/options.tbl.h has a row for each
 * option, and from it come the members of the configuration struct, the flags,
 * the environment variables, the keys of the configuration file, --help,
 * --check-config and --dump-config. Adding a row is all that an option takes.
 *
 *     flag         --max-body 16MiB   or   --max-body=16MiB
 *     environment  OFFLOOP_SERVER_MAX_BODY=16MiB
 *     file         max-body = 16MiB
 *
 * Flag beats environment beats file beats the default. Of a list, the strongest
 * source that names it counts, whole; a flag or key is repeated for each item,
 * an environment variable has them separated by white space. A switch may stand
 * without a value as a flag (--mode-header means on). In a file, '#' starts a
 * line of comment. Values have no white space around them and no control
 * characters in them, so that a dump can always be read again. An empty value
 * is one only where the default is empty; else it is an error, from a variable too:
 * one that was meant to be filled in must not be taken for one that is not there.
 *
 * Nothing is printed here: errors and texts are returned, the caller prints.
 * Main thread of a process that starts or reloads.
 */
#ifndef OFFLOOP_COMMON_OPTIONS_OPTIONS_H
#define OFFLOOP_COMMON_OPTIONS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

/* Texts in the order they were given; both belong to the configuration. */
struct option_list {
    char **items;
    size_t count;
};

/* What an option's value is, and the type of the member that holds it. */
enum option_kind {
    OPTION_GROUP,    /* no option: a heading in --help */
    OPTION_STRING,   /* text, never NULL; with .names one of those */
    OPTION_SIZE,     /* bytes */
    OPTION_DURATION, /* nanoseconds */
    OPTION_UNSIGNED, /* a count */
    OPTION_ENUM,     /* the index of a text in .names */
    OPTION_SWITCH,   /* on or off */
    OPTION_LIST,     /* any number of texts */
    OPTION_COMMAND   /* a flag only, without a value: do something else and exit */
};

#define OPTION_TYPE_STRING   char *
#define OPTION_TYPE_SIZE     uint64_t
#define OPTION_TYPE_DURATION uint64_t
#define OPTION_TYPE_UNSIGNED unsigned
#define OPTION_TYPE_ENUM     int
#define OPTION_TYPE_SWITCH   bool
#define OPTION_TYPE_LIST     struct option_list
#define OPTION_TYPE_COMMAND  bool

/* One row, as the table's macros fill it in. */
struct option_row {
    enum option_kind kind;
    const char *name;     /* "max-body"; a heading's text */
    size_t offset;        /* of the member */
    const char *argument; /* "SIZE" in --help */
    const char *fallback; /* the default, as it would be given; NULL where the program's
                             resolve step fills in one (see .shown) */
    const char *help;

    /* optional, by name, at the end of a row */
    const char *shown;                 /* the default's text for --help */
    uint64_t min, max;                 /* numbers, sizes (bytes), durations (ns);
                                          max 0 for no limit */
    bool may_be_off;                   /* "off" is a value too, and means 0 */
    const char *const *(*names)(void); /* the texts allowed, NULL last */
    int (*check)(const char *text, const char **expected_r); /* of a text or item: -1
                                           and what is expected */
    bool internal; /* for children only: no flag, no key, not shown to anybody */
    void (*mask)(const char *text, struct buf *out); /* appends a text (any, valid or not)
                                           as people may see it: it may hold a secret */
};

/* Makes a row from a table's OPTION(...); TYPE is the configuration struct. */
#define OPTION_ROW(TYPE, KIND, MEMBER, FLAG, ARGUMENT, FALLBACK, HELP, ...) \
    {.kind = OPTION_##KIND,                                                 \
     .name = FLAG,                                                          \
     .offset = offsetof(TYPE, MEMBER),                                      \
     .argument = ARGUMENT,                                                  \
     .fallback = FALLBACK,                                                  \
     .help = HELP,                                                          \
     __VA_ARGS__},

/* Makes a row from a table's GROUP(...). */
#define OPTION_ROW_GROUP(TITLE) {.kind = OPTION_GROUP, .name = TITLE},

/* A program's options. All static. */
struct options_program {
    const char *name;       /* "offloop-server" */
    const char *summary;    /* one line for --help */
    const char *env_prefix; /* "OFFLOOP_SERVER_" */
    size_t config_size;     /* bytes of the struct that the members are in */
    const struct option_row *rows;
    size_t row_count;
    /* Fills in defaults that depend on the environment and checks rules between options;
       -1 with a line (without the program's name) appended to why. */
    int (*resolve)(void *config, struct buf *why);
};

/* How reading ended. */
enum options_outcome {
    OPTIONS_RUN,  /* config is filled in: go on */
    OPTIONS_TEXT, /* --help and the like: print the text on stdout and exit 0 */
    OPTIONS_BAD   /* print the text, one line, on stderr and exit EXIT_USAGE */
};

/* Reads flags, environment (`env` as environ) and the file that --config names into a
   zeroed configuration. `text` takes what is to be printed; whatever the outcome, the
   caller ends config's members with options_free(). Environment variables with the
   prefix that name no option are appended to `text` as warnings where the outcome is
   OPTIONS_RUN, for the caller to log. */
enum options_outcome options_read(const struct options_program *program, int argc,
                                  char **argv, char **env, void *config, struct buf *text)
    __attribute__((warn_unused_result));

/* Reads a text in the form of a configuration file; `file` names it in errors. For what
   options_dump() wrote: environment and flags play no part. */
enum options_outcome options_read_text(const struct options_program *program,
                                       const char *file, struct slice input, void *config,
                                       struct buf *text)
    __attribute__((warn_unused_result));

/* Appends every option in the form of a configuration file, as --dump-config does: what a
   row's .mask keeps back is missing. */
void options_show(const struct options_program *program, const void *config,
                  struct buf *out);

/* Appends every option in the form of a configuration file, secrets included: for a child
   of ours, never for people. */
void options_dump(const struct options_program *program, const void *config,
                  struct buf *out);

/* Appends the text of --help. */
void options_help(const struct options_program *program, struct buf *out);

/* Frees what the members hold and zeroes them. */
void options_free(const struct options_program *program, void *config);

/* The environment variable of an option, appended to out: prefix and name in capitals. */
void options_env_name(const struct options_program *program, const struct option_row *row,
                      struct buf *out);

#endif
