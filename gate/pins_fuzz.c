/* Any bytes as a file of pins: either they are refused with a message, or every pin has a name of
 * its own and a value that is a number, and reading what was written of them gives the same. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "gate/pins.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    pin_list p, again;
    str      text = { 0 };
    error_clear();
    if (pins_parse(&p, (const char *)bytes, n, "fuzz")) {
        if (!*error_text()) abort();
        return 0;
    }
    if (!p.n) abort();
    for (size_t i = 0; i < p.n; i++) {
        const pin *x = &p.pins[i];
        if (!*x->name || !(x->value >= 0 && x->value <= 0x1p53) || !(x->tolerance >= 0 && x->tolerance <= 100)) abort();
        str_printf(&text, "%s %.17g\n", x->name, floor(x->value));
    }
    /* A name may end in what looks like a value; with one more behind it, it is the same name. */
    if (pins_parse(&again, str_c(&text), text.n, "again") || again.n != p.n) abort();
    for (size_t i = 0; i < p.n; i++)
        if (strcmp(again.pins[i].name, p.pins[i].name) || again.pins[i].value != floor(p.pins[i].value)) abort();
    pins_free(&again);
    pins_free(&p);
    str_free(&text);
    return 0;
}
