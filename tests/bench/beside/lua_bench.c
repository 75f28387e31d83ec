/*
 * What a server that embeds Lua 5.4 does in place of a jq program: MessagePack to tables,
 * a function, tables to MessagePack, and that to JSON by the engine `direct`.
 *
 *     lua_bench CODE REPEAT FILE.json
 *
 * CODE is a chunk that gets the document as its argument and returns the result. Prints
 * the processor time of all repetitions in nanoseconds and the bytes of the last JSON
 * text. A table with a value at 1 is an array, any other an object. For scripts/bench-jq.
 */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/codec/msgpack/cursor.h"
#include "common/codec/msgpack/pack.h"
#include "tests/unit/codec/codec_run.h"

static void push_value(lua_State *lua, struct cursor *cursor, enum cursor_event event);

static void push_table(lua_State *lua, struct cursor *cursor, bool map)
{
    enum cursor_event event;
    lua_Integer index = 0;

    luaL_checkstack(lua, 4, NULL);
    lua_newtable(lua);
    for (;;) {
        event = cursor_next(cursor);
        if (event == CURSOR_END_ARRAY || event == CURSOR_END_MAP)
            return;
        if (map) {
            push_value(lua, cursor, event);
            push_value(lua, cursor, cursor_next(cursor));
            lua_rawset(lua, -3);
        } else {
            push_value(lua, cursor, event);
            lua_rawseti(lua, -2, ++index);
        }
    }
}

static void push_value(lua_State *lua, struct cursor *cursor, enum cursor_event event)
{
    switch (event) {
    case CURSOR_FALSE:
    case CURSOR_TRUE: lua_pushboolean(lua, event == CURSOR_TRUE); return;
    case CURSOR_UINT: lua_pushinteger(lua, (lua_Integer)cursor->value.u); return;
    case CURSOR_INT: lua_pushinteger(lua, (lua_Integer)cursor->value.u); return;
    case CURSOR_DOUBLE: lua_pushnumber(lua, cursor->value.d); return;
    case CURSOR_STR:
        lua_pushlstring(lua, (const char *)cursor->value.text.data,
                        cursor->value.text.len);
        return;
    case CURSOR_ARRAY:
    case CURSOR_MAP: push_table(lua, cursor, event == CURSOR_MAP); return;
    default:
        lua_pushlightuserdata(lua, NULL);
        return; /* null, which tables cannot hold */
    }
}

static void write_value(lua_State *lua, struct buf *out);

static void write_bytes(struct buf *out, const uint8_t *bytes, const uint8_t *end)
{
    buf_append(out, bytes, (size_t)(end - bytes));
}

static void write_array(lua_State *lua, struct buf *out, lua_Unsigned count)
{
    uint8_t head[PACK_MAX_BYTES];

    write_bytes(out, head, pack_container(head, (uint32_t)count, false));
    for (lua_Unsigned i = 1; i <= count; i++) {
        lua_rawgeti(lua, -1, (lua_Integer)i);
        write_value(lua, out);
    }
}

/* The number of members is known at the end: the header gets its widest form. */
static void write_object(lua_State *lua, struct buf *out)
{
    size_t head = out->len;
    uint32_t count = 0;

    buf_append(out, "\xdf\0\0\0\0", 5);
    lua_pushnil(lua);
    for (; lua_next(lua, -2) != 0; count++) {
        lua_pushvalue(lua, -2);
        write_value(lua, out);
        write_value(lua, out);
    }
    for (int i = 0; i < 4; i++)
        out->data[head + 4 - (size_t)i] = (uint8_t)(count >> 8 * i);
}

static void write_number(lua_State *lua, struct buf *out)
{
    uint8_t bytes[PACK_MAX_BYTES], *end;
    lua_Integer value = lua_isinteger(lua, -1) ? lua_tointeger(lua, -1) : 0;

    if (!lua_isinteger(lua, -1))
        end = pack_double(bytes, lua_tonumber(lua, -1));
    else if (value < 0)
        end = pack_negative(bytes, value);
    else
        end = pack_uint(bytes, (uint64_t)value);
    write_bytes(out, bytes, end);
}

static void write_string(lua_State *lua, struct buf *out)
{
    uint8_t head[PACK_MAX_BYTES];
    size_t len;
    const char *text = lua_tolstring(lua, -1, &len);

    write_bytes(out, head, pack_str(head, (uint32_t)len));
    buf_append(out, text, len);
}

/* Takes the value from the stack. */
static void write_value(lua_State *lua, struct buf *out)
{
    luaL_checkstack(lua, 4, NULL);
    switch (lua_type(lua, -1)) {
    case LUA_TBOOLEAN:
        buf_append(out, lua_toboolean(lua, -1) ? "\xc3" : "\xc2", 1);
        break;
    case LUA_TNUMBER: write_number(lua, out); break;
    case LUA_TSTRING: write_string(lua, out); break;
    case LUA_TTABLE:
        if (lua_rawlen(lua, -1) > 0)
            write_array(lua, out, lua_rawlen(lua, -1));
        else
            write_object(lua, out);
        break;
    default: buf_append(out, "\xc0", 1); break;
    }
    lua_pop(lua, 1);
}

static void run_once(lua_State *lua, struct codec *codec, const struct buf *document,
                     struct buf *made, struct buf *json)
{
    struct cursor cursor;

    cursor_init(&cursor, buf_slice(document), 0);
    lua_pushvalue(lua, 1);
    push_value(lua, &cursor, cursor_next(&cursor));
    if (lua_pcall(lua, 1, 1, 0) != LUA_OK)
        log_fatal("%s", lua_tostring(lua, -1));
    made->len = 0;
    write_value(lua, made);
    if (run_buf(codec, CODEC_OP_ENCODE, made, json).status != CODEC_OK)
        log_fatal("the result is no JSON");
}

int main(int argc, char **argv)
{
    struct buf text = BUF_INIT, document = BUF_INIT, made = BUF_INIT, json = BUF_INIT;
    lua_State *lua = luaL_newstate();
    struct codec *codec = codec_create("direct");
    long repeat;

    log_open("lua_bench", NULL);
    if (argc != 4)
        log_fatal("lua_bench CODE REPEAT FILE.json");
    repeat = strtol(argv[2], NULL, 10);
    luaL_openlibs(lua);
    if (luaL_loadstring(lua, argv[1]) != LUA_OK)
        log_fatal("%s", lua_tostring(lua, -1));
    if (file_read(argv[3], SIZE_MAX, &text) < 0 ||
        run_buf(codec, CODEC_OP_DECODE, &text, &document).status != CODEC_OK)
        log_fatal("%s is not to be read", argv[3]);
    for (long i = 0; i < repeat; i++)
        run_once(lua, codec, &document, &made, &json);
    printf("%zu\n", json.len);
    lua_close(lua);
    codec_destroy(&codec);
    return 0;
}
