/* Numbers: exact integers, doubles, and digits that neither holds; and the operators. */
#include <math.h>

#include "common/codec/jq/functions/strings.h"
#include "common/codec/jq/values.h"
#include "common/codec/number/number.h"

bool values_digits_valid(struct jv digits)
{
    return digits.len > 0 && number_scan(digits.at, digits.len) == digits.len;
}

/* A number text in the form 0.DDD * 10^exponent, without zeros at either end. */
struct decimal {
    bool negative;
    const uint8_t *text, *end; /* the digits, perhaps with a point among them */
    int64_t exponent;
    size_t count; /* digits; 0: the number is 0 */
};

static int64_t read_exponent(const uint8_t *at, const uint8_t *end)
{
    bool negative = false;
    int64_t value = 0;

    if (at < end && (*at == '+' || *at == '-'))
        negative = *at++ == '-';
    for (; at < end && value < INT64_MAX / 100; at++)
        value = value * 10 + (*at - '0');
    return negative ? -value : value;
}

static void read_decimal(struct jv digits, struct decimal *decimal_r)
{
    const uint8_t *at = digits.at, *end = at + digits.len, *p;
    int64_t whole = 0, zeros = 0;
    bool begun = false, point = false;

    *decimal_r = (struct decimal){0};
    if (at < end && *at == '-') {
        decimal_r->negative = true;
        at++;
    }
    for (p = at; p < end && *p != 'e' && *p != 'E'; p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        if (!begun && *p != '0') {
            begun = true;
            decimal_r->text = p;
        }
        if (!begun)
            zeros += point;
        else
            whole += !point;
        if (begun && *p != '0')
            decimal_r->end = p + 1;
    }
    if (decimal_r->text == NULL)
        return;
    decimal_r->count = (size_t)(decimal_r->end - decimal_r->text);
    decimal_r->exponent =
        (whole > 0 ? whole : -zeros) + (p < end ? read_exponent(p + 1, end) : 0);
}

static int compare_magnitudes(const struct decimal *a, const struct decimal *b)
{
    const uint8_t *p = a->text, *q = b->text;

    if (a->count == 0 || b->count == 0)
        return (a->count > 0) - (b->count > 0);
    if (a->exponent != b->exponent)
        return a->exponent < b->exponent ? -1 : 1;
    for (;;) {
        if (p < a->end && *p == '.')
            p++;
        if (q < b->end && *q == '.')
            q++;
        if (p >= a->end || q >= b->end)
            return (p < a->end) - (q < b->end);
        if (*p != *q)
            return *p < *q ? -1 : 1;
        p++;
        q++;
    }
}

static int compare_texts(struct jv a, struct jv b)
{
    struct decimal x, y;
    int order;

    read_decimal(a, &x);
    read_decimal(b, &y);
    if (x.count == 0 && y.count == 0)
        return 0;
    if (x.negative != y.negative)
        return x.count == 0   ? (y.negative ? 1 : -1)
               : y.count == 0 ? (x.negative ? -1 : 1)
                              : (x.negative ? -1 : 1);
    order = compare_magnitudes(&x, &y);
    return x.negative ? -order : order;
}

/* The text of a number; `room` is NUMBER_DOUBLE_MAX bytes. */
static struct jv number_text(struct jv number, uint8_t *room)
{
    size_t len;

    switch (number.kind) {
    case JV_INT: len = number_print_i64(number.i, room); break;
    case JV_UINT: len = number_print_u64(number.u, room); break;
    case JV_DOUBLE: len = number_print_double(number.d, room); break;
    default: return number;
    }
    return (struct jv){.kind = JV_DIGITS, .len = (uint32_t)len, .at = room};
}

static int compare_int_double(int64_t i, double d)
{
    if (isnan(d))
        return 1;
    if (d >= 9223372036854775808.0)
        return -1;
    if (d < -9223372036854775808.0)
        return 1;
    if (i != (int64_t)d)
        return i < (int64_t)d ? -1 : 1;
    d -= trunc(d);
    return d > 0 ? -1 : d < 0;
}

static int compare_uint_double(uint64_t u, double d)
{
    if (isnan(d) || d < 9223372036854775808.0)
        return 1;
    if (d >= 18446744073709551616.0)
        return -1;
    return u < (uint64_t)d ? -1 : u > (uint64_t)d;
}

int values_compare_numbers(struct jv a, struct jv b)
{
    uint8_t rooms[2][NUMBER_DOUBLE_MAX];

    if (a.kind == JV_INT && b.kind == JV_INT)
        return a.i < b.i ? -1 : a.i > b.i;
    if (a.kind == JV_DOUBLE && b.kind == JV_DOUBLE) {
        if (isnan(a.d))
            return -1; /* below itself, too */
        return isnan(b.d) ? 1 : a.d < b.d ? -1 : a.d > b.d;
    }
    if (a.kind == JV_DOUBLE && b.kind != JV_DIGITS && isnan(a.d))
        return -1;
    if (a.kind == JV_INT && b.kind == JV_DOUBLE)
        return compare_int_double(a.i, b.d);
    if (a.kind == JV_DOUBLE && b.kind == JV_INT)
        return -compare_int_double(b.i, a.d);
    if (a.kind == JV_UINT && b.kind == JV_DOUBLE)
        return compare_uint_double(a.u, b.d);
    if (a.kind == JV_DOUBLE && b.kind == JV_UINT)
        return -compare_uint_double(b.u, a.d);
    if (a.kind == JV_UINT && b.kind == JV_UINT)
        return a.u < b.u ? -1 : a.u > b.u;
    if (a.kind == JV_DOUBLE && !isfinite(a.d))
        return a.d > 0 ? 1 : -1;
    if (b.kind == JV_DOUBLE && !isfinite(b.d))
        return b.d > 0 ? -1 : 1;
    return compare_texts(number_text(a, rooms[0]), number_text(b, rooms[1]));
}

/* The double nearest to digits. */
static double digits_double(struct jv digits)
{
    struct decimal decimal;
    uint64_t value = 0;
    int taken = 0;

    if (!values_digits_valid(digits))
        return 0;
    read_decimal(digits, &decimal);
    for (const uint8_t *p = decimal.text; p != NULL && p < decimal.end && taken < 19; p++)
        if (*p != '.') {
            value = value * 10 + (*p - '0');
            taken++;
        }
    if (value == 0)
        return decimal.negative ? -0.0 : 0.0;
    return number_from_decimal(value, decimal.exponent - taken, decimal.negative);
}

double values_double(struct jv number)
{
    switch (number.kind) {
    case JV_INT: return (double)number.i;
    case JV_UINT: return (double)number.u;
    case JV_DOUBLE: return number.d;
    default: return digits_double(number);
    }
}

int64_t values_integer(struct jv number, int64_t min, int64_t max)
{
    double value;

    if (number.kind == JV_INT)
        return number.i < min ? min : number.i > max ? max : number.i;
    value = values_double(number);
    if (!(value > (double)min))
        return min;
    return value >= (double)max ? max : (int64_t)value;
}

bool values_parse_number(struct jq_run *run, struct slice text, struct jv *number_r)
{
    struct number number;
    uint8_t *copy;

    if (text.len == 0 || number_scan(text.data, text.len) != text.len)
        return false;
    number_parse(text.data, text.len, &number);
    switch (number.kind) {
    case NUMBER_UINT: *number_r = jv_uint(number.u); return true;
    case NUMBER_INT: *number_r = jv_int(number.i); return true;
    case NUMBER_DOUBLE: *number_r = jv_double(number.d); return true;
    default: break;
    }
    *number_r =
        (struct jv){.kind = JV_DIGITS, .len = (uint32_t)text.len, .at = text.data};
    if (run != NULL) { /* else the text outlives the number */
        copy = pool_alloc(run, text.len);
        memcpy(copy, text.data, text.len);
        number_r->at = copy;
    }
    return true;
}

static bool is_digit(const uint8_t *p, const uint8_t *end)
{
    return p < end && *p >= '0' && *p <= '9';
}

size_t values_plain_number(struct slice text, uint8_t *to)
{
    const uint8_t *p = text.data, *end = p + text.len;
    uint8_t *start = to;
    bool point = false;

    if (p < end && *p == '-')
        *to++ = *p++;
    else if (p < end && *p == '+' && !(p + 1 < end && p[1] == '-'))
        p++;
    while (is_digit(p, end) && *p == '0' && is_digit(p + 1, end))
        p++;
    if (p < end && *p == '.' && is_digit(p + 1, end))
        *to++ = '0';
    for (; p < end; p++) {
        *to++ = *p;
        if (*p != '.' || point)
            continue;
        point = true; /* text with more is no number, and `to` has no room for more */
        if (!is_digit(p + 1, end) && to - start > 1)
            *to++ = '0';
    }
    return (size_t)(to - start);
}

/* ---- operators */

static const char *const operator_words[] = {"added", "subtracted", "multiplied",
                                             "divided", "divided (remainder)"};

static int cannot_operate(struct jq_run *run, const struct node *node,
                          enum operation operation, struct jv a, struct jv b,
                          const char *why)
{
    return flow_failf(run, node, "%s and %s cannot be %s%s", flow_describe(run, a),
                      flow_describe(run, b), operator_words[operation], why);
}

/* An integer of up to 128 bits as a number: exact where 64 bits hold it. */
static struct jv number_wide(__int128 value)
{
    if (value >= INT64_MIN && value <= INT64_MAX)
        return jv_int((int64_t)value);
    if (value > 0 && value <= UINT64_MAX)
        return jv_uint((uint64_t)value);
    return jv_double((double)value);
}

static bool is_integer(struct jv number)
{
    return number.kind == JV_INT || number.kind == JV_UINT;
}

static __int128 wide(struct jv number)
{
    return number.kind == JV_INT ? number.i : (__int128)number.u;
}

static int finish(struct jq_run *run, const struct node *node, double value, struct jv a,
                  struct jv b, struct jv *out_r)
{
    if (isinf(value) && isfinite(values_double(a)) && isfinite(values_double(b)))
        return flow_failf(run, node, "The result is beyond the range of numbers");
    *out_r = jv_number(value);
    return FLOW_OK;
}

static int divide(struct jq_run *run, const struct node *node, struct jv a, struct jv b,
                  struct jv *out_r)
{
    if (values_double(b) == 0)
        return cannot_operate(run, node, OPERATION_DIVIDE, a, b,
                              " because the divisor is zero");
    if (is_integer(a) && is_integer(b) && wide(a) % wide(b) == 0) {
        *out_r = number_wide(wide(a) / wide(b));
        return FLOW_OK;
    }
    return finish(run, node, values_double(a) / values_double(b), a, b, out_r);
}

/* The whole part of a number, for the remainder. */
static __int128 whole_part(struct jv number)
{
    double value;

    if (is_integer(number))
        return wide(number);
    value = values_double(number);
    if (isnan(value))
        return 0;
    /* As jq does, which has no integers beyond; those that are exact here stay so. */
    if (value < -9223372036854775808.0)
        return INT64_MIN;
    return value >= 9223372036854775808.0 ? INT64_MAX : (int64_t)value;
}

static int modulo(struct jq_run *run, const struct node *node, struct jv a, struct jv b,
                  struct jv *out_r)
{
    __int128 left, right;

    if (isnan(values_double(a)) || isnan(values_double(b))) {
        *out_r = jv_double(NAN);
        return FLOW_OK;
    }
    left = whole_part(a);
    right = whole_part(b);
    if (right == 0)
        return cannot_operate(run, node, OPERATION_MODULO, a, b,
                              " because the divisor is zero");
    *out_r = number_wide(left % (right < 0 ? -right : right));
    return FLOW_OK;
}

static int operate_numbers(struct jq_run *run, const struct node *node,
                           enum operation operation, struct jv a, struct jv b,
                           struct jv *out_r)
{
    bool integers = is_integer(a) && is_integer(b);
    double x, y;

    if (operation == OPERATION_DIVIDE)
        return divide(run, node, a, b, out_r);
    if (operation == OPERATION_MODULO)
        return modulo(run, node, a, b, out_r);
    if (integers) { /* products of 64 by 64 bits fit, sums do */
        __int128 left = wide(a), right = wide(b);

        if (operation == OPERATION_MULTIPLY && a.kind == JV_UINT && b.kind == JV_UINT) {
            *out_r = jv_double((double)a.u * (double)b.u);
            return FLOW_OK;
        }
        *out_r = number_wide(operation == OPERATION_ADD        ? left + right
                             : operation == OPERATION_SUBTRACT ? left - right
                                                               : left * right);
        return FLOW_OK;
    }
    x = values_double(a);
    y = values_double(b);
    return finish(run, node,
                  operation == OPERATION_ADD        ? x + y
                  : operation == OPERATION_SUBTRACT ? x - y
                                                    : x * y,
                  a, b, out_r);
}

/* ---- operators of other types */

struct merge_each {
    struct each each;
    struct jv into;
    bool deeply;
};

static struct jv merge(struct jq_run *run, struct jv a, struct jv b, bool deeply);

static int merge_member(struct each *each, struct jq_run *run, struct jv key,
                        struct jv item)
{
    struct merge_each *own = (struct merge_each *)each;
    struct jv old = jv_null();

    if (own->deeply && jv_is_object(item) && jv_object_find(run, own->into, key, &old) &&
        jv_is_object(old)) {
        own->into = jv_object_set(run, own->into, jv_ref(key), jv_null());
        item = merge(run, old, item, true);
    } else {
        jv_drop(run, old);
    }
    own->into = jv_object_set(run, own->into, key, item);
    return FLOW_OK;
}

static struct jv merge(struct jq_run *run, struct jv a, struct jv b, bool deeply)
{
    struct merge_each own = {{.with_keys = true, .take = merge_member}, a, deeply};

    run_check_stack(run);
    (void)values_each(run, &own.each, b);
    return own.into;
}

static struct jv append(struct jq_run *run, struct jv a, struct jv b)
{
    size_t count = jv_array_count(run, b);

    b = jv_array_built(run, b);
    if (b.array == a.array && a.kind == JV_ARRAY)
        a = jv_array_slice(run, a, 0, count);
    a = jv_array_own(run, a, count);
    run_charge(run, count / 4);
    for (size_t i = 0; i < count; i++)
        a = jv_array_push(run, a, jv_ref(b.array->items[i]));
    jv_drop(run, b);
    return a;
}

/* The items of a that are not in b. */
static struct jv without(struct jq_run *run, struct jv a, struct jv b)
{
    struct jv rest = jv_array(run, 0);

    a = jv_array_built(run, a);
    b = jv_array_built(run, b);
    for (uint32_t i = 0; i < a.array->count; i++) {
        struct jv item = raw_resolve(run, a.array->items[i]);
        uint32_t j = 0;

        while (j < b.array->count &&
               !values_equal(run, item, raw_resolve(run, b.array->items[j])))
            j++;
        run_charge(run, 1 + j / 4);
        if (j == b.array->count)
            rest = jv_array_push(run, rest, jv_ref(a.array->items[i]));
    }
    jv_drop(run, a);
    jv_drop(run, b);
    return rest;
}

static struct jv repeat(struct jq_run *run, struct jv string, struct jv times)
{
    double wanted = values_double(times);
    struct jv result;
    size_t count;
    uint8_t *to;

    if (!(wanted >= 0))
        return jv_null();
    count = string.len == 0 ? 0 : wanted > 1e9 ? 1000000000 : (size_t)wanted;
    if ((double)count * string.len > JV_MAX_LEN)
        run_end(run, JQ_MEMORY, NULL);
    result = jv_text_alloc(run, count * string.len, &to);
    for (size_t i = 0; i < count; i++)
        memcpy(to + i * string.len, string.at, string.len);
    run_charge(run, count / 8);
    jv_drop(run, string);
    return result;
}

static bool add_others(struct jq_run *run, struct jv a, struct jv b, struct jv *out_r)
{
    if (jv_is_string(a) && jv_is_string(b)) {
        *out_r = jv_text_append(run, a, b.at, b.len);
        jv_drop(run, b);
    } else if (jv_is_array(a) && jv_is_array(b)) {
        *out_r = append(run, a, b);
    } else if (jv_is_object(a) && jv_is_object(b)) {
        *out_r = merge(run, a, b, false);
    } else {
        return false;
    }
    return true;
}

static bool operate_others(struct jq_run *run, enum operation operation, struct jv a,
                           struct jv b, struct jv *out_r)
{
    if (operation == OPERATION_ADD)
        return add_others(run, a, b, out_r);
    if (operation == OPERATION_SUBTRACT && jv_is_array(a) && jv_is_array(b))
        *out_r = without(run, a, b);
    else if (operation == OPERATION_MULTIPLY && jv_is_object(a) && jv_is_object(b))
        *out_r = merge(run, a, b, true);
    else if (operation == OPERATION_MULTIPLY && jv_is_string(a) && jv_is_number(b))
        *out_r = repeat(run, a, b);
    else if (operation == OPERATION_MULTIPLY && jv_is_number(a) && jv_is_string(b))
        *out_r = repeat(run, b, a);
    else if (operation == OPERATION_DIVIDE && jv_is_string(a) && jv_is_string(b))
        *out_r = strings_split(run, a, b);
    else
        return false;
    return true;
}

int values_operate(struct jq_run *run, const struct node *node, enum operation operation,
                   struct jv a, struct jv b, struct jv *out_r)
{
    values_charge_digits(run, a);
    values_charge_digits(run, b);
    if (jv_is_number(a) && jv_is_number(b))
        return operate_numbers(run, node, operation, a, b, out_r);
    if (operation == OPERATION_ADD && a.kind == JV_NULL) {
        *out_r = b;
        return FLOW_OK;
    }
    if (operation == OPERATION_ADD && b.kind == JV_NULL) {
        *out_r = a;
        return FLOW_OK;
    }
    if (operate_others(run, operation, a, b, out_r))
        return FLOW_OK;
    return cannot_operate(run, node, operation, a, b, "");
}
