#include "server/api/programs/program.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/codec/msgpack/pack.h"
#include "common/codec/operations/program_argument.h"
#include "common/codec/utf8.h"

/* Room for a text that says what is wrong. */
#define DETAIL_MAX 400

/* What is shown of an argument's name. */
#define NAME_SHOWN_MAX 64

static const char not_utf8[] = "the program is not UTF-8";
static const char all_off[] = "programs are switched off here (--jq)";

/* ---- what may be asked for */

static enum api_programs rule_of(const struct exchange *e)
{
    enum api_programs rule = e->api->config.programs;

    if (rule != API_PROGRAMS_BY_LISTENER)
        return rule;
    return http_is_local(e->x) ? API_PROGRAMS_ON : API_PROGRAMS_VIEWS;
}

/* Why the exchange may not bring a program of its own, as PATCH does; NULL where it may.
 */
static const char *own_fault(const struct exchange *e)
{
    const struct auth *auth = e->api->config.auth;

    if (rule_of(e) == API_PROGRAMS_OFF)
        return all_off;
    if (rule_of(e) != API_PROGRAMS_ON)
        return "programs of requests are switched off here (--jq); the operator's are "
               "asked for by ?view=";
    if (auth != NULL &&
        (!e->route.names_valid ||
         auth_check(auth, http_header_joined(e->x, "authorization"),
                    route_collection(&e->route), AUTH_PROGRAM) != AUTH_ALLOWED))
        return "the token may not run programs of its own here: it lacks q";
    return NULL;
}

const char *program_accept_patch(const struct exchange *e)
{
    return own_fault(e) == NULL
               ? "Accept-Patch: application/merge-patch+json, " PROGRAM_MEDIA "\r\n"
               : "Accept-Patch: application/merge-patch+json\r\n";
}

const char *program_patch_types(const struct exchange *e)
{
    return own_fault(e) == NULL
               ? "the server accepts application/merge-patch+json and " PROGRAM_MEDIA
               : "the server accepts application/merge-patch+json";
}

bool program_may_be_own(struct exchange *e)
{
    const char *fault = own_fault(e);

    if (fault != NULL)
        exchange_fail(e, 403, fault);
    return fault == NULL;
}

/* ---- the text */

/* Appends what is percent-encoded; -1 for a broken escape. '+' stays. */
static int decode(struct slice text, struct buf *out)
{
    for (size_t at = 0; at < text.len;) {
        int byte = route_next_byte(text, &at);

        if (byte < 0)
            return -1;
        buf_append(out, &(uint8_t){(uint8_t)byte}, 1);
    }
    return 0;
}

/* ---- the arguments */

/* Appends a value: what is JSON as that, all else as a string. */
static void put_value(struct exchange *e, struct slice text, struct buf *out)
{
    const struct codec_call call = {.op = CODEC_OP_DECODE,
                                    .in = text,
                                    .max_output = SIZE_MAX,
                                    .max_memory = e->api->config.max_memory_bytes};
    struct codec_fault fault;
    uint8_t *at;

    if (e->api->codec == NULL)
        e->api->codec = codec_create("direct");
    if (codec_run(e->api->codec, &call, out, &fault) == CODEC_OK)
        return;
    at = buf_reserve(out, text.len + PACK_MAX_BYTES);
    at = pack_str(at, (uint32_t)text.len);
    at = pack_bytes(at, text.data, text.len);
    out->len = (size_t)(at - out->data);
}

/* The names that have come, as bytes behind one another with their lengths. */
static bool has_come(const struct buf *names, struct slice name)
{
    for (size_t at = 0; at < names->len;
         at += 2 + names->data[at] * 256u + names->data[at + 1])
        if (names->data[at] * 256u + names->data[at + 1] == name.len &&
            memcmp(names->data + at + 2, name.data, name.len) == 0)
            return true;
    return false;
}

static void note_name(struct buf *names, struct slice name)
{
    const uint8_t head[2] = {(uint8_t)(name.len >> 8), (uint8_t)name.len};

    buf_append(names, head, sizeof head);
    buf_append(names, name.data, name.len);
}

static bool is_utf8(const struct buf *text)
{
    return text->len == 0 || utf8_valid_prefix(text->data, text->len) == text->len;
}

static const char *twice_fault(struct slice name, char detail[DETAIL_MAX])
{
    int shown = name.len < NAME_SHOWN_MAX ? (int)name.len : NAME_SHOWN_MAX;

    snprintf(detail, DETAIL_MAX, "arg.%.*s is given twice: give it once", shown,
             (const char *)name.data);
    return detail;
}

/* Appends one argument to the map; NULL, or what is wrong, perhaps in detail. */
static const char *put_argument(struct exchange *e, struct slice sent_name,
                                struct slice sent_value, struct buf *names,
                                unsigned *count, char detail[DETAIL_MAX])
{
    struct buf name = BUF_INIT, value = BUF_INIT;
    const char *fault = NULL;
    uint8_t *at;

    if (decode(sent_name, &name) != 0 || decode(sent_value, &value) != 0)
        fault = "an arg. parameter has a broken % escape";
    else if (name.len == 0 || name.len > UINT16_MAX)
        fault = "an argument is arg.NAME=VALUE";
    else if (!is_utf8(&name) || !is_utf8(&value))
        fault = "an arg. parameter is not UTF-8";
    else if (name.len == strlen(PROGRAM_ID) &&
             memcmp(name.data, PROGRAM_ID, name.len) == 0)
        fault = "$id is the document's name: an argument cannot be called id";
    else if (has_come(names, buf_slice(&name)))
        fault = twice_fault(buf_slice(&name), detail);
    else if (++*count >= JQ_MAX_NAMES)
        fault = "there are too many arguments";
    else {
        note_name(names, buf_slice(&name));
        at = buf_reserve(&e->program->arguments, name.len + PACK_MAX_BYTES);
        at = pack_str(at, (uint32_t)name.len);
        at = pack_bytes(at, name.data, name.len);
        e->program->arguments.len = (size_t)(at - e->program->arguments.data);
        put_value(e, buf_slice(&value), &e->program->arguments);
    }
    buf_free(&name);
    buf_free(&value);
    return fault;
}

/* Reads all arguments of the query into the map; NULL, or what is wrong. *names_r has
   their names. */
static const char *put_arguments(struct exchange *e, struct buf *names_r,
                                 char detail[DETAIL_MAX])
{
    struct slice rest = http_request(e->x)->query, name, value;
    const uint8_t map16[3] = {0xde, 0, 0};
    struct buf *arguments = &e->program->arguments;
    const char *fault = NULL;
    unsigned count = 0;

    buf_append(arguments, map16, sizeof map16);
    while (fault == NULL && query_next_argument(&rest, &name, &value))
        fault = put_argument(e, name, value, names_r, &count, detail);
    arguments->data[1] = (uint8_t)(count >> 8);
    arguments->data[2] = (uint8_t)count;
    return fault;
}

/* ---- the program */

static void begin(struct exchange *e)
{
    assert(e->program == NULL);
    e->program = mem_zalloc(sizeof *e->program);
    e->program->row = stats_program_row(e->api->config.stats, "");
}

void program_count(const struct exchange *e, int status)
{
    if (e->program == NULL)
        return;
    stats_add(&e->program->row->requests, 1);
    stats_add(&e->program->row->failures, status >= 400);
    stats_add(&e->program->row->codec_us, e->codec_us);
}

void program_free(struct exchange *e)
{
    if (e->program == NULL)
        return;
    buf_free(&e->program->text);
    buf_free(&e->program->arguments);
    blob_unref(&e->program->argument);
    mem_free(e->program);
    e->program = NULL;
}

/* Text and arguments are there. */
static void finish(struct exchange *e)
{
    struct program *program = e->program;
    uint8_t ids[ROUTE_NAME_MAX + 1];
    struct slice id;
    uint64_t hash = UINT64_C(0xcbf29ce484222325) + JQ_LANGUAGE_VERSION;

    hash = exchange_hash(hash, buf_slice(&program->text));
    hash = exchange_hash(hash, buf_slice(&program->arguments));
    program->hash = hash != 0 ? hash : 1;
    if (e->route.kind != STATS_ROUTE_DOCUMENT) {
        program->argument = program_argument_for(e, (struct slice){NULL, 0});
        return;
    }
    id = route_id(&e->route);
    memcpy(ids, id.data, id.len);
    ids[id.len] = '\n';
    program->argument = program_argument_for(e, (struct slice){ids, id.len + 1});
}

/* NULL, or what is wrong with what the view is given. */
static const char *check_view(const struct view *view, const struct buf *names,
                              char detail[DETAIL_MAX])
{
    for (size_t i = 0; i < view->argument_count; i++) {
        const char *name = view->arguments[i];

        if (has_come(names, (struct slice){(const uint8_t *)name, strlen(name)}))
            continue;
        snprintf(detail, DETAIL_MAX, "the view %s needs the argument arg.%s", view->name,
                 name);
        return detail;
    }
    return NULL;
}

/* Looks the query's view up and takes its text; NULL with what is wrong. */
static const struct view *take_view(struct exchange *e, const char **fault_r)
{
    struct buf name = BUF_INIT;
    const struct view *view = NULL;

    if (decode(e->query.view, &name) == 0)
        view = views_find(e->api->config.views, buf_slice(&name));
    if (view == NULL)
        *fault_r = "there is no view of that name";
    else {
        e->program->row = stats_program_row(e->api->config.stats, view->name);
        buf_append(&e->program->text, view->text.data, view->text.len);
    }
    buf_free(&name);
    return view;
}

int program_of_query(struct exchange *e)
{
    const struct query *query = &e->query;
    const struct view *view = NULL;
    struct buf names = BUF_INIT;
    char detail[DETAIL_MAX];
    const char *fault = NULL;

    if (query->jq.data == NULL && query->view.data == NULL)
        return 0;
    if (rule_of(e) == API_PROGRAMS_OFF)
        exchange_fail(e, 403, all_off);
    else if (query->jq.data != NULL && query->view.data != NULL)
        exchange_fail(e, 400, "a request has a program or a view, not both");
    if (http_replied(e->x) || (query->jq.data != NULL && !program_may_be_own(e)))
        return -1;
    begin(e);
    if (query->view.data != NULL)
        view = take_view(e, &fault);
    else if (decode(query->jq, &e->program->text) != 0)
        fault = "jq has a broken % escape";
    else if (!is_utf8(&e->program->text))
        fault = not_utf8;
    if (fault == NULL)
        fault = put_arguments(e, &names, detail);
    if (fault == NULL && view != NULL)
        fault = check_view(view, &names, detail);
    buf_free(&names);
    if (fault != NULL) {
        exchange_fail(e, 400, fault);
        return -1;
    }
    finish(e);
    return 0;
}

int program_of_body(struct exchange *e, struct slice text)
{
    struct buf names = BUF_INIT;
    char detail[DETAIL_MAX];
    const char *fault;

    begin(e);
    buf_append(&e->program->text, text.data, text.len);
    fault = is_utf8(&e->program->text) ? put_arguments(e, &names, detail) : not_utf8;
    buf_free(&names);
    if (fault != NULL) {
        exchange_fail(e, 400, fault);
        return -1;
    }
    finish(e);
    return 0;
}

void program_put_call(const struct exchange *e, struct codec_call *call)
{
    call->transform = true;
    call->argument = e->program->argument->bytes;
}

struct blob *program_argument_for(const struct exchange *e, struct slice ids)
{
    struct buf argument = BUF_INIT;

    program_argument_put(&argument, buf_slice(&e->program->text),
                         buf_slice(&e->program->arguments), ids);
    return blob_new_steal(&argument);
}
