/*
 * offloop-codec, the codec on the command line: its commands and what they
 * share. A command reads files (or stdin), says what is wrong on stderr, and
 * returns the exit status: EXIT_SUCCESS, or EXIT_FAILURE for bad input and
 * files that cannot be read or written. One process, one thread.
 */
#ifndef OFFLOOP_COMMON_CODEC_CLI_COMMAND_H
#define OFFLOOP_COMMON_CODEC_CLI_COMMAND_H

#include "common/codec/codec.h"

struct jq_program;

/* Exit status for a bad command line. */
#define COMMAND_EXIT_USAGE 2

/* The repetitions of `bench` when none are asked for: enough for a steady figure. */
#define COMMAND_REPEAT_AUTO (-1)

/* Most --arg of one command line. */
#define COMMAND_MAX_ARGUMENTS 32

/* An --arg NAME VALUE. */
struct command_argument {
    const char *name, *value;
};

/* What the command line says; strings are argv's. */
struct command_options {
    const char *codec;     /* an engine's name, or NULL where none was given */
    const char *direction; /* bench: "decode" or "encode" alone, or NULL */
    bool pretty;
    bool json;
    bool msgpack;        /* jq: the input is MessagePack */
    const char *program; /* bench: a jq program that is run before encoding, or NULL */
    struct command_argument arguments[COMMAND_MAX_ARGUMENTS];
    int argument_count;
    long repeat;
    char **files; /* "-" is stdin */
    int file_count;
};

/* json2msgpack and msgpack2json: at most one file (none: stdin), the result to stdout. */
int command_transcode(const struct command_options *options, enum codec_op op);

/* check: are the files valid? Those named *.msgpack or *.mp are MessagePack, all others
   JSON. Says nothing about good ones. */
int command_check(const struct command_options *options);

/* bench: transcodes each JSON file both ways, options->repeat times, and prints the speed
   of each engine (or the one asked for) in each direction. */
int command_bench(const struct command_options *options);

/* jq: runs the program files[0] on each value of the file files[1] (or stdin) and prints
   its results, one a line. */
int command_jq(const struct command_options *options);

/* How a file is called in messages: stdin is "<stdin>". */
const char *command_file_name(const char *path);

/* Appends all of a file, or of stdin for "-". Returns -1 with a message on stderr. */
int command_read(const char *path, struct buf *content)
    __attribute__((warn_unused_result));

/* Compiles a jq program; NULL with a message on stderr where it is none. The caller ends
   it with jq_destroy(). */
struct jq_program *command_compile(const char *text, const struct slice *names,
                                   size_t count);

/* Writes all to stdout. Returns -1 with a message on stderr. */
int command_write(const struct buf *content) __attribute__((warn_unused_result));

/* A codec call on `in` without limits but the machine's. */
struct codec_call command_call(enum codec_op op, const struct buf *in);

/* Says on stderr what is wrong with a file's content. */
void command_report(const char *path, const struct codec_fault *fault);

#endif
