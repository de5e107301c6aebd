/* The crafts of the invented world: a tool says what is done, a material says what becomes of
 * it. */
#ifndef TIEBREAK_DATASETS_MINI_CRAFTS_H
#define TIEBREAK_DATASETS_MINI_CRAFTS_H
#include "datasets/mini_world.h"

enum { TOOLS = 12, MATERIALS = 12 };
extern const struct craft_tool {
    const char *tool, *act;
} craft_tools[TOOLS];
extern const struct craft_material {
    const char *material, *product;
} craft_materials[MATERIALS];

/* Appends one document that explains some tools and materials. The task teaches the rest. */
void craft_document(str *out, rng *r);
#endif
