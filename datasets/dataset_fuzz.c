/* Any bytes through every reader: the first byte chooses it. */
#include <stdlib.h>
#include <string.h>

#include "datasets/dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    int readers = 0;
    while (dataset_reader_name(readers)) readers++;
    if (!n) return 0;
    size_t      cut  = (n - 1) / 2;
    const char *text = (const char *)data + 1;
    dataset    *d;
    if (!dataset_parse(&d, dataset_reader_name(data[0] % readers), text, cut, text + cut, n - 1 - cut, "fuzz")) dataset_free(d);
    return 0;
}
