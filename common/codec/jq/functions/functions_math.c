/* Built-in functions about numbers: those of the C library, by tables. */
#include <math.h>

#include "common/codec/jq/functions/functions.h"
#include "common/codec/jq/values.h"

static double significand_of(double x)
{
    int exponent;

    if (x == 0 || !isfinite(x))
        return x;
    return frexp(x, &exponent) * 2;
}

/* lgamma() writes to a variable that all threads share. */
static double lgamma_of(double x)
{
    int sign;

    return lgamma_r(x, &sign);
}

static double exp10_of(double x)
{
    return pow(10, x);
}

static const struct math1 {
    const char *name;
    double (*function)(double);
} ones[] = {
    {"floor", floor},
    {"ceil", ceil},
    {"round", round},
    {"trunc", trunc},
    {"rint", rint},
    {"nearbyint", nearbyint},
    {"fabs", fabs},
    {"sqrt", sqrt},
    {"cbrt", cbrt},
    {"exp", exp},
    {"exp2", exp2},
    {"exp10", exp10_of},
    {"pow10", exp10_of},
    {"expm1", expm1},
    {"log", log},
    {"log2", log2},
    {"log10", log10},
    {"log1p", log1p},
    {"logb", logb},
    {"gamma", lgamma_of},
    {"lgamma", lgamma_of},
    {"tgamma", tgamma},
    {"sin", sin},
    {"cos", cos},
    {"tan", tan},
    {"asin", asin},
    {"acos", acos},
    {"atan", atan},
    {"sinh", sinh},
    {"cosh", cosh},
    {"tanh", tanh},
    {"asinh", asinh},
    {"acosh", acosh},
    {"atanh", atanh},
    {"significand", significand_of},
};

static double ldexp_of(double x, double exponent)
{
    if (isnan(exponent))
        return NAN;
    return ldexp(x, (int)(exponent > 1e6 ? 1e6 : exponent < -1e6 ? -1e6 : exponent));
}

static const struct math2 {
    const char *name;
    double (*function)(double, double);
} twos[] = {
    {"pow", pow},
    {"atan2", atan2},
    {"fmod", fmod},
    {"fmin", fmin},
    {"fmax", fmax},
    {"fdim", fdim},
    {"hypot", hypot},
    {"copysign", copysign},
    {"drem", remainder},
    {"remainder", remainder},
    {"nextafter", nextafter},
    {"nexttoward", nextafter},
    {"ldexp", ldexp_of},
    {"scalb", ldexp_of},
    {"scalbln", ldexp_of},
};

static bool is_named(const char *name, const uint8_t *wanted, size_t len)
{
    return strlen(name) == len && memcmp(name, wanted, len) == 0;
}

uint32_t functions_math_named(const uint8_t *name, size_t len, uint32_t arity)
{
    uint32_t i;

    if (arity == 3)
        return is_named("fma", name, len) ? 0 : UINT32_MAX;
    for (i = 0; arity == 0 && i < sizeof ones / sizeof ones[0]; i++)
        if (is_named(ones[i].name, name, len))
            return i;
    for (i = 0; arity == 2 && i < sizeof twos / sizeof twos[0]; i++)
        if (is_named(twos[i].name, name, len))
            return i;
    return UINT32_MAX;
}

static int need_number(struct jq_run *run, const struct node *node, struct jv value)
{
    if (jv_is_number(value))
        return FLOW_OK;
    return flow_failf(run, node, "%s number required", flow_describe(run, value));
}

/* True for the functions that leave integers as they are. */
static bool keeps_integers(uint32_t number)
{
    return number <= 5; /* floor to nearbyint */
}

int function_math1(struct jq_run *run, const struct node *node, struct jv *args,
                   struct jv *out_r)
{
    int flow = need_number(run, node, args[0]);

    if (flow != FLOW_OK)
        return flow;
    if (keeps_integers(node->number) && args[0].kind != JV_DOUBLE) {
        *out_r = args[0];
        return FLOW_OK;
    }
    *out_r = jv_number(ones[node->number].function(values_double(args[0])));
    return FLOW_OK;
}

int function_math2(struct jq_run *run, const struct node *node, struct jv *args,
                   struct jv *out_r)
{
    int flow = need_number(run, node, args[1]);

    if (flow == FLOW_OK)
        flow = need_number(run, node, args[2]);
    if (flow == FLOW_OK)
        *out_r = jv_number(
            twos[node->number].function(values_double(args[1]), values_double(args[2])));
    return flow;
}

int function_math3(struct jq_run *run, const struct node *node, struct jv *args,
                   struct jv *out_r)
{
    int flow = FLOW_OK;

    for (int i = 1; i <= 3 && flow == FLOW_OK; i++)
        flow = need_number(run, node, args[i]);
    if (flow == FLOW_OK)
        *out_r = jv_number(
            fma(values_double(args[1]), values_double(args[2]), values_double(args[3])));
    return flow;
}

int function_infinite(struct jq_run *run, const struct node *node, struct jv *args,
                      struct jv *out_r)
{
    (void)node;
    jv_drop(run, args[0]);
    *out_r = jv_double(INFINITY);
    return FLOW_OK;
}

int function_nan(struct jq_run *run, const struct node *node, struct jv *args,
                 struct jv *out_r)
{
    (void)node;
    jv_drop(run, args[0]);
    *out_r = jv_double(NAN);
    return FLOW_OK;
}

int function_isinfinite(struct jq_run *run, const struct node *node, struct jv *args,
                        struct jv *out_r)
{
    *out_r = jv_bool(args[0].kind == JV_DOUBLE && isinf(args[0].d));
    return need_number(run, node, args[0]);
}

int function_isnan(struct jq_run *run, const struct node *node, struct jv *args,
                   struct jv *out_r)
{
    *out_r = jv_bool(args[0].kind == JV_DOUBLE && isnan(args[0].d));
    return need_number(run, node, args[0]);
}

int function_isnormal(struct jq_run *run, const struct node *node, struct jv *args,
                      struct jv *out_r)
{
    int flow = need_number(run, node, args[0]);

    if (flow == FLOW_OK)
        *out_r = jv_bool(isnormal(values_double(args[0])));
    return flow;
}

static struct jv pair(struct jq_run *run, struct jv a, struct jv b)
{
    return jv_array_push(run, jv_array_push(run, jv_array(run, 2), a), b);
}

int function_frexp(struct jq_run *run, const struct node *node, struct jv *args,
                   struct jv *out_r)
{
    int flow = need_number(run, node, args[0]), exponent = 0;
    double value;

    if (flow != FLOW_OK)
        return flow;
    value = values_double(args[0]);
    if (isfinite(value))
        value = frexp(value, &exponent);
    *out_r = pair(run, jv_number(value), jv_int(exponent));
    return FLOW_OK;
}

int function_modf(struct jq_run *run, const struct node *node, struct jv *args,
                  struct jv *out_r)
{
    int flow = need_number(run, node, args[0]);
    double whole, fraction;

    if (flow != FLOW_OK)
        return flow;
    fraction = modf(values_double(args[0]), &whole);
    *out_r = pair(run, jv_number(fraction), jv_number(whole));
    return FLOW_OK;
}

int function_lgamma_r(struct jq_run *run, const struct node *node, struct jv *args,
                      struct jv *out_r)
{
    int flow = need_number(run, node, args[0]), sign = 0;
    double value;

    if (flow != FLOW_OK)
        return flow;
    value = lgamma_r(values_double(args[0]), &sign);
    *out_r = pair(run, jv_number(value), jv_int(sign));
    return FLOW_OK;
}

int function_abs(struct jq_run *run, const struct node *node, struct jv *args,
                 struct jv *out_r)
{
    struct jv value = args[0];

    /* jq's is `if . < 0 then -. else . end`: only what is below all numbers fails. */
    if (value.kind < JV_INT)
        return flow_failf(run, node, "%s cannot be negated", flow_describe(run, value));
    if (value.kind == JV_DOUBLE)
        value.d = fabs(value.d);
    else if (value.kind == JV_DIGITS && value.at[0] == '-')
        value = (struct jv){.kind = JV_DIGITS, .len = value.len - 1, .at = value.at + 1};
    else if (value.kind == JV_INT && value.i < 0)
        value = jv_uint(0 - (uint64_t)value.i);
    *out_r = value;
    return FLOW_OK;
}
