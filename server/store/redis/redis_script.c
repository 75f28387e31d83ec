#include "server/store/redis/redis_script.h"

#include <assert.h>

/* A version is the time in microseconds, or one more than the last version if the clock
   has not moved on. So no version is used twice, even if Redis loses its last seconds (a
   failover, a FLUSHDB, a restored backup). If the clock is more than a second behind the
   last version, it was set back, and cannot separate the versions before a restore from
   those after it. Then versions grow by random steps, while they are less than 2^48
   microseconds (9 years) ahead of the clock. Numbers stay below 2^53 until the year 2246.
   Commands that can fail for lack of memory come first, because Redis refuses only a
   script's first write. RENAME replaces the old document, so that in a slot that is
   moving to another node neither key is missing. */
static const char write_text[] =
    "local head = redis.call('GETRANGE', KEYS[1], 0, 31)\n"
    "local there = head ~= ''\n"
    "local old = string.sub(head, 5, 20)\n"
    "local delete = ARGV[3] == '-'\n"
    "if delete and not there then return {3, ''} end\n"
    "if (ARGV[1] == 'a' and there) or (ARGV[1] == 'p' and not there) or\n"
    "   (ARGV[1] == 'v' and old ~= ARGV[2]) then return {4, ''} end\n"
    "if not delete and ARGV[7] == 'c' and redis.call('EXISTS', KEYS[2]) == 0 then\n"
    "  return {6, ''}\n"
    "end\n"
    "if delete then\n"
    "  redis.call('UNLINK', KEYS[1])\n"
    "  redis.call('ZREM', KEYS[2], ARGV[4])\n"
    "  if ARGV[7] == '' and redis.call('EXISTS', KEYS[2]) == 0 then\n"
    "    redis.call('ZREM', KEYS[4], ARGV[5])\n"
    "  end\n"
    "  return {2, old}\n"
    "end\n"
    "local size = tonumber(ARGV[6])\n"
    "if KEYS[5] and redis.call('STRLEN', KEYS[5]) ~= size + 32 then\n"
    "  return {5, ''}\n"
    "end\n"
    "local time = redis.call('TIME')\n"
    "local now = time[1] * 1000000 + time[2]\n"
    "local last = math.max(tonumber(redis.call('GET', KEYS[3]) or '') or 0,\n"
    "  tonumber(old) or 0)\n"
    "local step = 1\n"
    "if last > now + 1000000 and last < now + 2^48 then step = tonumber(ARGV[8]) end\n"
    "local version = string.format('%016.0f', math.max(now, last + step))\n"
    "redis.call('SET', KEYS[3], version)\n"
    "if not there then\n"
    "  redis.call('ZADD', KEYS[2], 0, ARGV[4])\n"
    "  if ARGV[7] == '' then redis.call('ZADD', KEYS[4], 0, ARGV[5]) end\n"
    "end\n"
    "head = 'o1' .. ARGV[3] .. ':' .. version .. string.format(':%010.0f:', size)\n"
    "if KEYS[5] then\n"
    "  redis.call('SETRANGE', KEYS[5], 0, head)\n"
    "  redis.call('PERSIST', KEYS[5])\n"
    "  redis.call('RENAME', KEYS[5], KEYS[1])\n"
    "else\n"
    "  redis.call('SET', KEYS[1], head .. ARGV[9])\n"
    "end\n"
    "return {there and 0 or 1, version}\n";

/* Of a first document that is too large, only the head comes. */
static const char list_text[] =
    "local most = tonumber(ARGV[4])\n"
    "local from = ARGV[2] == '' and '-' or '(' .. ARGV[2]\n"
    "local to = ARGV[3] == '' and '+' or '[' .. ARGV[3]\n"
    "local ids = redis.call('ZRANGEBYLEX', KEYS[1], from, to, 'LIMIT', 0, most + 1)\n"
    "local rows, bytes = {0}, 0\n"
    "for n, id in ipairs(ids) do\n"
    "  local key = ARGV[1] .. id\n"
    "  local size = redis.call('STRLEN', key) - 32\n"
    "  if size < 0 and ARGV[7] == 'c' then\n"
    "    return redis.error_reply('TRYAGAIN a document is moving')\n"
    "  end\n"
    "  if n > most or (n > 1 and bytes + size > tonumber(ARGV[5])) then\n"
    "    rows[1] = 1\n"
    "    break\n"
    "  end\n"
    "  if n == 1 and size > tonumber(ARGV[6]) then\n"
    "    return {#ids > 1 and 1 or 0, id, redis.call('GETRANGE', key, 0, 31)}\n"
    "  end\n"
    "  rows[#rows + 1] = id\n"
    "  rows[#rows + 1] = redis.call('GET', key)\n"
    "  bytes = bytes + size\n"
    "end\n"
    "return rows\n";

/* A rank in a sorted set costs log n, so counting reads no members. */
static const char count_text[] =
    "local rest, skip = redis.call('ZCARD', KEYS[1]), 0\n"
    "if ARGV[1] ~= '' then\n"
    "  skip = redis.call('ZLEXCOUNT', KEYS[1], '-', '[' .. ARGV[1])\n"
    "end\n"
    "rest = rest - skip\n"
    "local count = math.min(rest, tonumber(ARGV[2]))\n"
    "if count <= 0 then return {0, rest > 0 and 1 or 0, ''} end\n"
    "local at = string.format('%.0f', skip + count - 1)\n"
    "return {count, rest > count and 1 or 0, redis.call('ZRANGE', KEYS[1], at, at)[1]}\n";

static const char names_text[] =
    "local most = tonumber(ARGV[2])\n"
    "local from = ARGV[1] == '' and '-' or '(' .. ARGV[1]\n"
    "local names = redis.call('ZRANGEBYLEX', KEYS[1], from, '+', 'LIMIT', 0, most + 1)\n"
    "local rows = {0}\n"
    "for n, name in ipairs(names) do\n"
    "  if n > most then\n"
    "    rows[1] = 1\n"
    "    break\n"
    "  end\n"
    "  rows[#rows + 1] = name\n"
    "  rows[#rows + 1] = redis.call('ZCARD', 'offloop:{' .. name .. '}:i')\n"
    "end\n"
    "return rows\n";

/* The version of a value is the digest of its bytes (common/codec/digest.h). Redis makes
   it only where a condition needs it, because that takes some ms for each MiB. A SET
   emits the event that an application may wait for; a large value is renamed, with the
   time that the old one had still to live. */
static const char set_text[] =
    "local kind = redis.call('TYPE', KEYS[1]).ok\n"
    "local there = kind ~= 'none'\n"
    "local delete = ARGV[3] == '-'\n"
    "if delete and not there then return {3, ''} end\n"
    "if there and kind ~= 'string' then return {7, ''} end\n"
    "if (ARGV[1] == 'a' and there) or (ARGV[1] == 'p' and not there) or\n"
    "   (ARGV[1] == 'v' and not there) then return {4, ''} end\n"
    "if ARGV[1] == 'v' then\n"
    "  local digest = redis.sha1hex(redis.call('GET', KEYS[1]))\n"
    "  if string.sub(digest, 1, 16) ~= ARGV[2] then return {4, ''} end\n"
    "end\n"
    "if delete then\n"
    "  redis.call('UNLINK', KEYS[1])\n"
    "  return {2, ''}\n"
    "end\n"
    "if not KEYS[2] then\n"
    "  redis.call('SET', KEYS[1], ARGV[5], 'KEEPTTL')\n"
    "  return {there and 0 or 1, ''}\n"
    "end\n"
    "if redis.call('STRLEN', KEYS[2]) ~= tonumber(ARGV[4]) then return {5, ''} end\n"
    "local left = redis.call('PTTL', KEYS[1])\n"
    "if left >= 0 then\n"
    "  redis.call('PEXPIRE', KEYS[2], math.max(left, 1))\n"
    "else\n"
    "  redis.call('PERSIST', KEYS[2])\n"
    "end\n"
    "redis.call('RENAME', KEYS[2], KEYS[1])\n"
    "return {there and 0 or 1, ''}\n";

/* All pieces of one moment, so that they are one value; one without bytes of an empty
   value. None if the value has another length, or is gone. */
static const char pieces_text[] =
    "local size, piece, pieces = tonumber(ARGV[1]), tonumber(ARGV[2]), {}\n"
    "if redis.call('STRLEN', KEYS[1]) ~= size then return pieces end\n"
    "if size == 0 and redis.call('EXISTS', KEYS[1]) == 0 then return pieces end\n"
    "for at = 0, math.max(size - 1, 0), piece do\n"
    "  pieces[#pieces + 1] = redis.call('GETRANGE', KEYS[1], at, at + piece - 1)\n"
    "end\n"
    "return pieces\n";

const char *redis_script_text(enum redis_script script)
{
    static const char *const texts[REDIS_SCRIPTS] = {
        [REDIS_SCRIPT_WRITE] = write_text, [REDIS_SCRIPT_LIST] = list_text,
        [REDIS_SCRIPT_COUNT] = count_text, [REDIS_SCRIPT_NAMES] = names_text,
        [REDIS_SCRIPT_SET] = set_text,     [REDIS_SCRIPT_PIECES] = pieces_text,
    };

    assert(script < REDIS_SCRIPTS);
    return texts[script];
}
