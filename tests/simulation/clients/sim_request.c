#include "tests/simulation/clients/sim_request.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/text.h"
#include "tests/simulation/front/sim_history.h"

#define COLLECTIONS 2

/* The faults after which a request may be answered by 503 or 504. */
#define WORKER_FAULTS                                         \
    (SIM_BIT(SIM_WORKER_LOST) | SIM_BIT(SIM_WORKER_SILENT) |  \
     SIM_BIT(SIM_WORKER_BABBLES) | SIM_BIT(SIM_WORKER_FULL) | \
     SIM_BIT(SIM_WORKER_LEAVES) | SIM_BIT(SIM_NO_WORKER) | SIM_BIT(SIM_POISON))
#define OVERLOADS \
    (SIM_BIT(SIM_SHORT_QUEUE) | SIM_BIT(SIM_SHORT_MEMORY) | SIM_BIT(SIM_ACCEPT_FAILS))
#define DELAYS (SIM_BIT(SIM_SHORT_TIME) | SIM_BIT(SIM_STORE_SLOW) | SIM_BIT(SIM_PAUSE))

/* ---- making one up ---- */

static enum sim_ask choose_ask(struct sim_random *random)
{
    static const uint8_t weights[SIM_ASKS] = {
        [SIM_GET] = 24,         [SIM_GET_FIELDS] = 3,  [SIM_GET_PRETTY] = 3,
        [SIM_GET_PROGRAM] = 2,  [SIM_GET_MSGPACK] = 4, [SIM_GET_CHANGED] = 3,
        [SIM_HEAD] = 2,         [SIM_PUT] = 18,        [SIM_PUT_MSGPACK] = 4,
        [SIM_PUT_NEW] = 3,      [SIM_PUT_VERSION] = 4, [SIM_PUT_BROKEN] = 1,
        [SIM_DELETE] = 3,       [SIM_PATCH] = 10,      [SIM_POST] = 4,
        [SIM_BULK] = 5,         [SIM_LIST] = 5,        [SIM_LIST_LINES] = 3,
        [SIM_LIST_MSGPACK] = 3, [SIM_COLLECTIONS] = 1,
    };
    unsigned sum = 0, at;

    if (sim_has(SIM_CLIENT_BAD) && sim_chance(random, 64))
        return SIM_MALFORMED;
    for (unsigned i = 0; i < SIM_ASKS; i++)
        sum += weights[i];
    at = (unsigned)sim_below(random, sum);
    for (unsigned i = 0;; i++) {
        if (at < weights[i])
            return (enum sim_ask)i;
        at -= weights[i];
    }
}

static unsigned choose_padding(struct sim_random *random)
{
    if (sim_chance(random, sim_load()->large))
        return (unsigned)sim_below(random, 90000);
    return (unsigned)sim_below(random, sim_chance(random, 128) ? 4000 : 120);
}

static unsigned choose_name(struct sim_random *random)
{
    char collection[2], id[2];

    collection[0] = 'c';
    collection[1] = (char)('0' + sim_below(random, COLLECTIONS));
    id[0] = 'd';
    id[1] = (char)('0' + sim_below(random, sim_load()->names));
    return sim_history_name((struct slice){(const uint8_t *)collection, 2},
                            (struct slice){(const uint8_t *)id, 2});
}

static void put_line(struct sim_request *request, const char *method, bool has_id,
                     const char *query)
{
    struct slice collection = sim_history_collection_of(request->name);
    struct slice id = sim_history_id_of(request->name);

    buf_printf(&request->bytes, "%s /v1/%.*s", method, (int)collection.len,
               (const char *)collection.data);
    if (has_id)
        buf_printf(&request->bytes, "/%.*s", (int)id.len, (const char *)id.data);
    buf_printf(&request->bytes, "%s HTTP/1.1\r\nHost: simulated\r\n", query);
}

static void put_mode(struct sim_random *random, struct buf *bytes)
{
    static const char *const modes[] = {"inline", "threads", "rpc", "auto"};

    if (sim_chance(random, 192))
        buf_printf(bytes, "Offloop-Mode: %s\r\n", modes[sim_below(random, 4)]);
}

/* The body with its length, or in chunks. */
static void put_body(struct sim_random *random, struct buf *bytes, struct slice body)
{
    size_t at = 0;

    if (!sim_chance(random, 192)) {
        buf_printf(bytes, "Content-Length: %zu\r\n\r\n", body.len);
        buf_append(bytes, body.data, body.len);
        return;
    }
    buf_append_str(bytes, "Transfer-Encoding: chunked\r\n\r\n");
    while (at < body.len) {
        size_t len = 1 + sim_below(random, body.len - at);

        buf_printf(bytes, "%zx\r\n", len);
        buf_append(bytes, body.data + at, len);
        buf_append_str(bytes, "\r\n");
        at += len;
    }
    buf_append_str(bytes, "0\r\n\r\n");
}

static void make_read(struct sim_random *random, struct sim_request *request)
{
    struct buf *bytes = &request->bytes;
    enum sim_ask ask = request->ask;
    bool lists = ask == SIM_LIST || ask == SIM_LIST_LINES || ask == SIM_LIST_MSGPACK;
    const char *query = ask == SIM_GET_FIELDS    ? "?fields=w"
                        : ask == SIM_GET_PRETTY  ? "?pretty"
                        : ask == SIM_GET_PROGRAM ? "?jq=.w"
                                                 : "";

    put_line(request, ask == SIM_HEAD ? "HEAD" : "GET", !lists, query);
    if (ask == SIM_GET_MSGPACK || ask == SIM_LIST_MSGPACK)
        buf_append_str(bytes, "Accept: application/msgpack\r\n");
    if (ask == SIM_LIST_LINES)
        buf_append_str(bytes, "Accept: application/x-ndjson\r\n");
    if (ask == SIM_GET_CHANGED)
        buf_printf(bytes, "If-None-Match: \"%" PRIu64 "-json\"\r\n", request->version);
    put_mode(random, bytes);
    buf_append_str(bytes, "\r\n");
}

static void make_put(struct sim_random *random, struct sim_request *request)
{
    struct buf *bytes = &request->bytes, body = BUF_INIT;
    bool is_msgpack = request->ask == SIM_PUT_MSGPACK;

    if (request->ask == SIM_POST)
        put_line(request, "POST", false, "");
    else
        put_line(request, "PUT", true, "");
    buf_printf(bytes, "Content-Type: application/%s\r\n",
               is_msgpack ? "msgpack" : "json");
    if (request->ask == SIM_PUT_NEW)
        buf_append_str(bytes, "If-None-Match: *\r\n");
    if (request->ask == SIM_PUT_VERSION)
        buf_printf(bytes, "If-Match: \"%" PRIu64 "-json\"\r\n", request->version);
    put_mode(random, bytes);
    if (is_msgpack)
        sim_document_put_msgpack(&request->document, &body);
    else if (sim_chance(random, 512))
        sim_document_put_json(&request->document, &body);
    else
        sim_document_put_pretty(&request->document, &body);
    if (request->ask == SIM_PUT_BROKEN) {
        body.len = 1 + sim_below(random, body.len - 1);
        sim_history_refuse(request->number);
    }
    put_body(random, bytes, buf_slice(&body));
    buf_free(&body);
}

static void make_patch(struct sim_random *random, struct sim_request *request)
{
    struct buf *bytes = &request->bytes, body = BUF_INIT;
    bool is_program = sim_chance(random, 128);

    put_line(request, "PATCH", true, "");
    buf_printf(bytes, "Content-Type: application/%s\r\n",
               is_program ? "jq" : "merge-patch+json");
    put_mode(random, bytes);
    buf_printf(&body, is_program ? ".m = %u" : "{\"m\":%u}", request->number);
    put_body(random, bytes, buf_slice(&body));
    buf_free(&body);
}

static void make_bulk(struct sim_random *random, struct sim_request *request)
{
    struct buf *bytes = &request->bytes, body = BUF_INIT;

    request->lines = 1 + (unsigned)sim_below(random, SIM_LINES_MAX);
    for (unsigned i = 0; i < request->lines; i++) {
        unsigned number = i == 0 ? request->number : sim_history_plan(request->number);
        struct sim_document document = {.written = number,
                                        .padding = choose_padding(random)};

        assert(number == request->number + i);
        buf_printf(&body, "{\"id\":\"d%d\",\"document\":",
                   (int)sim_below(random, sim_load()->names));
        sim_document_put_json(&document, &body);
        buf_append_str(&body, "}\n");
    }
    put_line(request, "POST", false, "");
    buf_append_str(bytes, "Content-Type: application/x-ndjson\r\n");
    put_mode(random, bytes);
    put_body(random, bytes, buf_slice(&body));
    buf_free(&body);
}

void sim_request_make(struct sim_random *random, struct sim_request *request_r)
{
    struct sim_request *request = request_r;

    *request = (struct sim_request){
        .ask = choose_ask(random), .name = choose_name(random), .begun_ns = sim_now_ns()};
    if (request->ask == SIM_GET_CHANGED || request->ask == SIM_PUT_VERSION)
        request->version = sim_history_some_version(request->name, random);
    if (request->ask == SIM_PUT_VERSION && request->version == 0)
        request->ask = SIM_PUT;
    if (request->ask >= SIM_PUT && request->ask <= SIM_BULK && request->ask != SIM_DELETE)
        request->number = sim_history_plan(request->ask == SIM_BULK ? SIM_FIRST_LINE : 0);
    request->document.written = request->number;
    request->document.padding = choose_padding(random);
    switch (request->ask) {
    case SIM_PATCH: make_patch(random, request); break;
    case SIM_BULK: make_bulk(random, request); break;
    case SIM_DELETE:
        put_line(request, "DELETE", true, "");
        buf_append_str(&request->bytes, "\r\n");
        break;
    case SIM_COLLECTIONS:
        buf_append_str(&request->bytes, "GET /v1 HTTP/1.1\r\nHost: simulated\r\n\r\n");
        break;
    case SIM_MALFORMED:
        buf_append_str(&request->bytes, "GET /v1 HTTP/1.1\r\nHost simulated\r\n\r\n");
        break;
    default:
        if (request->number != 0)
            make_put(random, request);
        else
            make_read(random, request);
    }
}

/* ---- checking the reply ---- */

static bool is_absent(const struct sim_state *state, uint64_t unused)
{
    (void)unused;
    return state->version == 0;
}

static bool is_there(const struct sim_state *state, uint64_t unused)
{
    (void)unused;
    return state->version != 0;
}

static bool is_version(const struct sim_state *state, uint64_t version)
{
    return state->version == version;
}

static bool is_other(const struct sim_state *state, uint64_t version)
{
    return state->version != version;
}

static bool had(const struct sim_request *request,
                bool (*holds)(const struct sim_state *state, uint64_t argument),
                uint64_t argument)
{
    return sim_history_had(request->name, request->begun_ns, holds, argument);
}

static bool has_workers(void)
{
    return sim_limits()->workers > 0;
}

/* True where the reply says of a failure that the faults of this execution explain. */
static bool is_explained(const struct sim_reply *reply)
{
    uint32_t store = SIM_BIT(SIM_STORE_FAILS), slow = SIM_BIT(SIM_CLIENT_SLOW);

    switch (reply->status) {
    case 408: return sim_has_any(slow);
    case 422: return sim_has(SIM_POISON);
    case 500:
    case 507: return sim_has_any(store);
    case 503:
        return !has_workers() || sim_has_any(WORKER_FAULTS | OVERLOADS | store | DELAYS);
    case 504: return !has_workers() || sim_has_any(WORKER_FAULTS | DELAYS);
    default: return false;
    }
}

static bool is_unsure(const struct sim_reply *reply)
{
    static const char text[] = "may or may not have happened";

    return reply->status == 503 && reply->body.len > 0 &&
           memmem(reply->body.data, reply->body.len, text, sizeof text - 1) != NULL;
}

static void wrong(const struct sim_request *request, const struct sim_reply *reply,
                  const char *why)
{
    size_t shown = reply->body.len < 160 ? reply->body.len : 160;

    sim_fail("request %d is answered %d, and %s: %.*s", request->ask, reply->status, why,
             (int)shown, (const char *)reply->body.data);
}

static void check_body(const struct sim_request *request, const struct sim_reply *reply,
                       const struct sim_document *document)
{
    struct buf expected = BUF_INIT;

    switch (request->ask) {
    case SIM_GET_FIELDS: buf_printf(&expected, "{\"w\":%u}", document->written); break;
    case SIM_GET_PROGRAM: buf_printf(&expected, "%u", document->written); break;
    case SIM_GET_PRETTY: sim_document_put_pretty(document, &expected); break;
    case SIM_GET_MSGPACK: sim_document_put_msgpack(document, &expected); break;
    case SIM_HEAD: break;
    default: sim_document_put_json(document, &expected); break;
    }
    if (!sim_slice_is(buf_slice(&reply->body), buf_slice(&expected)))
        wrong(request, reply, "its body is not the document of that version");
    buf_free(&expected);
}

static void check_read(const struct sim_request *request, const struct sim_reply *reply)
{
    struct sim_state before;
    const struct sim_state *state;

    if (reply->status == 404 && had(request, is_absent, 0))
        return;
    if (reply->status == 304 && request->ask == SIM_GET_CHANGED &&
        had(request, is_version, request->version))
        return;
    state = sim_history_version(request->name, reply->version, &before);
    if (reply->status != 200 || state == NULL)
        wrong(request, reply, "that cannot be");
    if (!had(request, is_version, reply->version))
        wrong(request, reply, "it is a version of another time");
    if (request->ask == SIM_GET_CHANGED && request->version == reply->version)
        wrong(request, reply, "the client has that version");
    check_body(request, reply, &state->document);
}

/* The document that a write made, where its reply says so. */
static const struct sim_state *check_written(const struct sim_request *request,
                                             const struct sim_reply *reply, unsigned name,
                                             struct sim_state *before_r)
{
    const struct sim_state *state = sim_history_version(name, reply->version, before_r);

    if (state == NULL || state->since_ns < request->begun_ns)
        wrong(request, reply, "no such version was made");
    if ((reply->status == 201) != (before_r->version == 0))
        wrong(request, reply, "the document was there, or was not");
    return state;
}

static bool is_refused_condition(const struct sim_request *request)
{
    if (request->ask == SIM_PUT_NEW)
        return had(request, is_there, 0);
    return request->ask == SIM_PUT_VERSION && had(request, is_other, request->version);
}

static void check_put(const struct sim_request *request, const struct sim_reply *reply)
{
    struct sim_state before;
    const struct sim_state *state;

    if ((reply->status == 412 && is_refused_condition(request)) ||
        (reply->status == 400 && request->ask == SIM_PUT_BROKEN)) {
        sim_history_refuse(request->number);
        return;
    }
    if (reply->status != 200 && reply->status != 201)
        wrong(request, reply, "that cannot be");
    state = check_written(request, reply, request->name, &before);
    if (!sim_document_is(&state->document, &request->document))
        wrong(request, reply, "another document was stored");
    if ((request->ask == SIM_PUT_NEW && before.version != 0) ||
        (request->ask == SIM_PUT_VERSION && before.version != request->version))
        wrong(request, reply, "its condition did not hold");
}

static void check_post(const struct sim_request *request, const struct sim_reply *reply)
{
    struct slice path = text_slice(reply->location);
    struct sim_state before;
    const struct sim_state *state;

    if (reply->status != 201 || !sim_slice_take(&path, "/v1/c") || path.len < 3)
        wrong(request, reply, "that cannot be");
    path = (struct slice){path.data + 2, path.len - 2};
    state = check_written(
        request, reply, sim_history_name(sim_history_collection_of(request->name), path),
        &before);
    if (!sim_document_is(&state->document, &request->document))
        wrong(request, reply, "another document was stored");
}

static void check_patch(const struct sim_request *request, const struct sim_reply *reply)
{
    struct sim_state before;
    const struct sim_state *state;

    if (reply->status == 404 && had(request, is_absent, 0)) {
        sim_history_refuse(request->number);
        return;
    }
    if (reply->status != 200)
        wrong(request, reply, "that cannot be");
    state = check_written(request, reply, request->name, &before);
    if (state->document.patched != request->number ||
        state->document.written != before.document.written)
        wrong(request, reply, "the version is not that of the patch");
    check_body(request, reply, &state->document);
}

static void check_delete(const struct sim_request *request, const struct sim_reply *reply)
{
    if ((reply->status != 204 && reply->status != 404) || !had(request, is_absent, 0))
        wrong(request, reply, "that cannot be");
}

static void check_bulk(const struct sim_request *request, const struct sim_reply *reply)
{
    struct slice body = buf_slice(&reply->body);
    unsigned stored = 0, failed = 0, applied = 0, name;
    char text[64];

    snprintf(text, sizeof text, "%.*s", (int)(body.len < 63 ? body.len : 63),
             (const char *)body.data);
    if (reply->status != 200 ||
        sscanf(text, "{\"stored\":%u,\"failed\":%u,", &stored, &failed) != 2)
        wrong(request, reply, "that cannot be");
    for (unsigned i = 0; i < request->lines; i++)
        applied += sim_history_applied(request->number + i, &name);
    if (stored + failed != request->lines)
        wrong(request, reply, "its numbers of lines are wrong");
    if (!sim_has(SIM_STORE_FAILS) && applied != stored)
        wrong(request, reply, "another number of lines was stored");
    if (failed > 0 && has_workers() &&
        !sim_has_any(WORKER_FAULTS | OVERLOADS | DELAYS | SIM_BIT(SIM_STORE_FAILS)))
        wrong(request, reply, "nothing explains that lines failed");
}

/* Takes one document off a list; false at its end. */
static bool take_item(const struct sim_request *request, struct slice *list,
                      bool is_first, struct sim_document *document_r)
{
    if (list->len == 0)
        return false;
    if (request->ask == SIM_LIST_MSGPACK)
        return sim_document_take_msgpack(list, document_r) == 0;
    if (request->ask == SIM_LIST && !is_first && !sim_slice_take(list, ","))
        return false;
    if (sim_document_take_json(list, document_r) != 0)
        return false;
    return request->ask == SIM_LIST || sim_slice_take(list, "\n");
}

static bool is_document(const struct sim_state *state, uint64_t document)
{
    return state->version != 0 &&
           sim_document_is(&state->document,
                           (const struct sim_document *)(uintptr_t)document);
}

static int compare(struct slice a, struct slice b)
{
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);

    return order != 0 ? order : (int)a.len - (int)b.len;
}

/* Documents that were there all the time are in the list. */
static void check_complete(const struct sim_request *request,
                           const struct sim_reply *reply, const bool *listed)
{
    struct slice collection = sim_history_collection_of(request->name);

    for (unsigned i = 0; i < sim_history_names(); i++)
        if (!listed[i] && sim_slice_is(collection, sim_history_collection_of(i)) &&
            !sim_history_had(i, request->begun_ns, is_absent, 0))
            wrong(request, reply, "a document is missing");
}

static void check_list(const struct sim_request *request, const struct sim_reply *reply)
{
    struct slice list = buf_slice(&reply->body), last = {NULL, 0};
    bool listed[SIM_WRITES] = {false};
    struct sim_document document;
    unsigned name, count = 0, promised = 0;

    if (reply->status != 200)
        wrong(request, reply, "that cannot be");
    if (request->ask == SIM_LIST && !sim_slice_take(&list, "["))
        wrong(request, reply, "it is no array");
    if (request->ask == SIM_LIST_MSGPACK) {
        if (list.len < 5 || list.data[0] != 0xdd)
            wrong(request, reply, "it is no array");
        promised = (unsigned)list.data[3] << 8 | list.data[4];
        list = (struct slice){list.data + 5, list.len - 5};
    }
    for (; take_item(request, &list, count == 0, &document); count++) {
        unsigned number = document.patched != 0 ? document.patched : document.written;

        if (number >= SIM_WRITES || !sim_history_applied(number, &name) ||
            !sim_history_had(name, request->begun_ns, is_document, (uintptr_t)&document))
            wrong(request, reply, "a document in it was not there");
        if (last.len > 0 && compare(sim_history_id_of(name), last) <= 0)
            wrong(request, reply, "its documents are out of order");
        last = sim_history_id_of(name);
        listed[name] = true;
    }
    if ((request->ask == SIM_LIST && !sim_slice_take(&list, "]")) || list.len > 0 ||
        (request->ask == SIM_LIST_MSGPACK && promised != count))
        wrong(request, reply, "it is no list of documents");
    check_complete(request, reply, listed);
}

static void refuse_write(const struct sim_request *request, const struct sim_reply *reply)
{
    if (request->number != 0 && request->ask != SIM_BULK && !is_unsure(reply))
        sim_history_refuse(request->number);
}

void sim_request_check(const struct sim_request *request, const struct sim_reply *reply)
{
    sim_note((uint64_t)reply->status);
    if (is_explained(reply)) {
        refuse_write(request, reply);
        return;
    }
    switch (request->ask) {
    case SIM_MALFORMED:
        if (reply->status != 400 || !reply->closes)
            wrong(request, reply, "that cannot be");
        break;
    case SIM_COLLECTIONS:
        if (reply->status != 200)
            wrong(request, reply, "that cannot be");
        break;
    case SIM_LIST:
    case SIM_LIST_LINES:
    case SIM_LIST_MSGPACK: check_list(request, reply); break;
    case SIM_BULK: check_bulk(request, reply); break;
    case SIM_PATCH: check_patch(request, reply); break;
    case SIM_POST: check_post(request, reply); break;
    case SIM_DELETE: check_delete(request, reply); break;
    default:
        if (request->number != 0)
            check_put(request, reply);
        else
            check_read(request, reply);
    }
}

bool sim_request_may_be_cut(const struct sim_request *request)
{
    if (request->ask == SIM_LIST_MSGPACK)
        return true;
    return (request->ask == SIM_LIST || request->ask == SIM_LIST_LINES) &&
           (!has_workers() ||
            sim_has_any(WORKER_FAULTS | OVERLOADS | DELAYS | SIM_BIT(SIM_STORE_FAILS)));
}
