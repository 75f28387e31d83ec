/* Any bytes, cut in any pieces: a reader gives the same messages as from one piece,
   within its limit, and its memory follows what has come. The first byte says how they
   are cut. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/frame.h"

#define MAX_BYTES 200000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads all; the messages go to `out`, one after another. Returns how it ended. */
static enum frame_result read_all(const uint8_t *data, size_t size, size_t step,
                                  struct buf *out)
{
    enum frame_result result = FRAME_MORE;
    struct frame_reader reader;
    struct slice message;
    size_t room;

    frame_reader_init(&reader, MAX_BYTES);
    while (size > 0 && result == FRAME_MORE) {
        uint8_t *space = frame_reader_space(&reader, &room);
        size_t len = size < step ? size : step;

        if (room == 0 || reader.bytes.cap > 4 * (reader.bytes.len + FRAME_READ_BYTES))
            abort();
        len = len < room ? len : room;
        memcpy(space, data, len);
        frame_reader_add(&reader, len);
        data += len;
        size -= len;
        while ((result = frame_reader_next(&reader, &message)) == FRAME_MESSAGE) {
            struct buf stolen = BUF_INIT;

            if (message.len == 0 || message.len > MAX_BYTES)
                abort();
            (void)frame_reader_steal(&reader, &stolen);
            buf_append(out, message.data, message.len);
            buf_append_str(out, "|");
            buf_free(&stolen);
        }
    }
    frame_reader_free(&reader);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole = BUF_INIT, pieces = BUF_INIT;
    size_t step = size > 0 ? (size_t)data[0] + 1 : 1;

    if (size > 0)
        data++, size--;
    if (read_all(data, size, SIZE_MAX, &whole) != read_all(data, size, step, &pieces))
        abort();
    if (whole.len != pieces.len ||
        (whole.len > 0 && memcmp(whole.data, pieces.data, whole.len) != 0))
        abort();
    buf_free(&whole);
    buf_free(&pieces);
    return 0;
}
