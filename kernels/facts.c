#include "kernels/facts.h"

json *backend_facts(const backend *be)
{
    if (!be || !be->facts || !be->facts->name) return NULL;
    json *j = json_object();
    for (const device_fact *f = be->facts; f->name; f++) json_set_str(j, f->name, f->value);
    return j;
}
