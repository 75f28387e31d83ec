#include "common/base/document_name.h"

#include <string.h>

bool document_name_has_byte(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || (byte != 0 && strchr("._~:@-", byte) != NULL);
}

bool name_is_dots(struct slice text)
{
    return (text.len == 1 || text.len == 2) && memcmp(text.data, "..", text.len) == 0;
}

bool document_name_is_valid(struct slice text)
{
    if (text.len < 1 || text.len > DOCUMENT_NAME_MAX_BYTES || name_is_dots(text))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!document_name_has_byte(text.data[i]))
            return false;
    return true;
}
