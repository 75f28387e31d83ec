#include "server/process/check_store.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "common/codec/codec.h"
#include "common/base/log.h"
#include "server/store/store.h"
#include "common/credentials/credentials.h"
#include "server/store/store_url.h"

/* Has the codec check a document: it must be one MessagePack value that JSON can express,
   or one JSON text. */
static int verify(void *context, struct store_key key, enum store_format format,
                  struct slice bytes)
{
    struct codec *codec = context;
    struct codec_call call = {.op = format == STORE_JSON ? CODEC_OP_DECODE
                                                         : CODEC_OP_VALIDATE,
                              .in = bytes,
                              .max_output = SIZE_MAX / 4,
                              .max_memory = SIZE_MAX / 4};
    struct codec_fault fault;
    struct buf out = BUF_INIT;
    enum codec_status status = codec_run(codec, &call, &out, &fault);

    buf_free(&out);
    if (status == CODEC_OK)
        return 0;
    log_warn("%.*s/%.*s: %s at byte %" PRIu64, (int)key.collection.len,
             (const char *)key.collection.data, (int)key.id.len,
             (const char *)key.id.data, codec_status_text(status), fault.offset);
    return -1;
}

int check_store(const struct server_config *config)
{
    const struct credentials_texts texts = CREDENTIALS_TEXTS(config);
    struct credentials credentials;
    struct store_config store = {.url = config->store,
                                 .lmdb_max = config->lmdb_max_bytes};
    struct codec *codec = codec_create(config->codec);
    struct store_check_counts counts;
    struct buf shown = BUF_INIT;
    int result;

    assert(codec != NULL); /* the option was checked */
    credentials_unpack(&texts, &credentials);
    store.tls = (struct store_tls){credentials.cert, credentials.key, credentials.ca};
    result = store_check(&store, verify, codec, &counts);
    store_url_print(config->store, &shown);
    if (result < 0 && counts.documents + counts.collections + counts.damaged == 0)
        printf("%.*s: nothing could be read\n", (int)shown.len, (const char *)shown.data);
    else if (store_url_is_foreign(config->store))
        printf("%.*s: %" PRIu64 " values, %" PRIu64 " bytes, %" PRIu64
               " values no JSON\n",
               (int)shown.len, (const char *)shown.data, counts.documents, counts.bytes,
               counts.damaged);
    else
        printf("%.*s: %" PRIu64 " documents in %" PRIu64 " collections, %" PRIu64
               " bytes, %" PRIu64 " damaged\n",
               (int)shown.len, (const char *)shown.data, counts.documents,
               counts.collections, counts.bytes, counts.damaged);
    buf_free(&shown);
    codec_destroy(&codec);
    credentials_free(&credentials);
    return result < 0 ? 1 : 0;
}
