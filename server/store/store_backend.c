#include "server/store/store_backend.h"

#include "common/base/document_name.h"

void store_backend_cancel(struct store_request *request)
{
    struct store_flight *flight = request->backend;

    request->backend = NULL;
    if (flight != NULL)
        flight->cancel(flight);
}

bool store_backend_name_is_sound(struct slice name)
{
    if (name.len < 1 || name.len > STORE_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!document_name_has_byte(name.data[i]))
            return false;
    return true;
}
