#include "tests/simulation/front/sim_codec.h"

#include "tests/simulation/system/sim_world.h"

static const char *engine_name;
static struct codec *codec; /* NULL before the first use */

void sim_codec_begin(const char *engine)
{
    engine_name = engine;
}

void sim_codec_end(void)
{
    codec_destroy(&codec);
}

struct codec *sim_codec(void)
{
    if (codec == NULL)
        codec = codec_create(engine_name);
    if (codec == NULL)
        sim_fail("there is no codec engine %s", engine_name);
    return codec;
}
