#include "datasets/mini_crafts.h"

const struct craft_tool     craft_tools[TOOLS] = { { "knife", "cuts" },    { "hammer", "beats" }, { "needle", "sews" },
                                                   { "saw", "saws" },      { "oven", "bakes" },   { "pot", "boils" },
                                                   { "press", "presses" }, { "wheel", "turns" },  { "comb", "combs" },
                                                   { "file", "grinds" },   { "loom", "weaves" },  { "sieve", "shakes" } };
const struct craft_material craft_materials[MATERIALS] = {
    { "wood", "planks" },  { "wool", "yarn" },   { "clay", "bricks" }, { "iron", "nails" },
    { "flour", "bread" },  { "milk", "cheese" }, { "fish", "soup" },   { "grass", "hay" },
    { "linen", "shirts" }, { "wax", "candles" }, { "glass", "beads" }, { "leather", "boots" }
};

/* The text explains the first third of each table. It names the rest without explaining it. */
enum { EXPLAINED = 4 };

void craft_document(str *out, rng *r)
{
    scene s;
    scene_cast(&s, r);
    for (int i = 0, n = 3 + pick(r, 3); i < n; i++) {
        int t = pick(r, TOOLS), m = pick(r, MATERIALS);
        if (i) str_putc(out, ' ');
        switch (pick(r, 5)) {
        case 0:
            t = pick(r, EXPLAINED);
            str_printf(out, "Who has a %s %s things.", craft_tools[t].tool, craft_tools[t].act);
            break;
        case 1:
            m = pick(r, EXPLAINED);
            str_printf(out, "From %s come %s.", craft_materials[m].material, craft_materials[m].product);
            break;
        case 2:
            str_printf(out, "%s keeps the %s and the %s at home.", s.word['a'], craft_tools[t].tool,
                       craft_tools[pick(r, TOOLS)].tool);
            break;
        case 3:
            str_printf(out, "%s wants some %s and %s.", s.word['b'], craft_materials[m].material,
                       craft_materials[pick(r, MATERIALS)].product);
            break;
        default:
            str_printf(out, "%s %s the thing and %s it.", s.word['a'], craft_tools[t].act,
                       craft_tools[pick(r, TOOLS)].act);
        }
    }
}
