/*
 * A daemon's options, from one table: options.tbl.h of each daemon has a row for each
 * option. From it come the members of the configuration struct, the flags, the
 * environment variables, the keys of the configuration file, --help, --check-config and
 * --dump-config. A new option needs only a new row.
 *
 *     flag         --max-body 16MiB   or   --max-body=16MiB
 *     environment  OFFLOOP_SERVER_MAX_BODY=16MiB
 *     file         max-body = 16MiB
 *
 * A flag is stronger than the environment, the environment than the file, the file than
 * the default. A list comes from its strongest source alone. A flag or key is repeated
 * for each item; in an environment variable, white space separates the items. A switch
 * needs no value as a flag (--mode-header means on). In a file, '#' starts a comment
 * line. Values have no white space around them and no control characters, so that a dump
 * can always be read again. An empty value is valid only where the default is empty. Else
 * it is an error, also in the environment: an empty variable is probably a mistake.
 *
 * Nothing is printed here: errors and texts are returned, and the caller prints them.
 * Main thread of a process that starts or reloads.
 */
#ifndef OFFLOOP_COMMON_OPTIONS_OPTIONS_H
#define OFFLOOP_COMMON_OPTIONS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

/* Texts in their given order. The configuration owns them. */
struct option_list {
    char **items;
    size_t count;
};

/* The kind of an option's value, which decides the member's type. */
enum option_kind {
    OPTION_GROUP,    /* not an option: a heading in --help */
    OPTION_STRING,   /* text, never NULL; one of .names, if set */
    OPTION_SIZE,     /* bytes */
    OPTION_DURATION, /* nanoseconds */
    OPTION_UNSIGNED, /* a count */
    OPTION_ENUM,     /* the index of a text in .names */
    OPTION_SWITCH,   /* on or off */
    OPTION_LIST,     /* any number of texts */
    OPTION_COMMAND   /* a flag without value: the process does something else and exits */
};

#define OPTION_TYPE_STRING   char *
#define OPTION_TYPE_SIZE     uint64_t
#define OPTION_TYPE_DURATION uint64_t
#define OPTION_TYPE_UNSIGNED unsigned
#define OPTION_TYPE_ENUM     int
#define OPTION_TYPE_SWITCH   bool
#define OPTION_TYPE_LIST     struct option_list
#define OPTION_TYPE_COMMAND  bool

/* One row; the table's macros fill it in. */
struct option_row {
    enum option_kind kind;
    const char *name;     /* "max-body"; a heading's text */
    size_t offset;        /* of the member */
    const char *argument; /* "SIZE" in --help */
    const char *fallback; /* the default's text; NULL where the program's resolve step
                             sets it (see .shown) */
    const char *help;

    /* optional, by name, at the end of a row */
    const char *shown;                 /* the default's text for --help */
    uint64_t min, max;                 /* numbers, sizes (bytes), durations (ns);
                                          max 0 for no limit */
    bool may_be_off;                   /* "off" is a value too, and means 0 */
    const char *const *(*names)(void); /* the texts allowed, NULL last */
    int (*check)(const char *text, const char **expected_r); /* checks a text or
                                           item: -1 and what is expected */
    bool internal; /* for children only: no flag, no key, never shown */
    void (*mask)(const char *text, struct buf *out); /* appends the text without its
                                           secrets; the text may be invalid */
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
    /* Sets defaults that depend on the environment, and checks rules between options. -1
       with a line (without the program's name) appended to why. */
    int (*resolve)(void *config, struct buf *why);
};

/* The outcome of reading. */
enum options_outcome {
    OPTIONS_RUN,  /* config is complete: go on */
    OPTIONS_TEXT, /* --help and the like: print the text on stdout and exit 0 */
    OPTIONS_BAD   /* print the text, one line, on stderr and exit with EXIT_USAGE */
};

/* Reads flags, environment (`env` as environ) and the file that --config names into a
   zeroed configuration. `text` gets what is to be printed. After every outcome the caller
   frees config's members with options_free(). With OPTIONS_RUN, `text` contains a warning
   for each environment variable that has the prefix and names no option; the caller logs
   it. */
enum options_outcome options_read(const struct options_program *program, int argc,
                                  char **argv, char **env, void *config, struct buf *text)
    __attribute__((warn_unused_result));

/* Reads a text of options_dump(), without environment and flags. `file` is its name in
   errors. */
enum options_outcome options_read_text(const struct options_program *program,
                                       const char *file, struct slice input, void *config,
                                       struct buf *text)
    __attribute__((warn_unused_result));

/* Appends every option in the form of a configuration file, as --dump-config does:
   without the secrets that a row's .mask removes. */
void options_show(const struct options_program *program, const void *config,
                  struct buf *out);

/* Appends every option in the form of a configuration file, with its secrets: only for a
   child, never for people. */
void options_dump(const struct options_program *program, const void *config,
                  struct buf *out);

/* Appends the text of --help. */
void options_help(const struct options_program *program, struct buf *out);

/* Frees the members' texts and zeroes the members. */
void options_free(const struct options_program *program, void *config);

/* The environment variable of an option, appended to out: prefix and name in capitals. */
void options_env_name(const struct options_program *program, const struct option_row *row,
                      struct buf *out);

#endif
