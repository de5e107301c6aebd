#include "model/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"

/* A header takes about 100 bytes a tensor; the largest published headers stay under 5 MB. */
enum { HEADER_MAX = 16 << 20 };
static const double EXACT = 9007199254740992.0; /* 2^53, from where JSON numbers are no longer exact */
/* the most elements of one tensor: 8 bytes each still count exactly */
static const int64_t COUNT_MAX = (int64_t)1 << 50;

#define DTYPE_ROW(name, bytes) { #name, bytes },
static const struct {
    const char *name;
    size_t      bytes;
} dtypes[DT_COUNT] = { DTYPES(DTYPE_ROW) };

const char *dtype_name(dtype d) { return dtypes[d].name; }
size_t      dtype_bytes(dtype d) { return dtypes[d].bytes; }

/* --- reading the header */

/* A name for messages: names come from the file, so control characters must not reach a terminal.
 * Valid until the call after the next. */
static const char *shown(const char *name)
{
    static _Thread_local char buffers[2][120];
    static _Thread_local int  k;
    char                     *out = buffers[k ^= 1];
    snprintf(out, sizeof buffers[0], "%s", name);
    for (char *c = out; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F) *c = '?';
    return out;
}

/* Says which tensor an error is about. */
static int about(int rc, const char *path, const tensor_view *t)
{
    return rc ? error_context(rc, "%s: tensor \"%s\"", path, shown(t->name)) : OK;
}

static bool whole(const json *j)
{
    double v = json_number(j);
    return v >= 0 && v <= EXACT && v == (double)(int64_t)v;
}

static int read_dtype(tensor_view *t, const json *entry)
{
    const json *j = json_find(entry, "dtype");
    if (!json_text(j)) return input_error("has no \"dtype\" string");
    for (int d = 0; d < DT_COUNT; d++) {
        if (strcmp(dtypes[d].name, j->valuestring) != 0) continue;
        t->dtype = (dtype)d;
        return OK;
    }
    return input_error("dtype \"%.20s\" is not supported; F32, F16, BF16, F64, integers and BOOL are",
                       shown(j->valuestring));
}

static int read_shape(tensor_view *t, const json *entry)
{
    const json *j = json_find(entry, "shape");
    if (!json_is_array(j)) return input_error("has no \"shape\" array");
    t->count = 1;
    for (const json *e = j->child; e; e = e->next) {
        if (t->n_dims == TENSOR_DIMS) return input_error("\"shape\" has more than 8 dimensions");
        if (!whole(e)) return input_error("\"shape\" holds something that is no whole number, 0..2^53");
        int64_t size          = (int64_t)e->valuedouble;
        t->shape[t->n_dims++] = size;
        if (size > 0 && t->count > COUNT_MAX / size) return input_error("\"shape\" overflows");
        t->count *= size;
    }
    return OK;
}

/* Checks data_offsets [begin, end) against the shape and the file. */
static int read_offsets(tensor_view *t, const json *entry, const unsigned char *data, size_t n_data)
{
    const json *j = json_find(entry, "data_offsets");
    const json *b = json_items(j), *e = b ? b->next : NULL;
    if (!e || e->next || !whole(b) || !whole(e)) return input_error("\"data_offsets\" must be two whole numbers");
    uint64_t begin = (uint64_t)b->valuedouble, end = (uint64_t)e->valuedouble,
             need = (uint64_t)t->count * dtypes[t->dtype].bytes;
    if (end > n_data)
        return input_error("ends at byte %llu of the data, but the file holds %zu; is it cut short? Fetch it again",
                           (unsigned long long)end, n_data);
    if (begin > end || end - begin != need)
        return input_error("\"data_offsets\" %llu..%llu do not hold its shape as %s, which needs %llu bytes",
                           (unsigned long long)begin, (unsigned long long)end, dtypes[t->dtype].name,
                           (unsigned long long)need);
    t->bytes = data + begin;
    return OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const tensor_view *)a)->name, ((const tensor_view *)b)->name);
}

static size_t view_bytes(const tensor_view *t) { return (size_t)t->count * dtypes[t->dtype].bytes; }

static int by_place(const void *a, const void *b)
{
    const tensor_view *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? -1 : 1;
    return (view_bytes(x) > view_bytes(y)) - (view_bytes(x) < view_bytes(y));
}

/* Checks that every byte of the data belongs to exactly one tensor: a file in which bytes overlap
 * or hide between tensors is not honest. */
static int check_cover(tensor_view *t, int64_t n, const char *path, const unsigned char *data, size_t n_data)
{
    qsort(t, (size_t)n, sizeof *t, by_place);
    const unsigned char *at = data;
    for (int64_t i = 0; i < n; i++) {
        if (t[i].bytes < at) return about(input_error("overlaps the tensor before it"), path, &t[i]);
        if (t[i].bytes > at)
            return about(input_error("%td bytes before it belong to no tensor", t[i].bytes - at), path, &t[i]);
        at += view_bytes(&t[i]);
    }
    if (at != data + n_data)
        return input_error("%s: %td bytes after the last tensor belong to no tensor", path, data + n_data - at);
    return OK;
}

static int read_tensor(tensor_view *t, const json *entry, const unsigned char *data, size_t n_data)
{
    if (!json_is_object(entry)) return input_error("must be an object");
    if (json_size(entry) != 3)
        return input_error("must have \"dtype\", \"shape\" and \"data_offsets\", once each, and nothing else");
    int rc = read_dtype(t, entry);
    if (!rc) rc = read_shape(t, entry);
    if (!rc) rc = read_offsets(t, entry, data, n_data);
    return rc;
}

static int read_header(safetensors *f, json *header, const unsigned char *data, size_t n_data)
{
    if (!json_is_object(header)) return input_error("%s: the header must be one JSON object", f->path);
    f->metadata = json_take(header, "__metadata__");
    int64_t n   = json_size(header);
    f->tensors  = mem_alloc((size_t)n, sizeof *f->tensors);
    for (const json *e = header->child; e; e = e->next) {
        tensor_view *t = &f->tensors[f->n++];
        t->name        = mem_strdup(e->string);
        int rc         = about(read_tensor(t, e, data, n_data), f->path, t);
        if (rc) return rc;
    }
    int rc = check_cover(f->tensors, n, f->path, data, n_data);
    if (rc) return rc;
    qsort(f->tensors, (size_t)n, sizeof *f->tensors, by_name);
    for (int64_t i = 1; i < n; i++)
        if (!strcmp(f->tensors[i - 1].name, f->tensors[i].name))
            return about(input_error("stands there twice"), f->path, &f->tensors[i]);
    return OK;
}

/* Other formats under this name, by their first bytes. A header of 640 bytes begins as a pickle
 * does, so a file whose ninth byte opens a JSON object is none of them. */
static int refuse_other_format(const char *path, const unsigned char *bytes, size_t n)
{
    if (n > 8 && bytes[8] == '{') return OK;
    static const struct {
        const char *begin, *what;
    } formats[] = {
        { "PK\3\4", "a PyTorch file (pickle in a zip)" },
        { "\x80\2", "a PyTorch file (pickle)" },
        { "GGUF", "a GGUF file" },
        { "\x93NUMPY", "a NumPy file" },
        { "\x89HDF", "an HDF5 file" },
        { "\x1F\x8B", "compressed with gzip" },
        { "<!DOCTYPE", "a web page" },
        { "<html", "a web page" },
    };
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (n >= strlen(formats[i].begin) && !memcmp(bytes, formats[i].begin, strlen(formats[i].begin)))
            return input_error("%s: is %s, not a safetensors file", path, formats[i].what);
    return OK;
}

static int parse_into(safetensors *f, const unsigned char *bytes, size_t n)
{
    int other = refuse_other_format(f->path, bytes, n);
    if (other) return other;
    if (n < 8) return input_error("%s: %zu bytes: too short for a safetensors file; is it cut short?", f->path, n);
    uint64_t length = 0;
    for (int i = 7; i >= 0; i--) length = length << 8 | bytes[i];
    if (length > n - 8)
        return input_error(
            "%s: the header is said to be %llu bytes long, but the file has %zu; not a safetensors file, or cut short",
            f->path, (unsigned long long)length, n);
    if (length > HEADER_MAX)
        return input_error("%s: the header is %llu bytes long; at most %d are read", f->path,
                           (unsigned long long)length, HEADER_MAX);
    json *header = NULL;
    str   where  = { 0 };
    str_printf(&where, "%s: header", f->path);
    int rc = json_parse(&header, (const char *)bytes + 8, (size_t)length, where.s);
    if (!rc) rc = read_header(f, header, bytes + 8 + length, n - 8 - (size_t)length);
    str_free(&where);
    json_free(header);
    return rc;
}

static int finish(safetensors **out, safetensors *f, int rc)
{
    if (rc) {
        safetensors_close(f);
        f = NULL;
    }
    *out = f;
    return rc;
}

int safetensors_parse(safetensors **out, const unsigned char *bytes, size_t n, const char *path)
{
    safetensors *f = mem_alloc(1, sizeof *f);
    f->path        = mem_strdup(path);
    return finish(out, f, parse_into(f, bytes, n));
}

int safetensors_open(safetensors **out, const char *path)
{
    safetensors *f = mem_alloc(1, sizeof *f);
    f->path        = mem_strdup(path);
    int rc         = file_map(&f->map, path);
    if (!rc) rc = parse_into(f, f->map.bytes, f->map.n);
    return finish(out, f, rc);
}

void safetensors_close(safetensors *f)
{
    if (!f) return;
    for (int64_t i = 0; i < f->n; i++) free((char *)(uintptr_t)f->tensors[i].name);
    free(f->tensors);
    json_free(f->metadata);
    file_unmap(&f->map);
    free(f->path);
    free(f);
}

/* --- looking up */

const tensor_view *safetensors_find(const safetensors *f, const char *name)
{
    tensor_view key = { .name = name };
    return f->n ? bsearch(&key, f->tensors, (size_t)f->n, sizeof key, by_name) : NULL;
}

static void print_shape(str *b, int n_dims, const int64_t *shape)
{
    str_putc(b, '[');
    for (int i = 0; i < n_dims; i++) str_printf(b, "%s%lld", i ? ", " : "", (long long)shape[i]);
    str_putc(b, ']');
}

int tensor_check_shape(const tensor_view *t, const char *path, int n_dims, const int64_t *shape)
{
    bool same = t->n_dims == n_dims;
    for (int i = 0; same && i < n_dims; i++) same = t->shape[i] == shape[i];
    if (same) return OK;
    str has = { 0 }, want = { 0 };
    print_shape(&has, t->n_dims, t->shape);
    print_shape(&want, n_dims, shape);
    int rc = input_error("%s: tensor \"%s\": shape %s; needed is %s", path, shown(t->name), has.s, want.s);
    str_free(&has);
    str_free(&want);
    return rc;
}

int safetensors_get(const safetensors *f, const char *name, int n_dims, const int64_t *shape, const tensor_view **out)
{
    *out = safetensors_find(f, name);
    if (!*out) return input_error("%s: tensor \"%s\" is missing", f->path, name);
    return tensor_check_shape(*out, f->path, n_dims, shape);
}

/* --- values. Tensors in a file need not be aligned, so memcpy reads them */

static float from_f16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 0x3FF, bits;
    if (exponent == 0) { /* zero and subnormals: fraction * 2^-24 */
        float magnitude = (float)fraction * 0x1p-24f;
        return sign ? -magnitude : magnitude;
    }
    if (exponent == 31)
        bits = sign | 0x7F800000u | fraction << 13;
    else
        bits = sign | (exponent + 112) << 23 | fraction << 13;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static float from_bf16(uint16_t h)
{
    uint32_t bits = (uint32_t)h << 16;
    float    f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* Reads an integer of any width from its two's complement bytes. */
static int64_t integer(const unsigned char *p, size_t bytes, bool is_signed)
{
    uint64_t x = 0;
    for (size_t i = bytes; i-- > 0;) x = x << 8 | p[i];
    if (is_signed && bytes < 8 && x >> (8 * bytes - 1)) x |= ~(uint64_t)0 << (8 * bytes);
    return (int64_t)x;
}

static double element(const unsigned char *p, dtype d)
{
    double   f64;
    float    f32;
    uint16_t half;
    switch (d) {
    case DT_F64: memcpy(&f64, p, sizeof f64); return f64;
    case DT_F32: memcpy(&f32, p, sizeof f32); return f32;
    case DT_F16: memcpy(&half, p, sizeof half); return from_f16(half);
    case DT_BF16: memcpy(&half, p, sizeof half); return from_bf16(half);
    case DT_U64: return (double)(uint64_t)integer(p, 8, false);
    case DT_BOOL: return *p != 0;
    default: return (double)integer(p, dtypes[d].bytes, d >= DT_I64 && d <= DT_I8);
    }
}

static int check_readable(const tensor_view *t)
{
    if (t->dtype != DT_F8_E4M3 && t->dtype != DT_F8_E5M2) return OK;
    return input_error("tensor \"%s\": values of dtype %s cannot be read", shown(t->name), dtypes[t->dtype].name);
}

int tensor_read_f64(double *dst, const tensor_view *t, int64_t first, int64_t count)
{
    size_t               width = dtypes[t->dtype].bytes;
    const unsigned char *p     = t->bytes + (size_t)first * width;
    int                  rc    = check_readable(t);
    for (int64_t i = 0; !rc && i < count; i++) dst[i] = element(p + (size_t)i * width, t->dtype);
    return rc;
}

int tensor_read_f32(float *dst, const tensor_view *t, int64_t first, int64_t count)
{
    size_t               width = dtypes[t->dtype].bytes;
    const unsigned char *p     = t->bytes + (size_t)first * width;
    int                  rc    = check_readable(t);
    if (!rc && t->dtype == DT_F32) {
        memcpy(dst, p, (size_t)count * width);
    } else if (!rc && t->dtype == DT_BF16) {
        /* most published weights are of this type; the compiler turns this loop into vector code */
        for (int64_t i = 0; i < count; i++) {
            uint16_t half;
            memcpy(&half, p + 2 * i, sizeof half);
            dst[i] = from_bf16(half);
        }
    } else {
        for (int64_t i = 0; !rc && i < count; i++) dst[i] = (float)element(p + (size_t)i * width, t->dtype);
    }
    return rc;
}

/* --- writing */

tensor_view tensor_of_f32(const char *name, const float *values, int64_t rows, int64_t cols)
{
    return (tensor_view) { .name   = name,
                           .dtype  = DT_F32,
                           .n_dims = cols ? 2 : 1,
                           .shape  = { rows, cols },
                           .count  = rows * (cols ? cols : 1),
                           .bytes  = (const unsigned char *)values };
}

static int by_width_and_name(const void *a, const void *b)
{
    size_t x = dtypes[((const tensor_view *)a)->dtype].bytes, y = dtypes[((const tensor_view *)b)->dtype].bytes;
    return x != y ? (x < y ? 1 : -1) : by_name(a, b);
}

int safetensors_write(const char *path, const tensor_view *tensors, int64_t n)
{
    tensor_view *t     = mem_alloc((size_t)n, sizeof *t);
    file_part   *parts = mem_alloc((size_t)n + 1, sizeof *parts);
    if (n) memcpy(t, tensors, (size_t)n * sizeof *t);
    qsort(t, (size_t)n, sizeof *t, by_width_and_name);
    str      header = { 0 };
    uint64_t at     = 0;
    str_add(&header, "\0\0\0\0\0\0\0\0", 8);
    str_puts(&header, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (int64_t i = 0; i < n; i++) {
        str_putc(&header, ',');
        json_quote(&header, t[i].name, strlen(t[i].name));
        str_printf(&header, ":{\"dtype\":\"%s\",\"shape\":[", dtypes[t[i].dtype].name);
        for (int d = 0; d < t[i].n_dims; d++) str_printf(&header, "%s%lld", d ? "," : "", (long long)t[i].shape[d]);
        uint64_t end = at + view_bytes(&t[i]);
        str_printf(&header, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)at, (unsigned long long)end);
        parts[i + 1] = (file_part) { t[i].bytes, view_bytes(&t[i]) };
        at           = end;
    }
    str_putc(&header, '}');
    while (header.n % 8) str_putc(&header, ' ');
    for (int i = 0; i < 8; i++) header.s[i] = (char)((header.n - 8) >> (8 * i) & 0xFF);
    parts[0] = (file_part) { header.s, header.n };
    int rc   = file_write_atomic_parts(path, parts, (size_t)n + 1);
    str_free(&header);
    free(parts);
    free(t);
    return rc;
}
