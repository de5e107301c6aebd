/* What each variant of an adapted linear (kernels/variant.h) is expected to do, for all tests that
 * go through variants. A variant that is not here fails them. */
#ifndef TIEBREAK_KERNELS_TEST_VARIANTS_H
#define TIEBREAK_KERNELS_TEST_VARIANTS_H
#include "core/test.h"
#include "kernels/variant.h"

typedef struct {
    const char *name;
    /* kernels/adapted_test.c: of its cases some with one pair run, and some with several */
    bool one, several;
    /* kernels/variant_test.c: launches of a forward and a backward of one pair, and the elements
     * that the forward moves more than the base, at n = 512, in = 256, out = 1024, r = 16. 0, 0:
     * not counted there, but in kernels/many_adapters_test.c. */
    double fwd, bwd, extra;
    /* train/variant_test.c: why it refuses to train the fused qkv, q and v alone, and all seven
     * sites apart; and to generate with qkv. NULL: it does not. */
    const char *qkv, *q_v, *all, *generate;
} test_variant;

enum {
    /* x and h read, h written and read, A, B */
    TEST_PAIR = 512 * 256 + 2 * 512 * 16 + 16 * 256 + 16 * 1024,
    /* y once more, read and written */
    TEST_Y = 2 * 512 * 1024,
    /* beside the norm's own reading and writing of x and its gains */
    TEST_NORM = 512 * 256 + 256
};
#define TEST_COVER "at the site q of layer 0 it needs pairs that reach every column of y once"
#define TEST_SINGLE "at the site q of layer 0 it takes one pair"
#define TEST_OVER "at the site o of layer 0 it overwrites y, which holds what it should be added to"
#define TEST_ROOM "at the site qkv of layer 0 it needs room for the ranks behind each row of x and dy"
#define TEST_SOURCE "at the site qkv of layer 0 it needs the input of the op before, RMSNorm or SwiGLU"
#define TEST_ARRAYS "at the site qkv of layer 0 it needs the same arrays in every call"
#define TEST_BACK "at the site qkv of layer 0 it has no backward"

static const test_variant test_variants[] = {
    { "stacked", true, true, 3, 5, TEST_PAIR + TEST_Y, NULL, NULL, NULL, NULL },
    { "base-first", true, true, 3, 5, TEST_PAIR + TEST_Y, NULL, NULL, NULL, NULL },
    { "one-pass", true, true, 3, 5, TEST_PAIR + TEST_Y, NULL, NULL, NULL, NULL },
    { "adapter-first", true, true, 3, 5, TEST_PAIR + TEST_Y, NULL, TEST_COVER, NULL, NULL },
    /* One part of h, in f32, is written and read, too. */
    { "split-k", true, true, 4, 6, TEST_PAIR + 4 * 512 * 16 + TEST_Y, NULL, TEST_COVER, NULL, NULL },
    { "merged", true, true, 1, 5, 0, NULL, NULL, NULL, NULL },
    { "augmented-k", true, true, 2, 4, TEST_PAIR, TEST_ROOM, "it needs room", "it", TEST_ROOM },
    /* They take one pair. In bf16 eager takes the pair's factors, which adapted_test.c does not
     * have. */
    { "eager", true, false, 5, 7, TEST_PAIR + 3 * TEST_Y, NULL, TEST_SINGLE, TEST_SINGLE, NULL },
    { "eager-bf16", true, false, 5, 7, TEST_PAIR + 3 * TEST_Y, NULL, TEST_SINGLE, TEST_SINGLE, NULL },
    { "fused", true, true, 2, 4, TEST_PAIR, NULL, NULL, TEST_OVER, NULL },
    { "fused-single", true, true, 2, 4, TEST_PAIR, NULL, NULL, TEST_OVER, NULL },
    { "producer-shrink", true, true, 3, 5, TEST_PAIR + TEST_NORM + TEST_Y, TEST_SOURCE, "it needs the input",
      "it needs the input", TEST_SOURCE },
    { "producer-augmented", true, true, 2, 4, TEST_PAIR + TEST_NORM, TEST_SOURCE, "it needs the input",
      "it needs the input", TEST_SOURCE },
    { "producer-fused", true, true, 2, 4, TEST_PAIR + TEST_NORM, TEST_SOURCE, "it needs the input",
      "it needs the input", TEST_SOURCE },
    { "decode", true, true, 0, 0, 0, TEST_BACK, "it has no backward", "it has no backward", NULL },
    { "decode-wgmma", true, true, 0, 0, 0, TEST_BACK, "it has no backward", "it has no backward", NULL },
    { "decode-graph", true, true, 0, 0, 0, TEST_BACK, "it has no backward", "it has no backward", TEST_ARRAYS },
    { "gather", true, true, 0, 0, 0, TEST_BACK, "it has no backward", "it has no backward", NULL },
    { "graph", true, true, 3, 5, TEST_PAIR + TEST_Y, TEST_ARRAYS, "it needs the same", "it", TEST_ARRAYS },
};

static inline const test_variant *test_variant_of(const adapted_variant *v)
{
    for (size_t i = 0; i < sizeof test_variants / sizeof *test_variants; i++)
        if (!strcmp(test_variants[i].name, v->name)) return &test_variants[i];
    fail_msg("the variant %s is not expected here: give it a row in kernels/test_variants.h", v->name);
    return NULL;
}
#endif
