/* offloop-codec: reads the command line and runs one command. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/codec/cli/bench.h"
#include "common/codec/cli/command.h"
#include "common/codec/cli/run_jq.h"

static const char usage_text[] =
    "usage: offloop-codec json2msgpack [--codec ENGINE] [FILE]\n"
    "       offloop-codec msgpack2json [--codec ENGINE] [--pretty] [FILE]\n"
    "       offloop-codec check [--codec ENGINE] FILE...\n"
    "       offloop-codec bench [--codec ENGINE] [--repeat N] [--json] [--only "
    "DIRECTION]\n"
    "                           [--jq PROGRAM] FILE...\n"
    "       offloop-codec jq [--codec ENGINE] [--msgpack] [--arg NAME VALUE] PROGRAM "
    "[FILE]\n"
    "\n"
    "Transcodes from FILE (or stdin) to stdout; checks files (*.msgpack and *.mp are\n"
    "MessagePack, others JSON); measures the speed on JSON files; runs a jq program on\n"
    "each value of FILE and prints its results, one a line. FILE - is stdin.\n"
    "\n"
    "  --codec ENGINE     ";
static const char options_text[] =
    "\n"
    "  --pretty           indent by two spaces\n"
    "  --repeat N         run each direction N times (0: all but the runs;\n"
    "                     default: enough for 64 MiB of text, at least 5)\n"
    "  --only DIRECTION   decode (JSON to MessagePack) or encode\n"
    "  --json             print the figures as JSON\n"
    "  --jq PROGRAM       run the program, too, before encoding\n"
    "  --msgpack          FILE is MessagePack\n"
    "  --arg NAME VALUE   $NAME in the program is VALUE: JSON, or else a string\n"
    "  --help, --version\n"
    "\n"
    "Exit status: 0; 1 for bad input (FILE: error at byte N: why); 2 for a bad command "
    "line.\n";

enum option_id {
    OPTION_CODEC = 256,
    OPTION_PRETTY,
    OPTION_REPEAT,
    OPTION_ONLY,
    OPTION_JSON,
    OPTION_JQ,
    OPTION_MSGPACK,
    OPTION_ARG,
    OPTION_HELP,
    OPTION_VERSION
};

static const struct option long_options[] = {
    {"codec", required_argument, NULL, OPTION_CODEC},
    {"pretty", no_argument, NULL, OPTION_PRETTY},
    {"repeat", required_argument, NULL, OPTION_REPEAT},
    {"only", required_argument, NULL, OPTION_ONLY},
    {"json", no_argument, NULL, OPTION_JSON},
    {"jq", required_argument, NULL, OPTION_JQ},
    {"msgpack", no_argument, NULL, OPTION_MSGPACK},
    {"arg", required_argument, NULL, OPTION_ARG},
    {"help", no_argument, NULL, OPTION_HELP},
    {"version", no_argument, NULL, OPTION_VERSION},
    {NULL, 0, NULL, 0},
};

static int run_json2msgpack(const struct command_options *options)
{
    return command_transcode(options, CODEC_OP_DECODE);
}

static int run_msgpack2json(const struct command_options *options)
{
    return command_transcode(options, CODEC_OP_ENCODE);
}

/* The commands, their number of files, and their options besides --codec. */
static const struct command {
    const char *name;
    int (*run)(const struct command_options *options);
    int files_min, files_max;
    bool takes_pretty, takes_bench, takes_arguments;
} commands[] = {
    {"json2msgpack", run_json2msgpack, 0, 1, true, false, false},
    {"msgpack2json", run_msgpack2json, 0, 1, true, false, false},
    {"check", command_check, 1, INT32_MAX, false, false, false},
    {"bench", command_bench, 1, INT32_MAX, false, true, false},
    {"jq", command_jq, 1, 2, false, false, true},
};

static void print_usage(FILE *to)
{
    fputs(usage_text, to);
    for (const char *const *name = codec_engine_names(); *name != NULL; name++)
        fprintf(to, "%s%s", name == codec_engine_names() ? "" : " or ", *name);
    fputs(options_text, to);
}

__attribute__((format(printf, 1, 2), noreturn)) static void
usage_error(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("offloop-codec: ", stderr);
    vfprintf(stderr, format, args);
    fputs("\n", stderr);
    va_end(args);
    exit(COMMAND_EXIT_USAGE);
}

static const char *engine_named(const char *wanted)
{
    for (const char *const *name = codec_engine_names(); *name != NULL; name++)
        if (strcmp(*name, wanted) == 0)
            return *name;
    usage_error("--codec %s: no such engine", wanted);
}

static long repeat_named(const char *text)
{
    char *end;
    long value;

    errno = 0;
    value = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != 0 || value < 0)
        usage_error("--repeat %s: not a number of repetitions", text);
    return value;
}

static const char *direction_named(const char *text)
{
    if (strcmp(text, "decode") != 0 && strcmp(text, "encode") != 0)
        usage_error("--only %s: neither decode nor encode", text);
    return text;
}

static const struct command *command_named(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    usage_error("%s: no such command (see --help)", name);
}

/* Takes --arg NAME VALUE. Both must be there, as separate words. */
static void take_argument(char **argv, struct command_options *options)
{
    if (argv[optind - 1] != optarg)
        usage_error("--arg=%s: the name is a word of its own", optarg);
    if (options->argument_count == COMMAND_MAX_ARGUMENTS)
        usage_error("--arg %s: that is too many", optarg);
    options->arguments[options->argument_count++] =
        (struct command_argument){optarg, argv[optind++]};
}

/* Takes one option of the command line. --help and --version end the process. */
static void take_option(int option, char **argv, struct command_options *options)
{
    switch (option) {
    case OPTION_CODEC: options->codec = engine_named(optarg); break;
    case OPTION_PRETTY: options->pretty = true; break;
    case OPTION_REPEAT: options->repeat = repeat_named(optarg); break;
    case OPTION_ONLY: options->direction = direction_named(optarg); break;
    case OPTION_JSON: options->json = true; break;
    case OPTION_JQ: options->program = optarg; break;
    case OPTION_MSGPACK: options->msgpack = true; break;
    case OPTION_ARG: take_argument(argv, options); break;
    case OPTION_HELP: print_usage(stdout); exit(EXIT_SUCCESS);
    case OPTION_VERSION: puts("offloop-codec " OFFLOOP_VERSION); exit(EXIT_SUCCESS);
    default: exit(COMMAND_EXIT_USAGE); /* getopt has printed why */
    }
}

static void check_fit(const struct command *command,
                      const struct command_options *options)
{
    bool bench_only = options->json || options->direction != NULL ||
                      options->program != NULL || options->repeat != COMMAND_REPEAT_AUTO;
    bool jq_only = options->msgpack || options->argument_count > 0;

    if (options->file_count < command->files_min)
        usage_error(command->takes_arguments ? "%s: which program?" : "%s: which file?",
                    command->name);
    if (options->file_count > command->files_max)
        usage_error("%s: one file at a time", command->name);
    if (options->pretty && !command->takes_pretty)
        usage_error("%s: --pretty does not apply", command->name);
    if (bench_only && !command->takes_bench)
        usage_error("%s: --repeat, --only, --jq and --json do not apply", command->name);
    if (jq_only && !command->takes_arguments)
        usage_error("%s: --msgpack and --arg do not apply", command->name);
}

/* The number of words after an option that belong to it. */
static int words_of_option(const char *text)
{
    for (const struct option *one = long_options; one->name != NULL; one++)
        if (strncmp(one->name, text + 2, strlen(text + 2)) == 0)
            return one->val == OPTION_ARG ? 2 : one->has_arg == required_argument;
    return 0; /* an option with "=", or an unknown one */
}

/* Writes the words to `ordered`: first the options, then "--", then all other words. So a
   program may begin with "-", as `-.a` does; there are no options of one letter. */
static void order_words(int argc, char **argv, char **ordered)
{
    static char end[] = "--";
    int count = 1, rest = 0;
    char **others = ordered + argc + 1; /* they go to the second half */

    ordered[0] = argv[0];
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            while (++i < argc)
                others[rest++] = argv[i];
        } else if (strncmp(argv[i], "--", 2) != 0) {
            others[rest++] = argv[i];
        } else {
            int words = words_of_option(argv[i]);

            ordered[count++] = argv[i];
            if (i + words >= argc)
                usage_error("%s: which value?", argv[i]);
            for (; words > 0; words--)
                ordered[count++] = argv[++i];
        }
    }
    ordered[count++] = end;
    for (int i = 0; i < rest; i++)
        ordered[count++] = others[i];
    ordered[count] = NULL;
}

int main(int argc, char **words)
{
    struct command_options options = {.repeat = COMMAND_REPEAT_AUTO};
    char **argv = calloc((size_t)argc * 2 + 3, sizeof *argv);
    const struct command *command;
    int option;

    if (argv == NULL)
        return EXIT_FAILURE;
    order_words(argc, words, argv);
    for (argc = 0; argv[argc] != NULL;)
        argc++;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        take_option(option, argv, &options);
    if (optind == argc) {
        print_usage(stderr);
        return COMMAND_EXIT_USAGE;
    }
    command = command_named(argv[optind++]);
    options.files = argv + optind;
    options.file_count = argc - optind;
    check_fit(command, &options);
    option = command->run(&options);
    free(argv);
    return option;
}
