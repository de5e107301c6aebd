#include "train/checkpoint.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "model/safetensors.h"

/* An array of a trainer, on the backend or in host memory. */
typedef struct {
    const char *name;
    void       *bytes;
    int64_t     count;
    dtype       type;
    bool        on_device;
} part;

/* LAYOUT stands for the order of values, which adapters/adapter.c chooses. Whoever changes that
 * order counts it up; files of another order are refused. */
enum { PARTS_MAX = 6, LAYOUT = 2 };

static int parts_of(const trainer *t, part *p)
{
    const trained_array *a          = &t->params;
    dtype                param_type = t->model->be->params->elem == 8 ? DT_F64 : DT_F32;
    int                  n          = 0;
    p[n++]                          = (part) { "value", a->value, a->count, param_type, true };
    p[n++]                          = (part) { "m", a->m, a->count, param_type, true };
    p[n++]                          = (part) { "v", a->v, a->count, param_type, true };
    if (t->allocator) {
        p[n++] = (part) { "sensitivity", t->allocator->sensitivity, a->count, DT_F64, false };
        p[n++] = (part) { "uncertainty", t->allocator->uncertainty, a->count, DT_F64, false };
        p[n++] = (part) { "kept", t->allocator->kept, t->allocator->n_triplets, DT_U8, false };
    }
    return n;
}

static int64_t part_bytes(const part *p) { return p->count * (int64_t)dtype_bytes(p->type); }

static tensor_view view_of(const char *name, dtype type, const void *bytes, int64_t count)
{
    return (
        tensor_view) { .name = name, .dtype = type, .n_dims = 1, .shape = { count }, .count = count, .bytes = bytes };
}

int checkpoint_write(const trainer *t, const json *state, const char *path)
{
    part        parts[PARTS_MAX];
    tensor_view views[PARTS_MAX + 1];
    void       *staging[PARTS_MAX] = { 0 };
    str         text               = { 0 };
    int         n                  = parts_of(t, parts);
    for (int i = 0; i < n; i++) {
        const void *bytes = parts[i].bytes;
        if (parts[i].on_device) {
            bytes = staging[i] = mem_alloc((size_t)part_bytes(&parts[i]), 1);
            t->model->be->get(t->model->be, staging[i], parts[i].bytes, part_bytes(&parts[i]));
        }
        views[i] = view_of(parts[i].name, parts[i].type, bytes, parts[i].count);
    }
    json *all = json_copy(state);
    json_set_int(all, "layout", LAYOUT);
    json_set_int(all, "trainer_step", t->step);
    json_print(all, &text, false);
    views[n] = view_of("state", DT_U8, text.s, (int64_t)text.n);
    int rc   = safetensors_write(path, views, n + 1);
    for (int i = 0; i < n; i++) free(staging[i]);
    json_free(all);
    str_free(&text);
    return rc;
}

static int read_part(const trainer *t, const safetensors *f, const part *p, const char *path)
{
    const tensor_view *v;
    int                rc = safetensors_get(f, p->name, 1, &p->count, &v);
    if (rc) return rc;
    if (v->dtype != p->type)
        return input_error(
            "%s: tensor %s: is %s and has to be %s: it was written on another device; use that --device or remove the folder",
            path, p->name, dtype_name(v->dtype), dtype_name(p->type));
    if (p->on_device)
        t->model->be->put(t->model->be, p->bytes, v->bytes, part_bytes(p));
    else
        memcpy(p->bytes, v->bytes, (size_t)part_bytes(p));
    return OK;
}

int checkpoint_read(trainer *t, json **state, const char *path)
{
    part         parts[PARTS_MAX];
    safetensors *f;
    *state = NULL;
    int rc = safetensors_open(&f, path);
    if (rc) return rc;
    int n = parts_of(t, parts);
    for (int i = 0; i < n && !rc; i++) rc = read_part(t, f, &parts[i], path);
    const tensor_view *text = rc ? NULL : safetensors_find(f, "state");
    if (!rc && (!text || text->dtype != DT_U8))
        rc = input_error("%s: tensor state is missing; remove the folder and start again", path);
    if (!rc) rc = json_parse(state, (const char *)text->bytes, (size_t)text->count, path);
    if (!rc && json_number(json_find(*state, "layout")) != LAYOUT)
        rc = input_error(
            "%s: was written by another version of this program, whose values lie in another order; remove the folder and start again, or "
            "finish it with that version",
            path);
    if (!rc) rc = json_get_int(*state, path, "trainer_step", 0, INT64_MAX / 2, &t->step);
    safetensors_close(f);
    if (!rc) trainer_refresh(t);
    return json_unless(rc, state);
}
